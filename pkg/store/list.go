package store

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// ListOptions select records; empty fields select all.
type ListOptions struct {
	DataType resource.DataType
	Cluster  string
	Source   string
	Match    func(*Meta) bool // must be quick; nil = all
	Matches  string           // names what Match does; "" = nothing
	Sort     func([]*Meta)    // nil = by data type, cluster, source and id
	Limit    int              // of records on the page; 0 = no limit
	Continue string           // from the page before; what else selects may then be left out, and must not differ
}

// Page is a part of a list.
type Page struct {
	Records  []*Record
	Continue string            // of the next page; "" = this is the last
	Revision resource.Revision // of the snapshot that all pages are of
}

// List gives the visible records in their order. All pages of one list are one snapshot, and any page can be asked for
// again while the list is open: until nobody has asked for 30 s, at most for
// two minutes, and as long as no more than 16 lists are open; later it is
// resource.Expired.
func (s *Store) List(o ListOptions) (p *Page, err error) {
	if o.Continue == "" {
		p, err = s.firstPage(o)
	} else {
		p, err = s.nextPage(o)
	}
	if err != nil {
		return nil, err
	}
	s.touched(len(p.Records))
	return p, nil
}

// Scan is List without a limit, given in parts of so many records as they are
// read: yield is called with each, until it is false. Meanwhile the file cannot
// grow, so yield must not wait for anybody outside.
func (s *Store) Scan(o ListOptions, records int, yield func([]*Record) bool) error {
	snap, err := s.takeSnapshot(&o)
	if err != nil {
		return err
	}
	read := 0
	defer func() {
		snap.close() // before touched, as in Get
		s.touched(read)
	}()
	for part := range slices.Chunk(snap.metas, records) {
		found, err := snap.read(part)
		if err != nil {
			return err
		}
		if read += len(found); read >= residentInScan {
			s.dropPagesOf(snap.tx)
			read = 0
		}
		if !yield(found) {
			break
		}
	}
	return nil
}

// firstPage keeps its snapshot if there is more than the page.
func (s *Store) firstPage(o ListOptions) (*Page, error) {
	snap, err := s.takeSnapshot(&o)
	if err != nil {
		return nil, err
	}
	p, next, err := snap.page(nil, o.Limit)
	if err != nil || next == nil {
		snap.close()
		return p, err
	}
	id, err := s.cursors.add(snap, o)
	if err != nil {
		snap.close()
		return nil, err
	}
	p.Continue = encodeToken(id, next)
	return p, nil
}

func (s *Store) nextPage(o ListOptions) (*Page, error) {
	id, from, err := decodeToken(o.Continue)
	if err != nil {
		return nil, err
	}
	c, err := s.cursors.use(id)
	if err != nil {
		return nil, err
	}
	if !o.continues(&c.of) {
		return nil, resource.Errorf(resource.InvalidArgument, "the continue token is of a list with other filters: give the same ones, or none beside it")
	}
	p, next, err := c.page(from, o.Limit)
	if err != nil {
		return nil, err
	}
	if next != nil {
		p.Continue = encodeToken(id, next)
	} else {
		s.cursors.finished(c)
	}
	return p, nil
}

// A token is the cursor and where its next page begins, so that a page that was
// lost on its way can be asked for again.
func encodeToken(id string, next []byte) string {
	return id + "." + base64.RawURLEncoding.EncodeToString(next)
}

func decodeToken(token string) (id string, from []byte, err error) {
	id, rest, _ := strings.Cut(token, ".")
	from, err = base64.RawURLEncoding.DecodeString(rest)
	if err != nil || len(from) == 0 {
		return "", nil, errLapsed()
	}
	return id, from, nil
}

func errLapsed() error {
	return resource.Errorf(resource.Expired, "the continue token is unknown or has lapsed: start the list again")
}

func (o *ListOptions) selectsGroup(g resource.Group) bool {
	return (o.DataType == "" || o.DataType == g.DataType) &&
		(o.Cluster == "" || o.Cluster == g.Cluster) &&
		(o.Source == "" || o.Source == g.Source)
}

// continues tells whether o asks for nothing else than the first page's options.
func (o *ListOptions) continues(first *ListOptions) bool {
	return (o.DataType == "" || o.DataType == first.DataType) &&
		(o.Cluster == "" || o.Cluster == first.Cluster) &&
		(o.Source == "" || o.Source == first.Source) &&
		(o.Matches == "" || o.Matches == first.Matches)
}

func (o *ListOptions) selects(m *Meta) bool {
	return m.Visible() && (o.Match == nil || o.Match(m))
}
