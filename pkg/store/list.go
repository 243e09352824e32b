package store

import (
	"bytes"
	"encoding/base64"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// ListOptions select records; empty fields select all.
type ListOptions struct {
	DataType resource.DataType
	Cluster  string
	Source   string
	Match    func(*Meta) bool // must be quick; nil = all
	Limit    int              // of records on the page; 0 = no limit
	Continue string           // from the page before; the other fields but Limit are then those of the first page
}

// Page is a part of a list.
type Page struct {
	Records  []*Record
	Continue string            // of the next page; "" = this is the last
	Revision resource.Revision // of the snapshot that all pages are of
}

// List gives the visible records in the order of data type, cluster, source and
// id. All pages of one list are one snapshot, and any page can be asked for
// again while the list is open: until nobody has asked for 30 s, at most for
// two minutes, and as long as no more than 16 lists are open; later it is
// resource.Expired.
func (s *Store) List(o ListOptions) (p *Page, err error) {
	err = guard(func() error {
		if o.Continue == "" {
			p, err = s.firstPage(o)
		} else {
			p, err = s.nextPage(o)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.touched(len(p.Records))
	return p, nil
}

// firstPage keeps its transaction open if there is more than the page.
func (s *Store) firstPage(o ListOptions) (*Page, error) {
	tx, err := s.beginRead()
	if err != nil {
		return nil, err
	}
	keep := false
	defer func() {
		if !keep {
			_ = tx.Rollback()
		}
	}()
	p, next, err := readPage(tx, o, nil)
	if err != nil || next == nil {
		return p, err
	}
	id, err := s.cursors.add(tx, o)
	if err != nil {
		return nil, err
	}
	keep = true
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

// readPage reads the page that begins at from (nil = the first), and tells where
// the next begins; nil if there is none.
func readPage(tx *bbolt.Tx, o ListOptions, from []byte) (*Page, []byte, error) {
	var st state
	if err := st.load(tx); err != nil {
		return nil, nil, err
	}
	p := &Page{Records: []*Record{}, Revision: st.Visible}
	prefix := o.prefix()
	if from == nil {
		from = prefix
	}
	cursor := tx.Bucket(metaBucket).Cursor()
	for name, value := cursor.Seek(from); bytes.HasPrefix(name, prefix) && name != nil; name, value = cursor.Next() {
		m, err := o.match(name, value)
		if err != nil {
			return nil, nil, err
		}
		if m == nil {
			continue
		}
		if o.Limit > 0 && len(p.Records) == o.Limit {
			return p, bytes.Clone(name), nil
		}
		p.Records = append(p.Records, readPayloads(tx, name, m))
	}
	return p, nil, nil
}

// prefix is the longest start that all keys of the list share.
func (o *ListOptions) prefix() []byte {
	var b []byte
	for _, part := range []string{string(o.DataType), o.Cluster, o.Source} {
		if part == "" {
			break
		}
		b = append(append(b, part...), separator...)
	}
	return b
}

// match decodes what belongs to the list; nil is what does not.
func (o *ListOptions) match(name, value []byte) (*Meta, error) {
	key, err := decodeKey(name)
	if err != nil {
		return nil, err
	}
	if !o.selects(key) {
		return nil, nil
	}
	m, err := decodeMeta(key, value)
	if err != nil {
		return nil, err
	}
	if !m.Visible() || (o.Match != nil && !o.Match(m)) {
		return nil, nil
	}
	return m, nil
}

func (o *ListOptions) selects(k resource.Key) bool {
	return (o.DataType == "" || o.DataType == k.DataType) &&
		(o.Cluster == "" || o.Cluster == k.Cluster) &&
		(o.Source == "" || o.Source == k.Source)
}
