package store

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// fullErrors are the ways of a file system to say that nothing more fits.
var fullErrors = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}

// isDiskFull also reads the text, because bbolt passes on the error of growing
// the file as text only.
func isDiskFull(err error) bool {
	for _, full := range fullErrors {
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}

func diskFullError(path string, err error) error {
	return resource.Errorf(resource.DiskFull, "no space left for the store in %s: nothing was changed; free space there or raise its limit, then try again: %w", filepath.Dir(path), err)
}
