package config

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is text that prints as "[redacted]" whatever it is printed with; a
// conversion to string gives the text itself.
type Secret string

// String hides the text; an empty secret stays empty.
func (s Secret) String() string { return hide(len(s)) }

// Format hides the text from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the text from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// SecretBytes is a Secret of bytes, such as a private key in PEM.
type SecretBytes []byte

// String hides the bytes; an empty secret stays empty.
func (s SecretBytes) String() string { return hide(len(s)) }

// Format hides the bytes from every verb of fmt.
func (s SecretBytes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the bytes from slog.
func (s SecretBytes) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the bytes from encoders.
func (s SecretBytes) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func hide(length int) string {
	if length == 0 {
		return ""
	}
	return redacted
}
