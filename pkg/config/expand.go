package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// reference is what begins with $ and means something: $${, a variable, or the
// beginning of one that is not finished.
var reference = regexp.MustCompile(`\$\$\{|\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$\{`)

// expand replaces ${NAME} by the environment's value and $${ by ${. Any other $
// stays, so that a topic may begin with $share and a password hold $$
// (docs/configuration.md, Values).
func expand(text string) (string, error) {
	var errs []error
	expanded := reference.ReplaceAllStringFunc(text, func(ref string) string {
		switch ref {
		case "$${":
			return "${"
		case "${":
			errs = append(errs, errors.New("${ must be followed by the name of a variable and }: write $${ for these characters themselves"))
			return ref
		}
		name := strings.TrimSuffix(strings.TrimPrefix(ref, "${"), "}")
		value, ok := os.LookupEnv(name)
		if !ok {
			errs = append(errs, fmt.Errorf("the environment variable %s is not set: set it, or write $${%s} for these characters themselves", name, name))
		}
		return value
	})
	if len(errs) > 0 {
		return "", errs[0]
	}
	return expanded, nil
}
