package apitest

import (
	"context"
	"io"
)

// BackupText is what a backup of a Backend holds.
const BackupText = "a backup"

// Backup is localapi.Backups.
func (b *Backend) Backup(_ context.Context, begin func(int64) (io.Writer, error)) error {
	if err := b.fail("Backup"); err != nil {
		return err
	}
	w, err := begin(int64(len(BackupText)))
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, BackupText)
	return err
}
