package mqtt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// eager is the largest packet that gets its memory before it has come.
const eager = 1 << 20

// frames divides what is read into packets. Each PUBLISH and each PUBACK is
// parsed here and handed to published and acknowledged; the others are left to
// paho. The size of a packet is looked at before there is memory for it.
type frames struct {
	in           *bufio.Reader
	limit        int // bytes of the largest packet; 0 = MQTT's own
	published    func(*paho.Publish)
	acknowledged func(*packets.Puback)

	greeted bool
	left    int // bytes of the current packet that paho has not read yet
}

func newFrames(in io.Reader, limit int, published func(*paho.Publish), acknowledged func(*packets.Puback)) *frames {
	return &frames{
		in: bufio.NewReaderSize(in, bufferSize), limit: orDefault(limit, maxPacketSize),
		published: published, acknowledged: acknowledged,
	}
}

// read reads from the current packet of paho's, never beyond it.
func (f *frames) read(p []byte) (int, error) {
	for f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n, err := f.in.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}

// next comes to the next packet, and past it if it is not paho's.
func (f *frames) next() error {
	first, header, remaining, err := f.header()
	switch {
	case err != nil:
		return err
	case header+remaining > f.limit:
		return fmt.Errorf("a packet of %d bytes came, and the limit is %d", header+remaining, f.limit)
	case first>>4 != packets.PUBLISH && first>>4 != packets.PUBACK:
		f.left = header + remaining
		return nil
	}
	_, _ = f.in.Discard(header) // it is in the buffer
	body, err := f.body(remaining)
	if err != nil {
		return err
	}
	return f.parse(first, body)
}

func (f *frames) parse(first byte, body []byte) error {
	if first>>4 == packets.PUBACK {
		p, err := parsePuback(body)
		if err == nil {
			f.acknowledged(p)
		}
		return err
	}
	p, err := parsePublish(first, body)
	if err == nil {
		f.published(p)
	}
	return err
}

// header looks at the type, and at the variable byte integer that follows it
// (MQTT 5, 1.5.5), without taking them.
func (f *frames) header() (first byte, length, remaining int, err error) {
	for i := range 4 {
		header, err := f.in.Peek(2 + i)
		if err != nil {
			return 0, 0, 0, err
		}
		if err := f.greet(header); err != nil {
			return 0, 0, 0, err
		}
		b := header[1+i]
		remaining |= int(b&0x7f) << (7 * i)
		if b < 0x80 {
			return header[0], 2 + i, remaining, nil
		}
	}
	return 0, 0, 0, errors.New("a packet with a malformed length came")
}

// body reads the rest of a packet. What is announced large gets its memory as
// it comes.
func (f *frames) body(size int) ([]byte, error) {
	if size <= eager {
		body := make([]byte, size)
		_, err := io.ReadFull(f.in, body)
		return body, err
	}
	var body bytes.Buffer
	_, err := io.CopyN(&body, f.in, int64(size))
	return body.Bytes(), err
}

// Errors of peers that do not speak MQTT 5 as we do.
var (
	errNotMQTT  = errors.New("what answers on this port does not speak MQTT: check host, port and scheme")
	errNeedsTLS = errors.New("the broker speaks TLS on this port: use mqtts:// or wss://, or give a CA")
	errNoAuth   = errors.New("the broker asks for enhanced authentication, which is not supported: use name and password, or certificates")
	errMQTT3    = errors.New("the broker speaks MQTT 3.1.1 only, and MQTT 5 is needed: use another broker or switch MQTT 5 on")
)

// greet looks at the first bytes that the peer sends, and for AUTH packets.
func (f *frames) greet(header []byte) error {
	const tlsAlert = 0x15
	kind := header[0] >> 4
	switch {
	case kind == packets.AUTH:
		return errNoAuth
	case f.greeted:
		return nil
	case kind == packets.CONNACK && header[1] == 2: // no properties: not version 5
		return errMQTT3
	case kind == packets.CONNACK:
		f.greeted = true
		return nil
	case header[0] == tlsAlert && header[1] == 3:
		return errNeedsTLS
	}
	return errNotMQTT
}
