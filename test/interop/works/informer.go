package works

import (
	"context"
	"errors"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	workv1client "open-cluster-management.io/api/client/work/clientset/versioned/typed/work/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/test/interop/harness"
)

// Informer keeps a client's store, as the controllers of a hub and of an agent
// do. The SDK's holder has one namespace for all its users: nobody else may use
// it before the informer watches.
type Informer struct {
	cache.SharedIndexInformer
	watches chan struct{} // closed once it does
}

// NewInformer makes one over a client that may be there only when it runs.
func NewInformer(client func() workv1client.ManifestWorkInterface) *Informer {
	i := &Informer{watches: make(chan struct{})}
	var once sync.Once
	i.SharedIndexInformer = cache.NewSharedIndexInformer(&cache.ListWatch{
		ListFunc: func(o metav1.ListOptions) (runtime.Object, error) {
			return client().List(context.Background(), o)
		},
		WatchFunc: func(o metav1.ListOptions) (watch.Interface, error) {
			w, err := client().Watch(context.Background(), o)
			if err == nil {
				once.Do(func() { close(i.watches) })
			}
			return w, err
		},
	}, &workv1.ManifestWork{}, 0, cache.Indexers{})
	return i
}

// Follow runs it until ctx ends, and returns when it watches.
func (i *Informer) Follow(ctx context.Context) error {
	go i.Run(ctx.Done())
	select {
	case <-i.watches:
		return nil
	case <-time.After(harness.Patience):
		return errors.New("the informer does not watch")
	}
}
