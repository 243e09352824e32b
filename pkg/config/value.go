package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	quantity "k8s.io/apimachinery/pkg/api/resource"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The functions here parse one value. Their errors say what the value must be
// and show it only as it is written in the file.

// text is any text without control characters. YAML takes a bare 123 or true
// for something else; an SDK file may have them, as its own reader allows it.
func text(n *node) (string, error) {
	if !n.isText && !n.sdk {
		return "", errors.New("must be text: put it in quotes")
	}
	if strings.ContainsFunc(n.text, unicode.IsControl) {
		return "", errors.New("must not hold control characters or line breaks")
	}
	return n.text, nil
}

// secret is text that never shows.
func secret(n *node) (Secret, error) {
	if !n.isText && !n.sdk {
		return "", errors.New("must be text: put it in quotes")
	}
	return Secret(n.text), nil
}

// name is a source id, agent id or cluster name (docs/api.md, A resource).
func name(n *node) (string, error) {
	value, err := text(n)
	if err == nil && resource.ValidateName("", value) != nil {
		err = fmt.Errorf("must be 1 to 63 of a-z, 0-9 and -, not %s", show(n))
	}
	return value, err
}

func role(n *node) (resource.Role, error) {
	value, err := oneOf(string(resource.Source), string(resource.Agent))(n)
	return resource.Role(value), err
}

func dataType(n *node) (resource.DataType, error) {
	value, err := resource.ParseDataType(n.text)
	if err != nil || !n.isText {
		return "", fmt.Errorf("must be <group>.<version>.<resource> in lower case, such as com.example.fleet.v1alpha1.devices, not %s", show(n))
	}
	return value, nil
}

func oneOf(choices ...string) func(*node) (string, error) {
	return func(n *node) (string, error) {
		for _, choice := range choices {
			if n.text == choice {
				return choice, nil
			}
		}
		return "", fmt.Errorf("must be %s, not %s", strings.Join(choices, " or "), show(n))
	}
}

// transport is the one that this version has.
func transport(n *node) (string, error) {
	if n.text == "grpc" || n.text == "kafka" {
		return "", fmt.Errorf("%s is not in this version: use mqtt", n.text)
	}
	return oneOf("mqtt")(n)
}

func boolean(n *node) (bool, error) {
	if n.quoted || n.text != "true" && n.text != "false" {
		return false, fmt.Errorf("must be true or false without quotes, not %s", show(n))
	}
	return n.text == "true", nil
}

// whole is a whole number from low to high.
func whole[T int | int64 | byte | uint32](low, high T) func(*node) (T, error) {
	return func(n *node) (T, error) {
		value, err := strconv.ParseInt(n.text, 0, 64)
		if err != nil || n.quoted || value < int64(low) || value > int64(high) {
			return 0, fmt.Errorf("must be a whole number from %d to %d without quotes, not %s", low, high, show(n))
		}
		return T(value), nil
	}
}

// count is a whole number, not negative.
func count(n *node) (int, error) { return whole(0, math.MaxInt32)(n) }

// number is a number from low to high.
func number(low, high float64) func(*node) (float64, error) {
	return func(n *node) (float64, error) {
		value, err := strconv.ParseFloat(n.text, 64)
		if err != nil || n.quoted || !(low <= value && value <= high) {
			return 0, fmt.Errorf("must be a number from %s to %s without quotes, not %s", plain(low), plain(high), show(n))
		}
		return value, nil
	}
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// factor is a number above 1: with less, delays would not grow.
func factor(n *node) (float64, error) {
	value, err := number(1, 1000)(n)
	if err == nil && value == 1 {
		err = errors.New("must be above 1, such as 2")
	}
	return value, err
}

// size is a number of bytes as a Kubernetes quantity, from 0 to high. What is no
// whole number is rounded up.
func size(high int64) func(*node) (int64, error) {
	const longest = 32 // digits that make no sense cost quantity's parser dear
	most := quantity.NewQuantity(high, quantity.BinarySI)
	return func(n *node) (int64, error) {
		if len(n.text) <= longest {
			if q, err := quantity.ParseQuantity(n.text); err == nil && q.Sign() >= 0 && q.Cmp(*most) <= 0 {
				return q.Value(), nil
			}
		}
		return 0, fmt.Errorf("must be a size from 0 to %d bytes, such as 512Ki or 1Mi, not %s", high, show(n))
	}
}

var modePattern = regexp.MustCompile(`^0[0-7]{3}$`)

// mode are permission bits in octal. Without a leading 0 it would be unclear
// whether 660 is meant in octal.
func mode(n *node) (os.FileMode, error) {
	if !modePattern.MatchString(n.text) {
		return 0, fmt.Errorf("must be four octal digits in quotes, such as \"0660\", not %s", show(n))
	}
	value, err := strconv.ParseUint(n.text, 8, 32)
	return os.FileMode(value), err
}

// maxSocketPath is what fits into sun_path with its final zero.
const maxSocketPath = 107

func socket(n *node) (string, error) {
	value, err := text(n)
	if err == nil && len(value) > maxSocketPath {
		err = fmt.Errorf("has %d bytes and a Unix socket's path at most %d: choose a shorter one", len(value), maxSocketPath)
	}
	return value, err
}

func level(n *node) (slog.Level, error) {
	name, err := oneOf("debug", "info", "warn", "error")(n)
	if err != nil {
		return 0, err
	}
	var value slog.Level
	return value, value.UnmarshalText([]byte(name))
}

// show is a value for a message, as it is written in the file.
func show(n *node) string {
	const longest = 80
	if len(n.written) > longest {
		return fmt.Sprintf("%.*q…", longest, n.written)
	}
	return strconv.Quote(n.written)
}
