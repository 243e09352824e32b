package config

import (
	"iter"
	"log/slog"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// folders watches the folders of files rather than the files: a rename over a
// file, and the swap of the ..data link of a ConfigMap or Secret mount, happen
// there. Whatever it misses, polling finds.
type folders struct {
	notify *fsnotify.Watcher // nil = polling only
	log    *slog.Logger
}

func newFolders(log *slog.Logger) *folders {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("configuration changes are found by polling only", "error", err)
		return &folders{log: log}
	}
	return &folders{notify: notify, log: log}
}

func (f *folders) close() {
	if f.notify != nil {
		_ = f.notify.Close() // the watches go with the process anyway
	}
}

// follow watches the folders of these files and no others. It tells whether
// one is new, where a change may have gone unseen. A folder that is not there
// is tried again at the next call.
func (f *folders) follow(files iter.Seq[string]) bool {
	if f.notify == nil {
		return false
	}
	wanted := map[string]bool{}
	for file := range files {
		for _, folder := range foldersOf(file) {
			wanted[folder] = true
		}
	}
	watched := map[string]bool{}
	for _, folder := range f.notify.WatchList() {
		watched[folder] = true
		if !wanted[folder] {
			_ = f.notify.Remove(folder) // gone already, or of no interest
		}
	}
	added := false
	for folder := range wanted {
		added = f.add(folder) && !watched[folder] || added
	}
	return added
}

// add watches a folder, again if it is watched: the name may by now lead to
// another folder.
func (f *folders) add(folder string) bool {
	err := f.notify.Add(folder)
	if err != nil {
		f.log.Debug("configuration folder is found by polling only", "folder", folder, "error", err)
	}
	return err == nil
}

// events yields what happens in the folders.
func (f *folders) events() <-chan fsnotify.Event {
	if f.notify == nil {
		return nil
	}
	return f.notify.Events
}

// errors yields when something may have been missed.
func (f *folders) errors() <-chan error {
	if f.notify == nil {
		return nil
	}
	return f.notify.Errors
}

// foldersOf are the folder of a file as it is named, and the one that it lies
// in if links lead elsewhere.
func foldersOf(file string) []string {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil
	}
	folders := []string{filepath.Dir(file)}
	if target, err := filepath.EvalSymlinks(file); err == nil {
		folders = append(folders, filepath.Dir(target))
	}
	return folders
}
