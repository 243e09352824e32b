package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// soon is when the end of a certificate is worth a word.
const soon = 14 * 24 * time.Hour

// Finding is what one step towards a broker has shown.
type Finding struct {
	Broker string // address, without credentials
	Step   string // dns, tcp, tls, connect or subscribe
	Detail string // what was found
	Remark string // what should be looked at although it works; "" = nothing
	Err    error  // why it does not work, and what to do
}

// Examine goes to each of the brokers as a sidecar with these options would:
// name, port, TLS, credentials, the permission for each subscription. It stops
// at a broker's first fault, subscriptions excepted, and ends with ctx.
//
// It must have a client id of its own, or it would throw the sidecar out, and
// takes part in no shared subscription. It keeps no session, acknowledges
// nothing and publishes nothing. The error is of the options.
func Examine(ctx context.Context, o Options) ([]Finding, error) {
	o.SessionExpiry = 0
	d, err := New(o)
	if err != nil {
		return nil, err
	}
	findings := make([][]Finding, len(d.addresses))
	var all sync.WaitGroup
	for i, broker := range d.addresses {
		all.Go(func() { findings[i] = d.examine(ctx, broker) })
	}
	all.Wait()
	var list []Finding
	for _, f := range findings {
		list = append(list, f...)
	}
	return list, nil
}

// examine is Examine of one broker.
func (d *Driver) examine(ctx context.Context, broker address) []Finding {
	steps := []func(context.Context, address) Finding{d.examineName, d.examinePort}
	if broker.secure() {
		steps = append(steps, d.examineTLS)
	}
	var found []Finding
	for _, step := range steps {
		f := step(ctx, broker)
		f.Broker = broker.String()
		if found = append(found, f); f.Err != nil {
			return found
		}
	}
	for _, f := range d.examineSession(ctx, broker) {
		f.Broker = broker.String()
		found = append(found, f)
	}
	return found
}

func (d *Driver) examineName(ctx context.Context, broker address) Finding {
	host := broker.url.Hostname()
	if net.ParseIP(host) != nil {
		return Finding{Step: "dns", Detail: host + " is an address"}
	}
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return Finding{Step: "dns", Err: fmt.Errorf("%w: check the broker's name and this machine's name servers", err)}
	}
	return Finding{Step: "dns", Detail: host + " is " + strings.Join(found, ", ")}
}

func (d *Driver) examinePort(ctx context.Context, broker address) Finding {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", broker.url.Host)
	if err != nil {
		return Finding{Step: "tcp", Err: fmt.Errorf("%w: check the port, that the broker runs, and what network policies are in between", err)}
	}
	defer conn.Close()
	return Finding{Step: "tcp", Detail: "reached " + conn.RemoteAddr().String()}
}

func (d *Driver) examineTLS(ctx context.Context, broker address) Finding {
	config := broker.tlsConfig(d.options.TLS)
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", broker.url.Host)
	if err != nil {
		return Finding{Step: "tls", Err: adviseTLS(err)}
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	leaf := state.PeerCertificates[0]
	f := Finding{Step: "tls", Detail: fmt.Sprintf("%s, certificate of %s valid until %s", tls.VersionName(state.Version), leaf.Subject.CommonName, leaf.NotAfter.Format(time.DateOnly))}
	f.Remark = ending("the broker's certificate", leaf)
	for _, own := range config.Certificates {
		if f.Remark == "" && own.Leaf != nil {
			f.Remark = ending("the client certificate", own.Leaf)
		}
	}
	return f
}

func ending(what string, cert *x509.Certificate) string {
	if left := time.Until(cert.NotAfter); left < soon {
		return fmt.Sprintf("%s ends on %s: renew it", what, cert.NotAfter.Format(time.DateOnly))
	}
	return ""
}

// adviseTLS says what to do about a certificate that is not accepted.
func adviseTLS(err error) error {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: renew the broker's certificate, unless this machine's clock, %s, is wrong", err, time.Now().UTC().Format(time.RFC3339))
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("%w: give the CA that has signed it with mqtt.caFile", err)
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Errorf("%w: write the broker's address with a name of its certificate", err)
	}
	return tlsError(err)
}

// examineSession connects and asks for each subscription.
func (d *Driver) examineSession(ctx context.Context, broker address) []Finding {
	dialing, cancel := context.WithTimeout(ctx, d.options.DialTimeout)
	defer cancel()
	s, err := d.open(dialing, broker)
	if err != nil {
		return []Finding{{Step: "connect", Err: err}}
	}
	var taken sync.WaitGroup
	taken.Go(func() {
		for range s.Received() { // not acknowledged: it is nobody's
		}
	})
	found := []Finding{{Step: "connect", Detail: "accepted as client " + d.options.ClientID}}
	for _, filter := range d.options.Topics.Subscriptions(d.options.Role) {
		filter = unshared(filter)
		found = append(found, Finding{Step: "subscribe", Detail: "allowed: " + filter, Err: s.subscribe(ctx, []string{filter})})
	}
	closing, cancelClosing := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancelClosing()
	_ = s.Close(closing)
	taken.Wait()
	return found
}

// unshared is the filter without $share/GROUP/: in the group a part of what is
// for the sidecar would go to us.
func unshared(filter string) string {
	if rest, shared := strings.CutPrefix(filter, "$share/"); shared {
		_, filter, _ = strings.Cut(rest, "/")
	}
	return filter
}
