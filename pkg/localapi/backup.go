package localapi

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Backups is what GET /v1/backup needs.
type Backups interface {
	// Backup writes a copy of the store, as of one moment, to what begin
	// returns. begin is told how many bytes there will be.
	Backup(ctx context.Context, begin func(size int64) (io.Writer, error)) error
}

const backupType = "application/octet-stream"

// backup streams a copy of the store. If it breaks off the answer is shorter
// than its Content-Length, which its reader sees. One is made at a time, because
// each keeps pages of the file from being used again.
func (s *Server) backup(w http.ResponseWriter, r *request) error {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", backupType)
		return nil
	}
	if !s.backups.TryLock() {
		return resource.Errorf(resource.TooManyRequests, "another backup is under way")
	}
	defer s.backups.Unlock()
	begun := false
	err := s.backend.Backup(r.Context(), func(size int64) (io.Writer, error) {
		begun = true
		w.Header().Set("Content-Type", backupType)
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		return extending{w}, nil
	})
	if err != nil && begun {
		s.log.Warn("backup broke off", "error", err)
		return nil
	}
	return err
}

// extending gives each write its time.
type extending struct{ to http.ResponseWriter }

// Write writes a part of an answer.
func (w extending) Write(p []byte) (int, error) {
	extendWriting(w.to)
	return w.to.Write(p)
}
