//go:build e2e

package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// listening is a source whose API listens on TCP besides.
func listening(t testing.TB, more settings) (s *sidecar, addr string) {
	t.Helper()
	addr = freeAddr(t)
	s = newSidecar(t, resource.Source, freeAddr(t), settings{"api": settings{"listen": addr}})
	s.configure(t, more)
	s.start(t)
	return s, addr
}

// TestEntrance: over TCP it is TLS and the token, or nothing.
func TestEntrance(t *testing.T) {
	t.Parallel()
	s, addr := listening(t, nil)
	r := s.rawTCP(t, addr)
	r.wants(200, "", "GET", "/v1/status", "")
	r.wants(201, "", "PUT", devicePut, `{"spec":{}}`)
	r.wants(403, resource.Forbidden, "POST", "/v1/shutdown", "")

	right := r.auth
	for _, wrong := range []string{"", "Bearer", "Bearer wrong", right[:len(right)-1], "Basic " + right} {
		r.auth = wrong
		for _, path := range []string{"/v1/status", "/livez", "/metrics", "/nowhere"} {
			got := r.wants(401, resource.Unauthenticated, "GET", path, "")
			if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("WWW-Authenticate: %q", got.header.Get("WWW-Authenticate"))
			}
		}
	}
	throttled := false
	for range 100 {
		got := r.call("GET", "/v1/status", "", "Authorization: Bearer wrong")
		throttled = throttled || got.status == 429 && got.code == resource.TooManyRequests && got.header.Get("Retry-After") != ""
	}
	if !throttled {
		t.Error("whoever has no token may try as often as he likes")
	}
	r.auth = right
	r.wants(200, "", "GET", "/v1/status", "")

	plain := newRaw(t, "http://"+addr, &http.Transport{})
	if got, err := plain.try("GET", "/livez", ""); err == nil && got.status != 400 {
		t.Errorf("without TLS: %d %s", got.status, got.body)
	}
	old := newRaw(t, "https://"+addr, &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}})
	if _, err := old.try("GET", "/livez", ""); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	for name, mode := range map[string]os.FileMode{"ca.key": 0o600, "tls.key": 0o600, "token": 0o600} {
		if info, err := os.Stat(filepath.Join(s.stateDir(), name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v %v, want %v", name, err, info.Mode(), mode)
		}
	}
	if log := s.proc.output(t); strings.Contains(log, strings.TrimPrefix(right, "Bearer ")) {
		t.Error("the log holds the token")
	}
}

// TestTheCAStays: a client that has pinned the CA and has the token gets in
// after a kill and a restart.
func TestTheCAStays(t *testing.T) {
	t.Parallel()
	s, addr := listening(t, nil)
	r := s.rawTCP(t, addr)
	r.wants(200, "", "GET", "/v1/status", "")
	s.kill()
	s.start(t)
	r.wants(200, "", "GET", "/v1/status", "")
}

// TestCommandLineOverTCP: the commands work over the listener as over the
// socket, and say what is missing.
func TestCommandLineOverTCP(t *testing.T) {
	t.Parallel()
	s, addr := listening(t, nil)
	ca, token := filepath.Join(s.stateDir(), "ca.crt"), filepath.Join(s.stateDir(), "token")
	run := func(args ...string) (string, error) {
		out, err := exec.Command(binary, append([]string{"--server", "https://" + addr}, args...)...).CombinedOutput()
		return string(out), err
	}
	if out, err := run("--ca-file", ca, "--token-file", token, "status", "-o", "json"); err != nil || !strings.Contains(out, `"id": "hub1"`) {
		t.Errorf("status: %v: %s", err, out)
	}
	for _, wrong := range []struct{ args, says string }{
		{"status", "--ca-file"}, {"--ca-file " + ca + " status", "token"},
		{"--ca-file " + token + " status", "no certificate"}, {"--ca-file " + ca + " --token-file /none status", "no such file"},
		{"--socket x status", "leave one out"},
	} {
		if out, err := run(strings.Fields(wrong.args)...); err == nil || !strings.Contains(out, wrong.says) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %v: %s", wrong.args, err, out)
		}
	}
	cmd := exec.Command(binary, "status")
	cmd.Env = append(os.Environ(), "SIDECAR_SERVER=https://"+addr, "SIDECAR_CA_FILE="+ca, "SIDECAR_TOKEN_FILE="+token)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("by the environment: %v: %s", err, out)
	}
}

