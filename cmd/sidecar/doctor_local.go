package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Free space in state.dir that is little, and too little to go on.
const (
	littleSpace = 256 << 20
	noSpace     = 16 << 20
)

// checkSocket looks at the socket's file; whether anybody answers is another
// check.
func (d *doctor) checkSocket() {
	path := d.config.API.Socket
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.checkFolder("socket", filepath.Dir(path), "the socket will be made there")
		return
	case err != nil:
		d.add("socket", resultFail, "%s: give this user access to the folder", err)
		return
	case info.Mode().Type() != fs.ModeSocket:
		d.add("socket", resultFail, "%s is not a socket: remove it, or choose another api.socket", path)
		return
	}
	uid, gid := ownerOfFile(info)
	result, advice := resultOK, ""
	switch {
	case unix.Access(path, unix.W_OK) != nil:
		result, advice = resultFail, ": this user may not connect; give it that group, or widen api.socketMode"
	case info.Mode().Perm()&0o002 != 0 && len(d.config.API.AllowedUIDs) == 0:
		result, advice = resultWarn, ": every user may connect; narrow api.socketMode or set api.allowedUIDs"
	}
	d.add("socket", result, "%s has mode %04o and is of uid %d, gid %d%s", path, info.Mode().Perm(), uid, gid, advice)
}

func ownerOfFile(info fs.FileInfo) (uid, gid uint32) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid, stat.Gid
	}
	return 0, 0
}

// checkFolder tells whether something can be made in a folder that may itself
// have to be made.
func (d *doctor) checkFolder(check, folder, what string) {
	there := folder
	for {
		if _, err := os.Stat(there); err == nil || filepath.Dir(there) == there {
			break
		}
		there = filepath.Dir(there)
	}
	if err := unix.Access(there, unix.W_OK|unix.X_OK); err != nil {
		d.add(check, resultFail, "%s is not there, and this user cannot make anything in %s (%s): make it, for the sidecar's user", folder, there, err)
		return
	}
	d.add(check, resultOK, "%s: %s", folder, what)
}

// checkState looks at the state folder: access, mode, space.
func (d *doctor) checkState() {
	dir := d.config.State.Dir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.checkFolder("state.dir", dir, "will be made")
		return
	case err != nil:
		d.add("state.dir", resultFail, "%s: give the sidecar's user access to it", err)
		return
	case !info.IsDir():
		d.add("state.dir", resultFail, "%s is not a folder: choose another state.dir", dir)
		return
	}
	d.checkAccess(dir, info)
	d.checkSpace(dir)
}

func (d *doctor) checkAccess(dir string, info fs.FileInfo) {
	uid, _ := ownerOfFile(info)
	for _, path := range []string{dir, filepath.Join(dir, "sidecar.db")} {
		if err := unix.Access(path, unix.R_OK|unix.W_OK); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.add("state.dir", resultFail, "%s is not writable for this user (%s), the folder is of uid %d: give it to the sidecar's user (in a Pod: fsGroup)", path, err, uid)
			return
		}
	}
	if info.Mode().Perm()&0o007 != 0 {
		d.add("state.dir", resultWarn, "%s has mode %04o: it holds specs, statuses, token and key; chmod o-rwx %s", dir, info.Mode().Perm(), dir)
		return
	}
	d.add("state.dir", resultOK, "%s is writable, of uid %d, mode %04o", dir, uid, info.Mode().Perm())
}

func (d *doctor) checkSpace(dir string) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		d.add("disk", resultWarn, "%s: it is not known how much space is left: %s", dir, err)
		return
	}
	free, result, advice := int64(disk.Bavail)*int64(disk.Bsize), resultOK, ""
	switch {
	case free < noSpace:
		result, advice = resultFail, ": free some, or calls are answered with 507"
	case free < littleSpace:
		result, advice = resultWarn, ": make some more"
	}
	d.add("disk", result, "%d MiB are free for %s%s", free>>20, dir, advice)
}

// checkClock holds the clock against what is surely past: when this program was
// made, and when the store was written last. Certificates tell more, in the
// check of TLS.
func (d *doctor) checkClock() {
	now := time.Now()
	if made := buildTime(); now.Before(made) {
		d.add("clock", resultFail, "it is %s here, and this program was made on %s: set the clock", now.UTC().Format(time.RFC3339), made.Format(time.RFC3339))
		return
	}
	if d.config != nil {
		info, err := os.Stat(filepath.Join(d.config.State.Dir, "sidecar.db"))
		if err == nil && info.ModTime().After(now.Add(time.Minute)) {
			d.add("clock", resultWarn, "it is %s here, and the store was written on %s: the clock went back", now.UTC().Format(time.RFC3339), info.ModTime().UTC().Format(time.RFC3339))
			return
		}
	}
	d.add("clock", resultOK, "it is %s here; nothing known contradicts it", now.UTC().Format(time.RFC3339))
}

// buildTime is that of the commit, or zero.
func buildTime() (made time.Time) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return made
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			made, _ = time.Parse(time.RFC3339, s.Value)
		}
	}
	return made
}
