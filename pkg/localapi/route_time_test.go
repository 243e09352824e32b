package localapi_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestACallIsGivenUpAfterAMinute(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, backend *slowPut, p *pipes, _ func()) {
		backend.takes = time.Hour
		begun := time.Now()
		conn := p.send(putRequest)
		response := readResponse(t, conn)
		body, _ := io.ReadAll(response.Body)
		if took := time.Since(begun); response.StatusCode != 504 || took != time.Minute || !strings.Contains(string(body), "deadline_exceeded") {
			t.Errorf("after %s: %d %s", took, response.StatusCode, body)
		}
		_ = conn.Close()
	})
}
