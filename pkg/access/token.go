package access

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// tokenBytes is how much chance is in a token of ours: 256 bits.
const tokenBytes = 32

// statEvery is how often a call looks whether the file has changed.
const statEvery = time.Second

// Token is the bearer token in a file. A file that has become unreadable or
// empty leaves the last good token in effect.
type Token struct {
	log *slog.Logger

	mu     sync.Mutex
	path   string
	seen   os.FileInfo // of what was read
	looked time.Time
	failed string // the last error that was logged
	sum    [sha256.Size]byte
	loaded bool
}

// NewToken lets nobody in before what Prepare returns was called.
func NewToken(log *slog.Logger) *Token { return &Token{log: log} }

// OwnTokenFile is where the token lies that is made in state.dir.
func OwnTokenFile(dir string) string { return filepath.Join(dir, tokenFile) }

// Prepare reads the token from the file, and returns what takes it from there
// from then on. A file of our own (own) is made if it is missing, with 256 bits
// in hexadecimal and mode 0600.
func (t *Token) Prepare(path string, own bool) (use func(), err error) {
	if own {
		if err := makeToken(path); err != nil {
			return nil, fmt.Errorf("make token: %w", err)
		}
	}
	sum, info, err := readToken(path)
	if err != nil {
		return nil, err
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.path, t.sum, t.seen, t.looked, t.loaded, t.failed = path, sum, info, time.Now(), true, ""
	}, nil
}

func makeToken(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b := make([]byte, tokenBytes)
	_, _ = rand.Read(b) // never fails
	return writeFile(path, append(hex.AppendEncode(nil, b), '\n'), secretMode)
}

// readToken is the digest of the token in a file, without the white space around
// it.
func readToken(path string) (sum [sha256.Size]byte, info os.FileInfo, err error) {
	if info, err = os.Stat(path); err != nil {
		return sum, nil, fmt.Errorf("read token: %w", err)
	}
	data, err := readFile(path)
	if err != nil {
		return sum, nil, fmt.Errorf("read token: %w", err)
	}
	if data = bytes.TrimSpace(data); len(data) == 0 {
		return sum, nil, fmt.Errorf("token file %s is empty: write a token into it, or remove it to have one made", path)
	}
	return sha256.Sum256(data), info, nil
}

// Allow tells whether it is the token. How long it takes says nothing about how
// much of it is right.
func (t *Token) Allow(token string) bool {
	given := sha256.Sum256([]byte(token))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh(time.Now())
	return t.loaded && subtle.ConstantTimeCompare(given[:], t.sum[:]) == 1
}

// refresh reads the file again if it is another than the one that was read.
func (t *Token) refresh(now time.Time) {
	if t.path == "" || now.Sub(t.looked) < statEvery {
		return
	}
	t.looked = now
	info, err := os.Stat(t.path)
	if err == nil && sameContent(info, t.seen) {
		return
	}
	sum, info, err := readToken(t.path)
	if err != nil {
		if t.failed != err.Error() {
			t.log.Error("token cannot be read, the last good one stays in effect", "error", err)
		}
		t.failed = err.Error()
		return
	}
	if sum != t.sum {
		t.log.Info("token changed", "file", t.path)
	}
	t.sum, t.seen, t.failed = sum, info, ""
}

func sameContent(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
