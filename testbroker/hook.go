package testbroker

import (
	"crypto/subtle"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hook is where mochi asks and tells.
type hook struct {
	mochi.HookBase
	broker *Broker
	server *mochi.Server
	watch  *watcher
	order  atomic.Int64 // of publishes, see OnPublish
}

func (h *hook) ID() string { return "testbroker" }

func (h *hook) Provides(b byte) bool {
	switch b {
	case mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnSessionEstablish, mochi.OnACLCheck, mochi.OnPacketRead, mochi.OnPacketEncode, mochi.OnPublish:
		return true
	}
	return false
}

// OnConnect refuses when told to. It also takes back the client's receive
// maximum: see the package doc.
func (h *hook) OnConnect(client *mochi.Client, _ packets.Packet) error {
	if h.watch.refused() {
		_ = h.server.SendConnack(client, packets.ErrServerUnavailable, false, nil)
		return packets.ErrServerUnavailable
	}
	client.Properties.Props.ReceiveMaximum = 0
	client.State.Inflight.ResetSendQuota(0)
	return nil
}

// OnConnectAuthenticate checks name and password.
func (h *hook) OnConnectAuthenticate(_ *mochi.Client, pk packets.Packet) bool {
	users := h.broker.options.Users
	if users == nil {
		return true
	}
	password, ok := users[string(pk.Connect.Username)]
	return ok && subtle.ConstantTimeCompare([]byte(password), pk.Connect.Password) == 1
}

// takeoverPatience is how long a client waits for the end of its old connection.
const takeoverPatience = 5 * time.Second

// OnSessionEstablish ends an old connection whose session ends with it, before
// mochi admits the new one: it cleans up by the client's id, and would take away
// what the new connection has begun.
func (h *hook) OnSessionEstablish(client *mochi.Client, _ packets.Packet) {
	old, ok := h.server.Clients.Get(client.ID)
	if !ok || !endsWithConnection(old) {
		return
	}
	_ = h.server.DisconnectClient(old, packets.ErrSessionTakenOver)
	for deadline := time.Now().Add(takeoverPatience); ok && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		_, ok = h.server.Clients.Get(client.ID)
	}
}

// endsWithConnection tells whether a client's session ends with its connection.
func endsWithConnection(client *mochi.Client) bool {
	if client.Properties.ProtocolVersion < 5 {
		return client.Properties.Clean
	}
	return client.Properties.Props.SessionExpiryInterval == 0
}

// OnACLCheck asks Options.Authorize.
func (h *hook) OnACLCheck(client *mochi.Client, topic string, write bool) bool {
	authorize := h.broker.options.Authorize
	return authorize == nil || authorize(client.ID, topic, write)
}

// OnPacketRead shows every publish to the watcher, whatever becomes of it.
func (h *hook) OnPacketRead(client *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type == packets.Publish {
		h.watch.saw(client.ID, &pk)
	}
	return pk, nil
}

// OnPacketEncode tells clients the largest packet, which mochi enforces but
// keeps to itself.
func (h *hook) OnPacketEncode(_ *mochi.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Connack {
		pk.Properties.MaximumPacketSize = h.broker.options.MaxPacket
	}
	return pk
}

// OnPublish holds the message back if a Hold covers it. It numbers messages in
// place of the second in which they came, by which mochi sorts what it sends
// again to a resumed session.
func (h *hook) OnPublish(client *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	pk.Created = h.order.Add(1)
	if !client.Net.Inline && h.watch.hold(&pk) {
		return pk, packets.CodeSuccessIgnore
	}
	return pk, nil
}