// TestEntranceHotReload: address, certificate, token and probes change while
// calls go on, and a change that cannot be made changes nothing.
func TestEntranceHotReload(t *testing.T) {
	t.Parallel()
	s, first := listening(t, nil)
	second, probes := freeAddr(t), freeAddr(t)
	soon := func(what string, check func() error) {
		t.Helper()
		if took := eventually(t, 5*time.Second, what, check); took > 3*time.Second {
			t.Errorf("%s: it took %s", what, took)
		}
	}
	authority := newAuthority(t)
	cert, key := authority.issue(t, "127.0.0.1")
	token := filepath.Join(s.dir, "my-token")
	replaceFile(t, token, "0123456789abcdef0123456789abcdef")
	s.configure(t, settings{
		"api":    settings{"listen": second, "tls": settings{"certFile": cert, "keyFile": key}, "tokenFile": token},
		"probes": settings{"listen": probes},
	})
	r := newRaw(t, "https://"+second, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: poolOf(t, authority.file)}})
	r.auth = "Bearer 0123456789abcdef0123456789abcdef"
	soon("the new address has the new certificate and token", func() error {
		got, err := r.try("GET", "/v1/status", "")
		return joinExpect(err, got.status == 200, "status %d", got.status)
	})
	soon("the old address is closed", func() error {
		conn, err := net.Dial("tcp", first)
		if err == nil {
			_ = conn.Close()
		}
		return expect(err != nil, "it is open")
	})
	soon("probes answer", func() error {
		got, err := newRaw(t, "http://"+probes, &http.Transport{}).try("GET", "/livez", "")
		return joinExpect(err, got.status == 200, "status %d", got.status)
	})
	replaceFile(t, token, "ffffffffffffffffffffffffffffffff\n")
	soon("the new token counts, and the old one does not", func() error {
		got, err := r.try("GET", "/v1/status", "", "Authorization: Bearer ffffffffffffffffffffffffffffffff")
		was, err2 := r.try("GET", "/v1/status", "")
		return joinExpect(joinErr(err, err2), got.status == 200 && was.status == 401, "status %d, with the old one %d", got.status, was.status)
	})
	r.auth = "Bearer ffffffffffffffffffffffffffffffff"

	// An address that is taken: nothing of the file is taken over.
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	s.configure(t, settings{"api": settings{"listen": busy.Addr().String()}, "probes": settings{"listen": ""}})
	soon("the status says that it is refused", func() error {
		said := s.status(t).Config.Error
		return expect(holdsAll(said, []string{"api.listen", "address already in use", "choose another port"}), "it says %q", said)
	})
	r.wants(200, "", "GET", "/v1/status", "")
	newRaw(t, "http://"+probes, &http.Transport{}).wants(200, "", "GET", "/livez", "")

	s.configure(t, settings{"api": settings{"listen": "", "tls": settings{"certFile": "", "keyFile": ""}, "tokenFile": ""}, "probes": settings{"listen": ""}})
	for _, addr := range []string{second, probes} {
		soon(addr+" is closed", func() error {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				_ = conn.Close()
			}
			return expect(err != nil, "it is open")
		})
	}
	s.raw(t).wants(200, "", "GET", "/v1/status", "")
}

func poolOf(t testing.TB, file string) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(readFile(t, file))
	return pool
}

func joinErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func joinExpect(err error, holds bool, format string, args ...any) error {
	if err != nil {
		return err
	}
	return expect(holds, format, args...)
}

