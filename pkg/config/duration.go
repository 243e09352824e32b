package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// duration is a Go duration, not negative. A bare number but 0 is refused,
// because its unit would be a guess.
func duration(n *node) (time.Duration, error) {
	value, err := time.ParseDuration(n.text)
	switch _, bare := strconv.ParseFloat(n.text, 64); {
	case err != nil && bare == nil:
		return 0, fmt.Errorf("needs a unit: write %ss or %sms", n.written, n.written)
	case err != nil:
		return 0, fmt.Errorf("must be a duration such as 500ms, 10s or 1h30m, not %s", show(n))
	case value < 0:
		return 0, fmt.Errorf("must not be negative, as %s is", show(n))
	}
	return value, nil
}

// positive is a duration above 0.
func positive(n *node) (time.Duration, error) {
	value, err := duration(n)
	if err == nil && value == 0 {
		err = errors.New("must be above 0, such as 10s")
	}
	return value, err
}

// dialTimeout is a positive duration; a bare number in an SDK file is in
// nanoseconds, as its own reader takes it.
func dialTimeout(n *node) (time.Duration, error) {
	if nanoseconds, err := strconv.ParseInt(n.text, 0, 64); err == nil && n.sdk && !n.isText && nanoseconds > 0 {
		return time.Duration(nanoseconds), nil
	}
	return positive(n)
}

// keepAlive is a number of seconds that fits into MQTT's 16 bits.
func keepAlive(n *node) (time.Duration, error) {
	seconds, err := whole(0, math.MaxUint16)(n)
	if err != nil {
		return 0, fmt.Errorf("is in seconds: %w", err)
	}
	return time.Duration(seconds) * time.Second, nil
}

// sessionExpiry is 0 or a number of whole seconds, and fits into MQTT's 32 bits.
func sessionExpiry(n *node) (time.Duration, error) {
	value, err := duration(n)
	if err == nil && value != 0 && (value%time.Second != 0 || value < 0 || value/time.Second > math.MaxUint32) {
		err = fmt.Errorf("must be 0 or whole seconds from 1s to %s, not %s", math.MaxUint32*time.Second, show(n))
	}
	return value, err
}
