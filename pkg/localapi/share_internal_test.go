package localapi

import (
	"strings"
	"sync"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestALongLineIsMadeOnce(t *testing.T) {
	var s lineShare
	res := &resource.Resource{Spec: []byte(`"` + strings.Repeat("x", sharedLine) + `"`)}
	added := &resource.WatchEvent{Type: resource.WatchAdded, Resource: res}
	if !long(added) || long(&resource.WatchEvent{Type: resource.WatchSynced}) || long(&resource.WatchEvent{Resource: &resource.Resource{}}) {
		t.Error("the wrong ones are long")
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	texts := map[*byte]int{}
	together := make(chan struct{})
	writing := make(chan struct{}, 10)
	for range 10 {
		all.Go(func() {
			_ = s.use(added, func(text []byte) error {
				mu.Lock()
				texts[&text[0]]++
				mu.Unlock()
				writing <- struct{}{}
				<-together
				return nil
			})
		})
	}
	for range 10 {
		<-writing
	}
	_ = s.use(&resource.WatchEvent{Type: resource.WatchModified, Resource: res}, func(text []byte) error {
		if !strings.HasPrefix(string(text), `{"type":"MODIFIED"`) {
			t.Errorf("the line is %.30s", text)
		}
		return nil
	})
	close(together)
	all.Wait()
	if len(texts) != 1 || len(s.lines) != 0 {
		t.Errorf("%d texts; %d are held afterwards", len(texts), len(s.lines))
	}
}
