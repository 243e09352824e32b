package store_test

import (
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/store"
)

// A check that finds nothing proves nothing.
func TestCheckFindsFaults(t *testing.T) {
	name, stray := store.EncodeKey(key("a")), store.EncodeKey(key("stray"))
	put := func(bucket string, name, value []byte) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put(name, value) }
	}
	dropFirst := func(bucket string) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			cursor := tx.Bucket([]byte(bucket)).Cursor()
			cursor.First()
			return cursor.Delete()
		}
	}
	tests := map[string]struct {
		tamper func(*bbolt.Tx) error
		want   string
	}{
		"changed record":   {put("meta", name, []byte(`{"v":9,"r":"1"}`)), "index and file differ"},
		"unknown record":   {put("meta", stray, []byte(`{"r":"1"}`)), "not in the index"},
		"lost record":      {dropFirst("meta"), "index has 2 records, the file 1"},
		"garbled key":      {put("meta", []byte("x"), []byte(`{"r":"1"}`)), "1 parts"},
		"stray payload":    {put("status", stray, []byte("x")), "is no record"},
		"changed setting":  {put("settings", []byte("name"), []byte("x")), "setting name"},
		"lost setting":     {dropFirst("settings"), "1 settings in memory, 0 in the file"},
		"lost history":     {dropFirst("log"), "history has"},
		"garbled history":  {put("log", []byte{255, 0, 0, 0, 0, 0, 0, 0}, []byte("?")), "unknown kind"},
		"alien history":    {put("log", make([]byte, 8), append([]byte{'A', byte(len(name))}, name...)), "not between floor"},
		"changed state":    {put("system", []byte("state"), []byte(`{"head":"1"}`)), "state: file and memory differ"},
		"unreadable state": {put("system", []byte("state"), []byte(`{`)), "decode state"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			s, err := store.Open(store.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			update(t, s, func(tx *store.Tx) {
				putTx(tx, key("a"), 1, "x")
				putTx(tx, key("b"), 1, "x")
				tx.SetSetting("name", []byte("value"))
			})
			if err := s.Check(); err != nil {
				t.Fatalf("before: %v", err)
			}
			if err := s.Tamper(test.tamper); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("check says %v, want %q", err, test.want)
			}
		})
	}
}
