package testbroker

import (
	"errors"
	"io"
	"net"

	"github.com/gorilla/websocket"
)

// wsConn is the byte stream that binary WebSocket messages carry; their
// borders mean nothing (MQTT 5, 6.0).
type wsConn struct {
	net.Conn // addresses, deadlines, Close
	ws       *websocket.Conn
	message  io.Reader // what is left of the current message
}

func (c *wsConn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("a WebSocket message is not binary")
			}
			c.message = message
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

func (c *wsConn) Write(p []byte) (int, error) {
	if err := c.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
