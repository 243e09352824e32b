package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// outputs is what --output can be.
var outputs = []string{"table", "json", "yaml", "wide"}

// print writes a value as JSON or YAML, or calls table for the other outputs.
func (a *cli) print(value any, table func(w io.Writer, wide bool)) error {
	switch a.output {
	case "json":
		return writeJSON(a.out, value, "  ")
	case "yaml":
		return writeYAML(a.out, value)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 3, ' ', 0)
	table(w, a.output == "wide")
	return w.Flush()
}

// say writes a sentence, or the value where a program reads along.
func (a *cli) say(value any, format string, args ...any) error {
	return a.print(value, func(w io.Writer, _ bool) { fmt.Fprintln(w, clean(fmt.Sprintf(format, args...))) })
}

func writeJSON(w io.Writer, value any, indent string) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", indent)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

func writeYAML(w io.Writer, value any) error {
	text, err := yaml.Marshal(value)
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// row writes one row of a table.
func row(w io.Writer, cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// clean takes out what could move a terminal's cursor or break a table: ids and
// errors come from other machines.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, text)
}

// printResources writes resources as a table; value is what they are otherwise.
func (a *cli) printResources(value any, items []*resource.Resource) error {
	return a.print(value, func(w io.Writer, wide bool) {
		if wide {
			row(w, "DATATYPE", "SOURCE", "CLUSTER", "ID", "VERSION", "STATE", "STATUS", "REVISION", "PUBLISHED", "OBSERVED", "ERROR")
		} else {
			row(w, "CLUSTER", "ID", "VERSION", "STATE", "STATUS")
		}
		for _, res := range items {
			row(w, cells(res, wide)...)
		}
	})
}

func cells(res *resource.Resource, wide bool) []string {
	narrow := []string{res.Cluster, res.ID, number(res.Version), stateOf(res), statusOf(res)}
	if !wide {
		return narrow
	}
	row := append([]string{string(res.DataType), res.Source}, narrow...)
	return append(row, res.Revision.String(), age(res.Sync.PublishedAt), age(res.Sync.ObservedAt), orDash(res.Sync.Error))
}

func stateOf(res *resource.Resource) string { return orDash(string(res.Sync.State)) }

// statusOf says which version the status is about.
func statusOf(res *resource.Resource) string {
	if len(res.Status) == 0 {
		return "-"
	}
	return "of " + number(res.StatusVersion)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func age(at *time.Time) string {
	if at == nil || at.IsZero() {
		return "-"
	}
	return time.Since(*at).Round(time.Second).String() + " ago"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
