package sdk12

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/common"
	sdkutils "open-cluster-management.io/sdk-go/pkg/cloudevents/clients/utils"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
	"github.com/pillion-dev/pillion/test/interop/works"
)

// startSidecar starts a sidecar to which works are a data type like any other.
func startSidecar(t *testing.T, link fleet.Link, role string) *harness.Sidecar {
	t.Helper()
	config := harness.SidecarConfig{Role: role, ID: link.Source, DataTypes: []string{works.Bundles}, SessionExpiry: "0s"}
	if role == "agent" {
		config.ID, config.Cluster = link.Agent, link.Cluster
	}
	s := harness.NewSidecar(t, config)
	s.Start(t, link.Broker.Addr)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

func workKey(link fleet.Link, id string) harness.Key {
	return harness.Key{DataType: works.Bundles, Cluster: link.Cluster, ID: id}
}

// sourceWorkID is the resource id that the SDK's source gives a work.
func sourceWorkID(link fleet.Link) string {
	return sdkutils.UID(link.Source, common.ManifestWorkGR.String(), link.Cluster, works.Name)
}

// awaitResource waits until the sidecar has the resource as check wants it.
func awaitResource(t *testing.T, s *harness.Sidecar, key harness.Key, what string, check func(*harness.Resource) error) {
	t.Helper()
	harness.Eventually(t, harness.Patience, what, func() error {
		res, found, err := s.API.Get(key)
		switch {
		case err != nil:
			return err
		case !found:
			return errors.New("the sidecar does not have it")
		}
		return check(res)
	})
}

func awaitResourceGone(t *testing.T, s *harness.Sidecar, key harness.Key) {
	t.Helper()
	harness.Eventually(t, harness.Patience, "the sidecar has forgotten the work", func() error {
		res, found, err := s.API.Get(key)
		if err == nil && found {
			return fmt.Errorf("it has it: deletionTimestamp %v, sync %+v", res.DeletionTimestamp, res.Sync)
		}
		return err
	})
}

func hasSpec(spec json.RawMessage, version int64) func(*harness.Resource) error {
	return func(res *harness.Resource) error {
		if res.Version != version || !harness.SameJSON(res.Spec, spec) {
			return fmt.Errorf("version %d spec %s, want version %d spec %s", res.Version, res.Spec, version, spec)
		}
		return nil
	}
}

// hasMetadata looks into resource.metadata, which is the work's metadata.
func hasMetadata(name, label, value string) func(*harness.Resource) error {
	return func(res *harness.Resource) error {
		var meta metav1.ObjectMeta
		if err := json.Unmarshal(res.Metadata, &meta); err != nil {
			return fmt.Errorf("metadata %s: %w", res.Metadata, err)
		}
		if meta.Name != name || meta.Labels[label] != value {
			return fmt.Errorf("metadata %s, want name %s and label %s=%s", res.Metadata, name, label, value)
		}
		return nil
	}
}

func deletionAsked(res *harness.Resource) error {
	if res.DeletionTimestamp == nil {
		return errors.New("it is not deleting")
	}
	return nil
}

// lease takes the work from the queue, as an app does.
func lease(t *testing.T, s *harness.Sidecar, check func(*harness.Resource) error) *harness.LeaseItem {
	t.Helper()
	var item *harness.LeaseItem
	harness.Eventually(t, harness.Patience, "the work is leased", func() (err error) {
		if item, err = s.API.Lease(); err != nil {
			return err
		}
		if item == nil || item.Object == nil {
			return errors.New("the queue has handed out nothing")
		}
		if err := check(item.Object); err != nil {
			return errors.Join(err, s.API.Answer(item.Lease, works.Object{}))
		}
		return nil
	})
	return item
}

func answer(t *testing.T, s *harness.Sidecar, item *harness.LeaseItem, result works.Object) {
	t.Helper()
	if err := s.API.Answer(item.Lease, result); err != nil {
		t.Fatal(err)
	}
}
