package sdk12

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubetypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	workinformers "open-cluster-management.io/api/client/work/informers/externalversions"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// await waits until the work is as check wants it.
func (s *kubeSidecar) await(t *testing.T, cluster, name, what string, check func(*workv1.ManifestWork) error) {
	t.Helper()
	harness.Eventually(t, harness.Patience, what, func() error {
		got, err := s.works(cluster).Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return check(got)
	})
}

func (s *kubeSidecar) awaitGone(t *testing.T, cluster, name string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, name+" is gone", func() error {
		_, err := s.works(cluster).Get(context.Background(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there: %v", err)
	})
}

func (s *kubeSidecar) patch(t *testing.T, cluster, name string, patch object, subresources ...string) {
	t.Helper()
	data, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.works(cluster).Patch(context.Background(), name, kubetypes.MergePatchType, data, metav1.PatchOptions{}, subresources...); err != nil {
		t.Fatal(err)
	}
}

// TestKubeSourceToSDKAgent: a hub's app that speaks to Kubernetes, and the SDK's
// work agent, do not notice what is between them.
func TestKubeSourceToSDKAgent(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startKubeSidecar(t, link, "source"), startWorkAgent(t, link)
		made, err := source.works(link.Cluster).Create(context.Background(), newWork(workName, "v1", 0), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if string(made.UID) != sourceWorkID(link) || made.Generation != 1 {
			t.Errorf("made %s, generation %d; want the SDK's id %s", made.UID, made.Generation, sourceWorkID(link))
		}
		agent.await(t, workName, "the agent has the work", hasManifest("v1", 1))
		agent.await(t, workName, "its labels", isOf(link.Source, "demo"))
		agent.addFinalizer(t, workName)
		agent.report(t, workName, "first")
		source.await(t, link.Cluster, workName, "the status", hasStatus("first"))

		source.patch(t, link.Cluster, workName, object{"spec": object{"workload": object{"manifests": []json.RawMessage{manifestJSON("v2")}}}})
		agent.await(t, workName, "the update", hasManifest("v2", 2))
		source.patch(t, link.Cluster, workName, object{"metadata": object{"labels": object{"app": "other"}}})
		agent.await(t, workName, "the new label", isOf(link.Source, "other"))

		if err := source.works(link.Cluster).Delete(context.Background(), workName, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		agent.await(t, workName, "the agent is told to delete", isDeleting)
		source.await(t, link.Cluster, workName, "it stays until the agent has finished", isDeleting)
		agent.removeFinalizer(t, workName)
		agent.awaitGone(t, workName)
		source.awaitGone(t, link.Cluster, workName)
	})
}

// TestKubeAgentFromSDKSource: the other way round.
func TestKubeAgentFromSDKSource(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, _ *harness.Observer) {
		source, agent := startWorkSource(t, link), startKubeSidecar(t, link, "agent")
		source.create(t, newWork(workName, "v1", 1))
		agent.await(t, link.Cluster, workName, "the agent has the work", hasManifest("v1", 1))
		agent.await(t, link.Cluster, workName, "its labels", isOf(link.Source, "demo"))
		agent.patch(t, link.Cluster, workName, object{"metadata": object{"finalizers": []string{workv1.ManifestWorkFinalizer}}})
		agent.patch(t, link.Cluster, workName, object{"status": kubeStatus(t, "first")}, "status")
		source.await(t, workName, "the status", hasStatus("first"))

		source.update(t, "v2", 2)
		agent.await(t, link.Cluster, workName, "the update", hasManifest("v2", 2))
		source.remove(t)
		agent.await(t, link.Cluster, workName, "the deletion", isDeleting)
		agent.patch(t, link.Cluster, workName, object{"metadata": object{"finalizers": nil}})
		agent.awaitGone(t, link.Cluster, workName)
		source.awaitGone(t, workName)
	})
}

// TestKubeStatusHash: the hash that the sidecar gives with a status is the one
// that the SDK's source has for it, so that a resync of equal sides is silent.
func TestKubeStatusHash(t *testing.T) {
	works(t, func(t *testing.T, link fleet.Link, observer *harness.Observer) {
		source, agent := startWorkSource(t, link), startKubeSidecar(t, link, "agent")
		source.create(t, newWork(workName, "v1", 1))
		agent.await(t, link.Cluster, workName, "the agent has the work", hasManifest("v1", 1))
		agent.patch(t, link.Cluster, workName, object{"status": kubeStatus(t, "first")}, "status")
		source.await(t, workName, "the status", hasStatus("first"))

		mark := observer.Seen()
		source.gate.Hold()
		source.gate.Open(t)
		observer.Await(t, mark, "the source's request", harness.From(link.Source, "status.resync_request"))
		agent.patch(t, link.Cluster, workName, object{"status": kubeStatus(t, "second")}, "status")
		source.await(t, workName, "the second status", hasStatus("second"))
		if answers := observer.Since(mark, harness.From(link.Agent, "status.resync_response")); len(answers) > 0 {
			t.Errorf("%d answers, such as %s", len(answers), answers[0].Payload)
		}
	})
}

func kubeStatus(t *testing.T, message string) object {
	t.Helper()
	var status object
	if err := json.Unmarshal(bundleStatus(message), &status); err != nil {
		t.Fatal(err)
	}
	return object{"conditions": status["conditions"], "resourceStatus": object{"manifests": status["resourceStatus"]}}
}

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
	link := fleet.Link{Broker: harness.StartBroker(t, harness.BrokerKinds[0]), Layout: harness.DefaultLayout, Source: "mw1", Cluster: "cluster2"}
	s := startKubeSidecar(t, link, "source")
	for i := range 20 {
		s.create(t, link.Cluster, nameOf(i))
	}
	got := &seen{last: map[string]string{}}
	var lists atomic.Int64 // that the informer has asked for
	factory := workinformers.NewSharedInformerFactory(s.clientset(t, &lists), 0)
	informer := factory.Work().V1().ManifestWorks().Informer()
	if _, err := informer.AddEventHandler(got.handler()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(factory.Shutdown)
	t.Cleanup(cancel)
	factory.Start(ctx.Done())
	got.await(t, s, link.Cluster)
	s.create(t, link.Cluster, "watched") // a watch that ends within a second without an event makes client-go list again
	got.await(t, s, link.Cluster)
	before := lists.Load()

	for i := range 5 {
		s.Kill()
		s.Start(t, link.Broker.Addr)
		s.create(t, link.Cluster, fmt.Sprintf("after-%d", i))
		s.patch(t, link.Cluster, nameOf(i), object{"metadata": object{"labels": object{"round": fmt.Sprint(i)}}})
		if err := s.works(link.Cluster).Delete(ctx, nameOf(10+i), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		got.await(t, s, link.Cluster)
	}
	if more := lists.Load() - before; more > 0 {
		t.Errorf("the informer has listed %d times more", more)
	}
}

func (s *kubeSidecar) create(t testing.TB, cluster, name string) {
	t.Helper()
	if _, err := s.works(cluster).Create(context.Background(), newWork(name, "v1", 0), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// await waits until the informer has what the sidecar has.
func (got *seen) await(t *testing.T, s *kubeSidecar, cluster string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, "the informer has what there is", func() error {
		list, err := s.works(cluster).List(context.Background(), metav1.ListOptions{})
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
