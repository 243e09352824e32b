package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The progress of long work is shown after a while, and so often.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
	progressWidth = 30 // of the bar
)

// showProgress shows how far the reading is, if a person looks at standard error
// and it takes long, until the function that it returns is called.
func (a *cli) showProgress(r *reading) (end func()) {
	t := terminalOf(a.errOut)
	if t == nil {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		r.progress(t, stop)
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// progress draws until stop, and then takes the line away.
func (r *reading) progress(t *terminal, stop <-chan struct{}) {
	begun := time.Now()
	for wait := progressAfter; ; wait = progressEvery {
		select {
		case <-time.After(wait):
		case <-stop:
			if time.Since(begun) >= progressAfter {
				_, _ = io.WriteString(t.file, "\r"+clearLine)
			}
			return
		}
		width, _ := t.size()
		_, _ = io.WriteString(t.file, "\r"+cut(r.progressLine(time.Since(begun)), width-1)+clearLine)
	}
}

// progressLine is a bar where the end is known.
func (r *reading) progressLine(passed time.Duration) string {
	items, bytes := r.count.Load(), r.bytes.Load()
	line := fmt.Sprintf("%d items, %.1f MiB, %d/s", items, float64(bytes)/(1<<20), int64(float64(items)/passed.Seconds()))
	total := r.total()
	if total <= 0 {
		return "applying " + line
	}
	done := int(min(bytes, total) * progressWidth / total)
	return fmt.Sprintf("applying [%s%s] %3d%%  %s", strings.Repeat("#", done), strings.Repeat("-", progressWidth-done), min(bytes, total)*100/total, line)
}

// total is the size of all files in bytes; 0 if it is not known.
func (r *reading) total() (total int64) {
	for _, file := range r.files {
		if file.name == "-" {
			return 0
		}
		total += file.size
	}
	return total
}
