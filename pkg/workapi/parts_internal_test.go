package workapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiruntime "k8s.io/apimachinery/pkg/runtime"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// manyParts is how many works are more than is read ahead.
const manyParts = (partsAhead + 3) * partRecords

// filled is a store with works of more parts than are read ahead.
func filled(t *testing.T) *store.Store {
	t.Helper()
	s := shortHistory(t)
	var names []string
	for i := range manyParts {
		names = append(names, fmt.Sprintf("w%04d", i))
	}
	write(t, s, names...)
	return s
}

func (p *parts) count() (n int) {
	for part := range p.found {
		n += len(part)
	}
	return n
}

func TestPartsAreAllRecords(t *testing.T) {
	p := scan(t.Context(), filled(t), store.ListOptions{})
	if n := p.count(); n != manyParts || p.err != nil {
		t.Errorf("%d of %d: %v", n, manyParts, p.err)
	}
}

// A reader that takes nothing keeps the file for a while only.
func TestASlowReaderLetsTheFileGo(t *testing.T) {
	p := &parts{found: make(chan []*store.Record, partsAhead)}
	late := make(chan time.Time)
	close(late)
	waiting, err := p.ahead(t.Context(), filled(t), store.ListOptions{}, late)
	close(p.found)
	taken := p.count()
	for _, part := range waiting {
		taken += len(part)
	}
	if err != nil || taken != manyParts {
		t.Errorf("%d of %d: %v", taken, manyParts, err)
	}
}

func TestPartsEndWithTheirRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := scan(ctx, filled(t), store.ListOptions{})
	<-p.found
	cancel()
	if n := p.count(); n >= manyParts || !errors.Is(p.err, context.Canceled) {
		t.Errorf("%d of %d: %v", n, manyParts, p.err)
	}
}

// A list that cannot be read is an error as long as nothing of it was sent, and
// then no success.
func TestAListIsNotSentByHalves(t *testing.T) {
	s := filled(t)
	storage := &workStorage{store: s, hub: newHub(&Options{Store: s, Role: resource.Source, Log: slog.New(slog.DiscardHandler)}), codec: codec{resource.Source}}
	broken := func(good int) (aborted bool, err error) {
		p := &parts{found: make(chan []*store.Record, good), err: resource.Errorf(resource.Unavailable, "a page is missing")}
		list := &rawList{storage: storage, parts: p}
		for range good {
			p.found <- nil
		}
		close(p.found)
		defer func() { aborted = recover() == http.ErrAbortHandler }()
		err = list.CacheEncode(`\"name\":\"json\"`, func(apiruntime.Object, io.Writer) error { return nil }, io.Discard)
		return false, err
	}
	if aborted, err := broken(0); aborted || !apierrors.IsServiceUnavailable(err) {
		t.Errorf("nothing sent: %v, aborted %v", err, aborted)
	}
	if aborted, _ := broken(1); !aborted {
		t.Error("half was sent as a whole")
	}
}
