package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
)

// checkSidecar asks the sidecar that runs. That none does is no fault: it may be
// about to be started.
func (d *doctor) checkSidecar(ctx context.Context) {
	c := d.client()
	defer c.Close()
	status, err := c.Status(ctx)
	switch {
	case resource.CodeOf(err) == resource.Unavailable && err != nil:
		d.add("sidecar", resultWarn, "%s; 'sidecar run' starts one", err)
		return
	case err != nil:
		d.add("sidecar", resultFail, "%s", err)
		return
	case d.config != nil && (status.Role != d.config.Role || status.ID != d.config.ID || status.Cluster != d.config.Cluster):
		d.add("sidecar", resultFail, "another sidecar answers, the %s %s: choose another api.socket", status.Role, status.ID)
		return
	}
	d.checkReady(ctx, c, status)
	d.checkStatus(status)
}

func (d *doctor) checkReady(ctx context.Context, c *client.Client, status *resource.Status) {
	err := c.Ready(ctx)
	var not *client.NotReady
	switch {
	case errors.As(err, &not):
		for _, cause := range not.Causes {
			d.add("ready", resultFail, "%s", cause)
		}
	case err != nil:
		d.add("ready", resultFail, "%s", err)
	default:
		d.add("ready", resultOK, "%s %s runs, version %s, connected to %s", status.Role, status.ID, status.Version, status.Connection.Broker)
	}
}

func (d *doctor) checkStatus(status *resource.Status) {
	if status.Config.Error != "" {
		d.add("config", resultWarn, "the sidecar has refused the last change: %s", status.Config.Error)
	}
	for _, h := range status.Handlers {
		if !h.Up {
			d.add("handler", resultWarn, "%s waits for %s: %s", h.Name, h.URL, h.LastError)
		}
	}
	for _, held := range status.Resync.HeldDeletes {
		d.add("resync", resultWarn, "%d deletes of %s on %s are held back: %s", held.Count, held.DataType, held.Cluster, held.Reason)
	}
}

// endsSoon is when the end of the listener's certificate is worth a word; our
// own are renewed a month before.
const endsSoon = 14 * 24 * time.Hour

// checkListener looks at the certificate that the TCP listener shows. Whether it
// is trusted is the clients' business.
func (d *doctor) checkListener(ctx context.Context) {
	address := d.config.API.Listen
	if address == "" {
		return
	}
	if strings.HasPrefix(address, ":") {
		address = "localhost" + address
	}
	dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}} // to read it, nothing is sent
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		d.add("listener", resultWarn, "%s: %s; is the sidecar running?", d.config.API.Listen, err)
		return
	}
	defer conn.Close()
	leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	until := leaf.NotAfter.Format(time.DateOnly)
	switch left := time.Until(leaf.NotAfter); {
	case left <= 0:
		d.add("listener", resultFail, "the certificate of %s has expired on %s: renew it", d.config.API.Listen, until)
	case left < endsSoon:
		d.add("listener", resultWarn, "the certificate of %s ends on %s: renew it", d.config.API.Listen, until)
	default:
		d.add("listener", resultOK, "%s answers, certificate valid until %s", d.config.API.Listen, until)
	}
}

// checkBrokers goes to the brokers, as a client of its own.
func (d *doctor) checkBrokers(ctx context.Context) {
	options, err := driverOptions(d.config, slog.New(slog.DiscardHandler))
	if err != nil {
		d.add("broker", resultFail, "%s", err)
		return
	}
	options.ClientID = d.config.ID + "-doctor-" + strings.ToLower(rand.Text()[:8])
	found, err := mqtt.Examine(ctx, options)
	if err != nil {
		d.add("broker", resultFail, "%s", err)
		return
	}
	for _, f := range found {
		check := "broker " + f.Step
		switch {
		case f.Err != nil:
			d.add(check, resultFail, "%s: %s", f.Broker, f.Err)
		case f.Remark != "":
			d.add(check, resultWarn, "%s: %s: %s", f.Broker, f.Detail, f.Remark)
		default:
			d.add(check, resultOK, "%s: %s", f.Broker, f.Detail)
		}
	}
}
