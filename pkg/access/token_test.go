package access_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/access"
)

func newToken(t testing.TB, path string, own bool) *access.Token {
	t.Helper()
	token := access.NewToken(slog.New(slog.DiscardHandler))
	if err := token.Use(path, own); err != nil {
		t.Fatal(err)
	}
	return token
}

func TestATokenIsMadeOnce(t *testing.T) {
	path := access.OwnTokenFile(t.TempDir())
	token := newToken(t, path, true)
	text := strings.TrimSpace(read(t, path))
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(text) {
		t.Errorf("it has %d characters, want 64 hexadecimal digits", len(text))
	}
	if info, _ := os.Stat(path); info.Mode() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	if !token.Allow(text) {
		t.Error("the token is not allowed")
	}
	for _, wrong := range []string{"", text[1:], text + "0", strings.ToUpper(text) + "x"} {
		if token.Allow(wrong) {
			t.Errorf("%q is allowed", wrong)
		}
	}
	if !newToken(t, path, true).Allow(text) {
		t.Error("a new start made another one")
	}
}

func TestNobodyGetsInBeforeThereIsAToken(t *testing.T) {
	token := access.NewToken(slog.New(slog.DiscardHandler))
	if token.Allow("") || token.Allow("x") {
		t.Error("allowed")
	}
}

func TestATokenFileMustHoldOne(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		write(t, filepath.Join(dir, "empty"), " \n"): "is empty",
		filepath.Join(dir, "none"):                   "no such file",
		dir:                                          "not a regular file",
	} {
		token := access.NewToken(slog.New(slog.DiscardHandler))
		if err := token.Use(path, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestAChangedTokenCountsWithinSeconds(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "token"), "one\n")
	token := newToken(t, path, false)
	change := func(text string) {
		t.Helper()
		if err := os.Rename(write(t, path+".new", text), path); err != nil {
			t.Fatal(err)
		}
	}
	wait := func(right, wrong string) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); !token.Allow(right) || token.Allow(wrong); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not in effect", right)
			}
		}
	}
	wait("one", "two")
	change("two")
	wait("two", "one")
	change("") // the last good one stays, over two looks at the file
	for over := time.Now().Add(2 * time.Second); time.Now().Before(over); time.Sleep(20 * time.Millisecond) {
		if !token.Allow("two") || token.Allow("") {
			t.Fatal("an empty file has taken the token away")
		}
	}
	change("three")
	wait("three", "two")
}
