package localapi

import (
	"sync"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// sharedLine is the size in bytes from which on the line of an event is made
// once for all watches that write it at the same time, so that those which wait
// for their peers to read it do not each hold a copy.
const sharedLine = 32 << 10

// lineShare holds the long lines that are being written.
type lineShare struct {
	mu    sync.Mutex
	lines map[lineName]*line
}

// lineName is what a line says: resources are compared as pointers, since
// watches are given the same one.
type lineName struct {
	kind string
	res  *resource.Resource
}

type line struct {
	once  sync.Once
	text  []byte
	users int
}

// use calls write with the line of an event.
func (s *lineShare) use(e *resource.WatchEvent, write func(text []byte) error) error {
	name := lineName{e.Type, e.Resource}
	l := s.take(name)
	defer s.leave(name, l)
	l.once.Do(func() { l.text = appendEvent(nil, e) })
	return write(l.text)
}

func (s *lineShare) take(name lineName) *line {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines == nil {
		s.lines = map[lineName]*line{}
	}
	l := s.lines[name]
	if l == nil {
		l = &line{}
		s.lines[name] = l
	}
	l.users++
	return l
}

func (s *lineShare) leave(name lineName, l *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(s.lines, name)
	}
}

// long tells whether the line of an event is worth sharing.
func long(e *resource.WatchEvent) bool {
	r := e.Resource
	return r != nil && len(r.Spec)+len(r.SpecBase64)+len(r.Metadata)+len(r.Status) >= sharedLine
}
