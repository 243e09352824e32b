package sdk12

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	workinformers "open-cluster-management.io/api/client/work/informers/externalversions"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
	"github.com/pillion-dev/pillion/test/interop/works"
)

// TestKubeSourceToSDKAgent: a hub's app that speaks to Kubernetes, and the SDK's
// work agent, do not notice what is between them.
func TestKubeSourceToSDKAgent(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := works.StartSidecar(t, link, "source"), startWorkAgent(t, link)
		made := source.Create(t, link.Cluster, works.New(works.Name, "v1", 0))
		if string(made.UID) != sourceWorkID(link) || made.Generation != 1 {
			t.Errorf("made %s, generation %d; want the SDK's id %s", made.UID, made.Generation, sourceWorkID(link))
		}
		agent.Await(t, works.Name, "the agent has the work", works.HasManifest("v1", 1))
		agent.Await(t, works.Name, "its labels", works.IsOf(link.Source, "demo"))
		agent.AddFinalizer(t, works.Name)
		agent.Report(t, works.Name, "first")
		source.Await(t, link.Cluster, works.Name, "the status", works.HasStatus("first"))

		source.Patch(t, link.Cluster, works.Name, works.SpecPatch("v2"))
		agent.Await(t, works.Name, "the update", works.HasManifest("v2", 2))
		source.Patch(t, link.Cluster, works.Name, works.LabelPatch("other"))
		agent.Await(t, works.Name, "the new label", works.IsOf(link.Source, "other"))

		source.Remove(t, link.Cluster, works.Name)
		agent.Await(t, works.Name, "the agent is told to delete", works.IsDeleting)
		source.Await(t, link.Cluster, works.Name, "it stays until the agent has finished", works.IsDeleting)
		agent.RemoveFinalizer(t, works.Name)
		agent.AwaitGone(t, works.Name)
		source.AwaitGone(t, link.Cluster, works.Name)
	})
}

// TestKubeAgentFromSDKSource: the other way round.
func TestKubeAgentFromSDKSource(t *testing.T) {
	works.Tell(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), works.StartSidecar(t, link, "agent")
		source.Create(t, works.New(works.Name, "v1", 1))
		agent.Await(t, link.Cluster, works.Name, "the agent has the work", works.HasManifest("v1", 1))
		agent.Await(t, link.Cluster, works.Name, "its labels", works.IsOf(link.Source, "demo"))
		agent.Patch(t, link.Cluster, works.Name, works.FinalizersPatch(workv1.ManifestWorkFinalizer))
		agent.Patch(t, link.Cluster, works.Name, works.StatusPatch("first"), "status")
		source.Await(t, works.Name, "the status", works.HasStatus("first"))

		source.Update(t, "v2", 2)
		agent.Await(t, link.Cluster, works.Name, "the update", works.HasManifest("v2", 2))
		source.Remove(t)
		agent.Await(t, link.Cluster, works.Name, "the deletion", works.IsDeleting)
		agent.Patch(t, link.Cluster, works.Name, works.FinalizersPatch())
		agent.AwaitGone(t, link.Cluster, works.Name)
		source.AwaitGone(t, works.Name)
	})
}

// TestKubeStatusHash: the hash that the sidecar gives with a status is the one
// that the SDK's source has for it.
func TestKubeStatusHash(t *testing.T) { works.EqualIsSilent(t, startWorkSource) }

// seen is what an informer has told a controller.
type seen struct {
	mu   sync.Mutex
	last map[string]string // name -> resourceVersion
	gone int
}

func (s *seen) handler() cache.ResourceEventHandlerFuncs {
	note := func(obj any) {
		w := obj.(*workv1.ManifestWork)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.last[w.Name] = w.ResourceVersion
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    note,
		UpdateFunc: func(_, obj any) { note(obj) },
		DeleteFunc: func(obj any) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if w, ok := obj.(*workv1.ManifestWork); ok {
				delete(s.last, w.Name)
				s.gone++
			}
		},
	}
}

// TestInformerResumesAcrossARestart: a shared informer goes on where it was,
// with no list and without a gap, although the sidecar was killed in between and
// works changed before the informer was back.
func TestInformerResumesAcrossARestart(t *testing.T) {
	link := works.NewLink(t, harness.BrokerKinds[0])
	s := works.StartSidecar(t, link, "source")
	for i := range 20 {
		s.Create(t, link.Cluster, works.New(nameOf(i), "v1", 0))
	}
	got := &seen{last: map[string]string{}}
	var lists atomic.Int64 // that the informer has asked for
	factory := workinformers.NewSharedInformerFactory(s.Clientset(t, &lists), 0)
	informer := factory.Work().V1().ManifestWorks().Informer()
	if _, err := informer.AddEventHandler(got.handler()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(factory.Shutdown)
	t.Cleanup(cancel)
	factory.Start(ctx.Done())
	got.await(t, s, link.Cluster)
	// A watch that ends within a second without an event makes client-go list again.
	s.Create(t, link.Cluster, works.New("watched", "v1", 0))
	got.await(t, s, link.Cluster)
	before := lists.Load()

	for i := range 5 {
		s.Kill()
		s.Start(t, link.Broker.Addr)
		s.Create(t, link.Cluster, works.New(fmt.Sprintf("after-%d", i), "v1", 0))
		s.Patch(t, link.Cluster, nameOf(i), works.Object{"metadata": works.Object{"labels": works.Object{"round": fmt.Sprint(i)}}})
		s.Remove(t, link.Cluster, nameOf(10+i))
		got.await(t, s, link.Cluster)
	}
	if more := lists.Load() - before; more > 0 {
		t.Errorf("the informer has listed %d times more", more)
	}
}

// await waits until the informer has what the sidecar has.
func (got *seen) await(t *testing.T, s *works.Sidecar, cluster string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, "the informer has what there is", func() error {
		list, err := s.Works(cluster).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		got.mu.Lock()
		defer got.mu.Unlock()
		if len(got.last) != len(list.Items) {
			return fmt.Errorf("it has %d works of %d", len(got.last), len(list.Items))
		}
		for _, w := range list.Items {
			if got.last[w.Name] != w.ResourceVersion {
				return errors.New("it has an older " + w.Name)
			}
		}
		return nil
	})
}

func nameOf(i int) string { return fmt.Sprintf("work-%05d", i) }
