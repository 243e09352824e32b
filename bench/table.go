package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// table holds what was measured, a value for each round.
type table struct {
	order []row
	cells map[row]map[string][]float64 // by peer
}

// row is one line of the tables.
type row struct{ what, broker string }

func (t *table) add(what, broker, peer string, value float64) {
	if t.cells == nil {
		t.cells = map[row]map[string][]float64{}
	}
	r := row{what, broker}
	if t.cells[r] == nil {
		t.cells[r] = map[string][]float64{}
		t.order = append(t.order, r)
	}
	t.cells[r][peer] = append(t.cells[r][peer], value)
}

// addTimes adds the quantiles of a round.
func (t *table) addTimes(what, broker, peer string, times []time.Duration) {
	slices.Sort(times)
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		t.add(what+" "+q.name+", µs", broker, peer, float64(times[int(q.at*float64(len(times)-1))].Nanoseconds())/1000)
	}
}

// line is a result as JSON: the median of the rounds, and their range.
type line struct {
	What   string  `json:"what"`
	Broker string  `json:"broker,omitempty"`
	Peer   string  `json:"peer"`
	Rounds int     `json:"rounds"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Ratio  float64 `json:"ratio,omitempty"` // to the SDK: the median of the rounds' ratios
}

// print writes a table for people and the same as JSON lines.
func (t *table) print(w io.Writer) error {
	slices.SortStableFunc(t.order, func(a, b row) int { return cmp.Compare(a.what, b.what) })
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(columns, "what\tbroker")
	for _, p := range peers {
		fmt.Fprintf(columns, "\t%s", p.name)
	}
	fmt.Fprintln(columns)
	for _, r := range t.order {
		fmt.Fprintf(columns, "%s\t%s", r.what, r.broker)
		for _, p := range peers {
			fmt.Fprintf(columns, "\t%s", t.cell(r, p.name))
		}
		fmt.Fprintln(columns)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	return t.printJSON(w)
}

func (t *table) cell(r row, peer string) string {
	l, ok := t.line(r, peer)
	switch {
	case !ok:
		return ""
	case l.Ratio != 0:
		return fmt.Sprintf("%.4g [%.4g..%.4g] ×%.2f", l.Median, l.Min, l.Max, l.Ratio)
	case l.Rounds == 1:
		return fmt.Sprintf("%.4g", l.Median)
	}
	return fmt.Sprintf("%.4g [%.4g..%.4g]", l.Median, l.Min, l.Max)
}

func (t *table) line(r row, peer string) (line, bool) {
	values := t.cells[r][peer]
	if len(values) == 0 {
		return line{}, false
	}
	l := line{What: r.what, Broker: r.broker, Peer: peer, Rounds: len(values), Median: median(values), Min: slices.Min(values), Max: slices.Max(values)}
	if base := t.cells[r][peers[0].name]; peer != peers[0].name && len(base) == len(values) {
		ratios := make([]float64, len(values))
		for i := range values {
			ratios[i] = values[i] / base[i]
		}
		l.Ratio = median(ratios)
	}
	return l, true
}

func (t *table) printJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	for _, r := range t.order {
		for _, p := range peers {
			l, ok := t.line(r, p.name)
			if !ok {
				continue
			}
			if err := encoder.Encode(l); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
