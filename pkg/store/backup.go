package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// A backup is a file of the store with a seal behind its last page: the seal's
// mark and the SHA-256 of all before it. bbolt does not look behind the last
// page, so that a backup is a file of the store by itself.
const sealSize = 16 + sha256.Size

var sealMark = []byte("sidecar-backup\x01\n")

// Backup writes a copy of the store: all that was committed before the call,
// perhaps what came meanwhile, and no half of anything. Commits go on. begin is
// told how many bytes there will be, and returns where they go.
//
// While it writes, the file cannot use again the pages that commits free: who
// reads slowly makes it grow.
func (s *Store) Backup(begin func(size int64) (io.Writer, error)) error {
	if err := s.settle(); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	tx, err := s.begin()
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer tx.Rollback()
	w, err := begin(tx.Size() + sealSize)
	if err != nil {
		return err
	}
	if err := guard(func() error { return writeSealed(w, tx) }); err != nil {
		return fmt.Errorf("back up store %s: %w", s.path, err)
	}
	return nil
}

// settle brings all that was committed before into the file.
func (s *Store) settle() error {
	c := &s.checkpoints
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.memory.older != nil { // of a checkpoint that has failed: newer is not in its turn yet
		if err := s.checkpointLocked(); err != nil {
			return err
		}
	}
	return s.checkpointLocked()
}

func writeSealed(w io.Writer, tx *bbolt.Tx) error {
	hash := sha256.New()
	if _, err := tx.WriteTo(io.MultiWriter(w, hash)); err != nil {
		return err
	}
	_, err := w.Write(hash.Sum(bytes.Clone(sealMark)))
	return err
}

// copySealed copies the pages of a backup of that size, and checks that they are
// as they were written. What has no seal is not copied.
func copySealed(to io.Writer, from io.ReaderAt, size int64) error {
	seal := make([]byte, sealSize)
	if size < sealSize {
		return errNoBackup
	}
	if _, err := from.ReadAt(seal, size-sealSize); err != nil {
		return err
	}
	if !bytes.HasPrefix(seal, sealMark) {
		return errNoBackup
	}
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(to, hash), io.NewSectionReader(from, 0, size-sealSize)); err != nil {
		return err
	}
	if !bytes.Equal(hash.Sum(nil), seal[len(sealMark):]) {
		return fmt.Errorf("%w: it is not as it was written", errDamaged)
	}
	return nil
}
