package workapi

import (
	"bytes"
	"io"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	workv1 "open-cluster-management.io/api/work/v1"
)

// shared is a work that many watchers are sent: it is encoded once for all of
// them. The work is never changed.
type shared struct {
	*workv1.ManifestWork
	size int64 // about what it takes in memory, if it is kept

	mu      sync.Mutex
	encoded map[runtime.Identifier]*encoding
}

type encoding struct {
	once  sync.Once
	bytes []byte
	err   error
}

var _ runtime.CacheableObject = (*shared)(nil)

func share(w *workv1.ManifestWork) *shared {
	return &shared{ManifestWork: w, encoded: make(map[runtime.Identifier]*encoding, 1)}
}

// CacheEncode writes the encoding of that id; encode makes it the first time.
func (s *shared) CacheEncode(id runtime.Identifier, encode func(runtime.Object, io.Writer) error, w io.Writer) error {
	s.mu.Lock()
	e := s.encoded[id]
	if e == nil {
		e = &encoding{}
		s.encoded[id] = e
	}
	s.mu.Unlock()
	e.once.Do(func() {
		var b bytes.Buffer
		e.err = encode(s.GetObject(), &b)
		e.bytes = b.Bytes()
	})
	if e.err != nil {
		return e.err
	}
	_, err := w.Write(e.bytes)
	return err
}

// GetObject is a work that the caller may set type and version of, but nothing
// below its fields.
func (s *shared) GetObject() runtime.Object {
	w := *s.ManifestWork
	return &w
}

// DeepCopyObject is a work of its own.
func (s *shared) DeepCopyObject() runtime.Object { return s.ManifestWork.DeepCopy() }