// TestProbesListener: the three calls in plain text, and nothing else.
func TestProbesListener(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	s := newSidecar(t, resource.Source, freeAddr(t), settings{"probes": settings{"listen": addr}, "api": settings{"allowedUIDs": []int{os.Getuid()}}})
	s.start(t)
	r := newRaw(t, "http://"+addr, &http.Transport{})
	r.wants(200, "", "GET", "/livez", "")
	r.wants(503, "", "GET", "/readyz", "")
	r.wants(200, "", "GET", "/readyz?exclude=broker,subscribed,resync", "")
	r.wants(200, "", "GET", "/readyz/store", "")
	if got := r.wants(200, "", "GET", "/metrics", ""); !strings.Contains(got.body, "sidecar_connected 0") {
		t.Errorf("metrics: %.200s", got.body)
	}
	for _, path := range []string{"/v1/status", "/v1/resources", "/v1/shutdown", "/v1/backup", "/", "/debug/pprof/"} {
		r.wants(404, resource.NotFound, "GET", path, "")
		r.wants(404, resource.NotFound, "POST", path, "")
	}
	r.wants(405, resource.MethodNotAllowed, "POST", "/livez", "")
}

// TestNonLoopbackMustBeAsked: no address that others can reach by mistake.
func TestNonLoopbackMustBeAsked(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, resource.Source, "127.0.0.1:1", nil)
	_, port, _ := net.SplitHostPort(freeAddr(t))
	s.configure(t, settings{"api": settings{"listen": "0.0.0.0:" + port}})
	out, err := exec.Command(binary, "config", "check", s.configFile()).CombinedOutput()
	if err == nil || !holdsAll(string(out), []string{s.configFile() + ":", "api.allowNonLoopback: true if that is meant"}) {
		t.Errorf("config check: %v: %s", err, out)
	}
	s.launch(t)
	if code := s.proc.exits(t, 10*time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	s.configure(t, settings{"api": settings{"allowNonLoopback": true}})
	s.start(t)
	s.rawTCP(t, "127.0.0.1:"+port).wants(200, "", "GET", "/livez", "")
}

// TestOnlyListedUsersMayCall: the socket's mode lets everybody in, the list does
// not, and a change of the list counts at once.
func TestOnlyListedUsersMayCall(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	t.Parallel()
	s := newSidecar(t, resource.Source, freeAddr(t), settings{"api": settings{"socketMode": "0666", "allowedUIDs": []int{0}}})
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	as := func(uid string) string {
		out, err := exec.Command("setpriv", "--reuid", uid, "--clear-groups", "curl", "-s", "--unix-socket", s.socket(), "http://sidecar/v1/status").CombinedOutput()
		if err != nil {
			t.Fatalf("as %s: %v: %s", uid, err, out)
		}
		return string(out)
	}
	if got := as("65534"); !holdsAll(got, []string{`"code":"forbidden"`, "uid 65534 is not among api.allowedUIDs"}) {
		t.Errorf("a user who is not listed: %s", got)
	}
	if got := as("0"); !strings.Contains(got, `"id":"hub1"`) {
		t.Errorf("a user who is listed: %s", got)
	}
	s.configure(t, settings{"api": settings{"allowedUIDs": []int{0, 65534}}})
	eventually(t, 5*time.Second, "the other user is let in", func() error {
		got := as("65534")
		return expect(strings.Contains(got, `"id":"hub1"`), "%s", got)
	})
}

// TestWatchOverTCP: a watch and a lease work as over the socket.
func TestWatchOverTCP(t *testing.T) {
	t.Parallel()
	s, addr := listening(t, nil)
	remote := client.NewRemote(client.Remote{Server: "https://" + addr, CAFile: filepath.Join(s.stateDir(), "ca.crt"), TokenFile: filepath.Join(s.stateDir(), "token")})
	defer remote.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range 3 {
		if _, _, err := remote.Put(ctx, resource.PutRequest{Key: deviceKey(fmt.Sprint(i)), Spec: resource.Payload{Data: []byte(`{}`)}}); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for event, err := range remote.Watch(ctx, resource.WatchRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; event.Type == resource.WatchSynced {
			break
		}
	}
	if seen != 4 {
		t.Errorf("%d events, want 3 and SYNCED", seen)
	}
}
