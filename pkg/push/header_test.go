package push_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/push"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                       0,
		"0":                      0,
		"7":                      7 * time.Second,
		"-7":                     0,
		"1.5":                    0,
		"3601":                   time.Hour,
		"9999999999999999999999": 0,
		now.Add(9 * time.Second).Format(http.TimeFormat):  9 * time.Second,
		now.Add(-9 * time.Second).Format(http.TimeFormat): 0,
		now.Add(48 * time.Hour).Format(http.TimeFormat):   time.Hour,
	} {
		if got := push.RetryAfter(value, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7")
	f.Add("Fri, 02 Jan 2026 03:04:05 GMT")
	f.Fuzz(func(t *testing.T, value string) {
		if d := push.RetryAfter(value, time.Now()); d < 0 || d > time.Hour {
			t.Errorf("%q: %s", value, d)
		}
	})
}

// What is encoded is a header, and means the same.
func FuzzEncode(f *testing.F) {
	f.Add("dev-1")
	f.Add("Euro € 😀 %20 \"")
	f.Fuzz(func(t *testing.T, value string) {
		encoded := push.Encode(value)
		for _, c := range []byte(encoded) {
			if c <= ' ' || c > '~' || c == '"' {
				t.Errorf("%q is encoded as %q", value, encoded)
			}
		}
		if plain, err := url.PathUnescape(encoded); err != nil || plain != value {
			t.Errorf("%q is encoded as %q: %v", value, encoded, err)
		}
	})
}
