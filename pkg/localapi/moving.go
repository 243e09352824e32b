package localapi

import (
	"io"
	"net/http"
	"time"
)

// movingBody is a body that may take as long as it likes while it moves: each
// read has bodyTimeout. What ended it ends every later read.
type movingBody struct {
	io.ReadCloser
	control *http.ResponseController
	err     error
}

// withMovingBody is the request with such a body. It is another one: net/http
// looks at the body of its own.
func withMovingBody(w http.ResponseWriter, r *http.Request) *http.Request {
	moving := r.WithContext(r.Context())
	moving.Body = &movingBody{ReadCloser: r.Body, control: http.NewResponseController(w)}
	return moving
}

// Read waits for the next bytes.
func (b *movingBody) Read(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	_ = b.control.SetReadDeadline(time.Now().Add(bodyTimeout))
	n, b.err = b.ReadCloser.Read(p)
	if b.err == io.EOF { // as it is given by net/http
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, b.err
}

// readRest reads a body that nobody wants to its end: many clients look for an
// answer only once they have sent everything. Who asks before sending is
// answered at once.
func readRest(r *http.Request) {
	if r.Header.Get("Expect") == "" {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}
