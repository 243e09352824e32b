package localapi

import (
	"bufio"
	"errors"
	"io"
)

// lineBuffer is how much of a body is read at a time.
const lineBuffer = 64 << 10

// lineReader takes a body apart into lines. It holds one of them.
type lineReader struct {
	from  *bufio.Reader
	limit int64 // bytes of a line; longer ones are skipped
	count int   // of lines so far
}

func newLineReader(body io.Reader, limit int64) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(body, lineBuffer), limit: limit}
}

// next is the next line without its end, and the caller's to keep. A line that
// is too long is skipped, without being held, and tooLong. io.EOF comes after
// the last line, which needs no line break; any other error means that the body
// was cut, and what came of the line is not returned.
func (l *lineReader) next() (line []byte, tooLong bool, err error) {
	for err = bufio.ErrBufferFull; errors.Is(err, bufio.ErrBufferFull); {
		var part []byte
		part, err = l.from.ReadSlice('\n')
		if tooLong = tooLong || int64(len(line)+len(part)) > l.limit+1; tooLong {
			line = nil
			continue
		}
		line = append(line, part...)
	}
	last := errors.Is(err, io.EOF) && (len(line) > 0 || tooLong)
	if err != nil && !last {
		return nil, false, err
	}
	l.count++
	return trimLine(line), tooLong, nil
}

// trimLine takes the space around a line away: a line of nothing else is blank.
func trimLine(line []byte) []byte {
	line = line[skip(line, 0, ' '):]
	for len(line) > 0 && isSpace(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	return line
}
