package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// RestoreOptions say what is restored, and where to.
type RestoreOptions struct {
	From   string   // a file that Backup has written
	Dir    string   // state.dir
	Owner  string   // as in Options: a file of another owner is refused; "" = any
	Forget []string // settings that do not come back
}

// Restored is what a restore did.
type Restored struct {
	Records int    // held now
	Aside   string // the folder that the store before was moved to; "" = there was none
}

// Restore puts a backup in the place of the store in o.Dir, which nobody may
// have open, and keeps that one aside. The backup is checked as a whole first;
// an error has changed nothing, but for one in the very last steps, which says
// where everything is.
//
// The store is new then: its revisions begin above all earlier ones, without
// history, and tombstones are left out, because what they tell others to delete
// may have been made anew since.
func Restore(o RestoreOptions) (Restored, error) {
	r, err := restore(o)
	if err != nil {
		return r, fmt.Errorf("restore %s: %w", o.From, err)
	}
	return r, nil
}

func restore(o RestoreOptions) (r Restored, err error) {
	if err := makeDir(o.Dir); err != nil {
		return r, fmt.Errorf("make state folder: %w", err)
	}
	unlock, err := lockStore(filePath(o.Dir))
	if err != nil {
		return r, err
	}
	defer unlock()
	fresh := filepath.Join(o.Dir, "restoring.db")
	defer os.Remove(fresh) // not there any more if all went well
	if err := copyBackup(o.From, fresh); err != nil {
		return r, err
	}
	if r.Records, err = renew(fresh, o); err != nil {
		return r, err
	}
	if r.Aside, err = setAside(o.Dir); err != nil {
		return r, err
	}
	if err := os.Rename(fresh, filePath(o.Dir)); err != nil {
		return r, fmt.Errorf("%w; the store before is in %s", err, r.Aside)
	}
	if err := syncDir(o.Dir); err != nil {
		return r, fmt.Errorf("%w; the store is restored, but a power cut may take it yet, and the store before is in %s", err, r.Aside)
	}
	return r, nil
}

// lockStore takes the lock that bbolt takes: nobody has the store open until it
// is released, or the file has another name.
func lockStore(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("a sidecar uses %s: stop it first", path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}

// copyBackup copies the pages of a backup to a new file.
func copyBackup(from, to string) error {
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(copySealed(out, in, info.Size()), out.Close())
}

// renew checks a copied file and makes a new store of it. It is durable then.
func renew(path string, o RestoreOptions) (records int, err error) {
	err = guard(func() error {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, PageSize: pageSize})
		if err != nil {
			return fmt.Errorf("%w: %w", errForeign, err)
		}
		err = db.View(func(tx *bbolt.Tx) error { return checkCopy(tx, o.Owner) })
		if err == nil {
			err = db.Update(func(tx *bbolt.Tx) error {
				records, err = makeNew(tx, o.Forget)
				return err
			})
		}
		return errors.Join(err, db.Close())
	})
	return records, err
}

// checkCopy looks at all of a file: its owner, its pages, and every record.
func checkCopy(tx *bbolt.Tx, owner string) error {
	isNew, err := checkFormat(tx)
	if err != nil {
		return err
	}
	if isNew {
		return errForeign
	}
	var st state
	if err := st.load(tx); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if owner != "" && st.Owner != "" && st.Owner != owner {
		return fmt.Errorf("it is the store of %s, and this is %s", st.Owner, owner)
	}
	if err := errors.Join(eachMeta(tx, func([]byte, *Meta) {}), checkPages(tx)); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

func eachMeta(tx *bbolt.Tx, visit func(name []byte, m *Meta)) error {
	return tx.Bucket(metaBucket).ForEach(func(name, value []byte) error {
		key, err := decodeKey(name)
		if err != nil {
			return err
		}
		m, err := decodeMeta(key, value)
		if err == nil {
			visit(name, m)
		}
		return err
	})
}

// makeNew forgets what a store remembers of its past, and counts what is left.
func makeNew(tx *bbolt.Tx, settings []string) (records int, err error) {
	var st state
	if err := st.load(tx); err != nil {
		return 0, err
	}
	st.Head = max(st.Head, st.HeadCeiling, nowRevision(time.Now()))
	st.Visible, st.Floor = st.Head, st.Head
	st.Identity, st.Segment, st.Frame = randomNumber(), 0, 0
	st.HeadCeiling, st.Clean, st.Boot = 0, true, ""
	if err := tx.DeleteBucket(logBucket); err != nil {
		return 0, fmt.Errorf("forget history: %w", err)
	}
	if _, err := tx.CreateBucket(logBucket); err != nil {
		return 0, fmt.Errorf("forget history: %w", err)
	}
	for _, name := range settings {
		if err := tx.Bucket(settingsBucket).Delete([]byte(name)); err != nil {
			return 0, fmt.Errorf("forget setting %s: %w", name, err)
		}
	}
	if records, err = dropTombstones(tx); err != nil {
		return 0, err
	}
	return records, st.save(tx)
}

func dropTombstones(tx *bbolt.Tx) (left int, err error) {
	var gone [][]byte
	err = eachMeta(tx, func(name []byte, m *Meta) {
		if m.Visible() {
			left++
		} else {
			gone = append(gone, bytes.Clone(name)) // what is read is not ours once we write
		}
	})
	for _, name := range gone {
		for _, bucket := range append([][]byte{metaBucket}, payloadBuckets[:]...) {
			err = errors.Join(err, tx.Bucket(bucket).Delete(name))
		}
	}
	return left, err
}

// setAside moves file and journal into a folder beside them. The file goes
// first: if the rest does not follow, a sidecar that is started sees a journal
// without its file, and says so.
func setAside(dir string) (aside string, err error) {
	numbers, err := segmentNumbers(dir)
	if err != nil {
		return "", err
	}
	files := []string{filePath(dir)}
	for _, number := range numbers {
		files = append(files, segmentPath(dir, number))
	}
	if _, err := os.Lstat(files[0]); errors.Is(err, fs.ErrNotExist) {
		files = files[1:]
	}
	if len(files) == 0 {
		return "", nil
	}
	aside = filepath.Join(dir, "before-restore-"+time.Now().UTC().Format("20060102T150405.000000Z"))
	if err := os.Mkdir(aside, 0o700); err != nil {
		return "", err
	}
	for _, file := range files {
		if err := os.Rename(file, filepath.Join(aside, filepath.Base(file))); err != nil {
			return aside, fmt.Errorf("move the store aside: %w; what was moved is in %s", err, aside)
		}
	}
	if err := syncDir(aside); err != nil {
		return aside, fmt.Errorf("move the store aside: %w; it is in %s", err, aside)
	}
	return aside, nil
}
