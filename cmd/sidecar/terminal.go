package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// terminal is an output that a person looks at.
type terminal struct {
	file *os.File
}

// terminalOf is the terminal that w is; nil if it is none, or one that cannot
// move its cursor.
func terminalOf(w io.Writer) *terminal {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return &terminal{file}
}

// size is that of the window, in characters; a usual one if it cannot be told.
func (t *terminal) size() (width, height int) {
	width, height, err := term.GetSize(int(t.file.Fd()))
	if err != nil || width < 1 || height < 1 {
		return 80, 24
	}
	return width, height
}

// The sequences of ECMA-48, and of xterm for the second screen.
const (
	secondScreen = "\x1b[?1049h\x1b[?25l" // without a cursor
	firstScreen  = "\x1b[?25h\x1b[?1049l"
	topLeft      = "\x1b[H"
	clearLine    = "\x1b[K"
	clearBelow   = "\x1b[J"
)

// canvas is a terminal's second screen, on which one picture follows another.
type canvas struct {
	*terminal
	last []string
}

func (t *terminal) openCanvas() (*canvas, error) {
	_, err := io.WriteString(t.file, secondScreen)
	return &canvas{terminal: t}, err
}

// draw replaces the picture; what does not fit is cut.
func (c *canvas) draw(lines []string) error {
	width, height := c.size()
	c.last = lines
	var b bytes.Buffer
	b.WriteString(topLeft)
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(cut(line, width-1) + clearLine) // in the last column it would take the last character away
	}
	b.WriteString(clearBelow)
	_, err := c.file.Write(b.Bytes())
	return err
}

// close goes back to the first screen and leaves the last picture there.
func (c *canvas) close() {
	_, _ = io.WriteString(c.file, firstScreen)
	for _, line := range c.last {
		fmt.Fprintln(c.file, line)
	}
}

// cut is the beginning of a line, so many characters at most.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width])
}
