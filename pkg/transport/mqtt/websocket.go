package mqtt

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// wsConn is the byte stream that binary WebSocket messages carry; packets and
// messages need not begin together (MQTT 5, 6.0). One goroutine may read and
// one write.
type wsConn struct {
	net.Conn // addresses, deadlines, Close
	ws       *websocket.Conn
	message  io.Reader // what is left of the current message
}

func (c *wsConn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			if err := c.next(); err != nil {
				return 0, err
			}
		}
		n, err := c.message.Read(p)
		if errors.Is(err, io.EOF) {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *wsConn) next() error {
	kind, message, err := c.ws.NextReader()
	if websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway) {
		return io.EOF
	}
	if err == nil && kind != websocket.BinaryMessage {
		return errors.New("the broker sent a WebSocket message that is not binary")
	}
	c.message = message
	return err
}

// SetWriteDeadline is set again by each message, so the message must know it.
func (c *wsConn) SetWriteDeadline(t time.Time) error { return c.ws.SetWriteDeadline(t) }

func (c *wsConn) Write(p []byte) (int, error) {
	if err := c.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
