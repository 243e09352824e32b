package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	goneStays = 5 * time.Second  // of a row after its resource has gone
	silence   = 20 * time.Second // from which on no word is worth a word: bookmarks come every 15 s
)

// board is the table of a live watch: a row for each resource, in place.
type board struct {
	wide   bool
	rows   map[resource.Key]*boardRow
	relist map[resource.Key]bool // seen since the watch began again; nil = it has not
	synced bool
	heard  time.Time
}

// boardRow is what is shown of a resource: not its spec.
type boardRow struct {
	key     resource.Key
	cells   []string
	state   string
	changed time.Time
	gone    bool
}

func newBoard(wide bool, now time.Time) *board {
	return &board{wide: wide, rows: map[resource.Key]*boardRow{}, heard: now}
}

// take puts an event on the board.
func (b *board) take(event resource.WatchEvent, now time.Time) {
	b.heard = now
	switch event.Type {
	case client.WatchRestarted:
		b.relist = map[resource.Key]bool{}
	case resource.WatchSynced:
		b.finishListing(now)
	case resource.WatchDeleted:
		if row := b.rows[event.Resource.Key]; row != nil {
			row.leave(now)
		}
	case resource.WatchAdded, resource.WatchModified:
		b.set(event.Resource, now)
	}
}

// finishListing takes off what a new listing did not show.
func (b *board) finishListing(now time.Time) {
	b.synced = true
	for key, row := range b.rows {
		if b.relist != nil && !b.relist[key] && !row.gone {
			row.leave(now)
		}
	}
	b.relist = nil
}

func (b *board) set(res *resource.Resource, now time.Time) {
	cells := []string{res.Cluster, res.ID, number(res.Version), stateOf(res), statusOf(res)}
	if b.wide {
		cells = append([]string{string(res.DataType), res.Source}, cells...)
	}
	if b.relist != nil {
		b.relist[res.Key] = true
		if row := b.rows[res.Key]; row != nil && !row.gone && slices.Equal(row.cells, cells) {
			return
		}
	}
	b.rows[res.Key] = &boardRow{key: res.Key, cells: cells, state: stateOf(res), changed: now}
}

func (r *boardRow) leave(now time.Time) {
	r.gone, r.state, r.changed = true, "gone", now
	r.cells[len(r.cells)-2] = "gone"
}

// picture is the board on a screen of that height: a line about all, and the
// rows; if there are too many, those that have changed last.
func (b *board) picture(now time.Time, height int) []string {
	rows := b.visible(now)
	room := max(height-4, 1)
	hidden := max(len(rows)-room, 0)
	slices.SortFunc(rows, func(x, y *boardRow) int { return y.changed.Compare(x.changed) })
	rows = rows[:len(rows)-hidden]
	slices.SortFunc(rows, (*boardRow).compare)

	lines := append([]string{b.summary(now), ""}, b.table(rows)...)
	if hidden > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more that changed earlier", hidden))
	}
	return lines
}

// visible drops the rows that have been gone for long enough.
func (b *board) visible(now time.Time) (rows []*boardRow) {
	for key, row := range b.rows {
		if row.gone && now.Sub(row.changed) > goneStays {
			delete(b.rows, key)
			continue
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *boardRow) compare(other *boardRow) int {
	x, y := r.key, other.key
	return cmp.Or(cmp.Compare(x.DataType, y.DataType), cmp.Compare(x.Cluster, y.Cluster), cmp.Compare(x.Source, y.Source), cmp.Compare(x.ID, y.ID))
}

func (b *board) summary(now time.Time) string {
	counts, total := map[string]int{}, 0
	for _, row := range b.rows {
		counts[row.state]++
		if !row.gone {
			total++
		}
	}
	var parts []string
	for _, state := range []string{"pending", "published", "observed", "deleting"} {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	line := fmt.Sprintf("%s  %d resources", now.Format("15:04:05"), total)
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	switch quiet := now.Sub(b.heard); {
	case quiet > silence:
		line += fmt.Sprintf("; no word from the sidecar for %s: is it running?", quiet.Round(time.Second))
	case !b.synced || b.relist != nil:
		line += "; listing"
	}
	return line
}

// table has aligned columns.
func (b *board) table(rows []*boardRow) []string {
	header := []string{"CLUSTER", "ID", "VERSION", "STATE", "STATUS", "CHANGED"}
	if b.wide {
		header = append([]string{"DATATYPE", "SOURCE"}, header...)
	}
	return aligned(func(w io.Writer) {
		row(w, header...)
		for _, r := range rows {
			row(w, append(slices.Clone(r.cells), r.changed.Format("15:04:05"))...)
		}
	})
}

// aligned is the lines that write writes, with columns at its tabs.
func aligned(write func(w io.Writer)) []string {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	write(w)
	_ = w.Flush()
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}
