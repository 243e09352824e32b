package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Resync asks the other side again.
func (c *Client) Resync(ctx context.Context, req resource.ResyncRequest) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/resync", body: req}, nil)
	return err
}

// Synced says that everything in the scope has been declared.
func (c *Client) Synced(ctx context.Context, scope resource.Scope) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/synced", body: scope}, nil)
	return err
}

// Status is the state of the sidecar.
func (c *Client) Status(ctx context.Context) (*resource.Status, error) {
	status := new(resource.Status)
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/status"}, status)
	return orNil(status, err)
}

// Shutdown begins an orderly end of the sidecar.
func (c *Client) Shutdown(ctx context.Context) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/shutdown"}, nil)
	return err
}

// Live tells whether the sidecar's process answers.
func (c *Client) Live(ctx context.Context) error {
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/livez"}, nil)
	return err
}

// NotReady is the error of a sidecar that runs and is not ready.
type NotReady struct {
	Causes []string // "broker: connection refused"
}

// Error is the causes in a line.
func (e *NotReady) Error() string { return "not ready: " + strings.Join(e.Causes, "; ") }

// Ready returns nil when every check but the excluded ones passes, and
// *NotReady when one does not.
func (c *Client) Ready(ctx context.Context, exclude ...string) error {
	request, err := call{method: http.MethodGet, path: "/readyz", query: url.Values{"exclude": exclude}}.request(ctx, c.base)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer finish(response)
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusServiceUnavailable:
		return &NotReady{Causes: failedChecks(response.Body)}
	}
	return c.problem(response)
}

// failedChecks is the lines "[-]NAME failed: CAUSE" as "NAME: CAUSE".
func failedChecks(body io.Reader) (causes []string) {
	lines := bufio.NewScanner(io.LimitReader(body, 64<<10))
	for lines.Scan() {
		if rest, failed := strings.CutPrefix(lines.Text(), "[-]"); failed {
			causes = append(causes, strings.Replace(rest, " failed: ", ": ", 1))
		}
	}
	return causes
}

// Metrics copies the metrics, in the text format of Prometheus, to w.
func (c *Client) Metrics(ctx context.Context, w io.Writer) error {
	response, err := c.send(ctx, call{method: http.MethodGet, path: "/metrics"})
	if err != nil {
		return err
	}
	defer finish(response)
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	return nil
}

// Backup copies a backup of the store to w. It ends with an error unless all of
// it has come.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	response, err := c.send(ctx, call{method: http.MethodGet, path: "/v1/backup"})
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(w, response.Body)
	if err != nil {
		return n, fmt.Errorf("read backup: %w", err)
	}
	return n, nil
}
