package sdk12

import (
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	workv1 "open-cluster-management.io/api/work/v1"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/common"

	"github.com/pillion-dev/pillion/test/interop/harness"
)

// object is JSON in the making.
type object = map[string]any

// newWork is a work with one ConfigMap. A version of 0 leaves the work without
// the annotation, so that the source keeps no versions.
func newWork(name, value string, version int) *workv1.ManifestWork {
	w := &workv1.ManifestWork{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "demo"}},
		Spec: workv1.ManifestWorkSpec{
			Workload:     workv1.ManifestsTemplate{Manifests: []workv1.Manifest{manifest(value)}},
			DeleteOption: &workv1.DeleteOption{PropagationPolicy: workv1.DeletePropagationPolicyTypeForeground},
		},
	}
	if version > 0 {
		w.Annotations = map[string]string{common.CloudEventsResourceVersionAnnotationKey: fmt.Sprint(version)}
	}
	return w
}

func manifest(value string) workv1.Manifest {
	return workv1.Manifest{RawExtension: runtime.RawExtension{Raw: manifestJSON(value)}}
}

func manifestJSON(value string) json.RawMessage {
	return json.RawMessage(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1","namespace":"default"},"data":{"k":"` + value + `"}}`)
}

// bundle is a work's spec as it is on the wire.
func bundle(value string) json.RawMessage {
	return json.RawMessage(`{"manifests":[` + string(manifestJSON(value)) + `],"deleteOption":{"propagationPolicy":"Foreground"}}`)
}

// bundleStatus is a work's status as it is on the wire.
func bundleStatus(message string) json.RawMessage {
	condition := `{"type":"Applied","status":"True","reason":"Complete","message":"` + message + `","lastTransitionTime":"2026-01-02T03:04:05Z"}`
	meta := `{"ordinal":0,"group":"","version":"v1","kind":"ConfigMap","resource":"configmaps","name":"cm1","namespace":"default"}`
	return json.RawMessage(`{"conditions":[` + condition + `],"resourceStatus":[{"resourceMeta":` + meta +
		`,"statusFeedback":{"values":[{"name":"k","fieldValue":{"type":"String","string":"v1"}}]},"conditions":[` + condition + `]}]}`)
}

// hasStatus wants the status that bundleStatus of the message gives.
func hasStatus(message string) func(*workv1.ManifestWork) error {
	return func(w *workv1.ManifestWork) error {
		got, err := json.Marshal(object{"conditions": w.Status.Conditions, "resourceStatus": w.Status.ResourceStatus.Manifests})
		if err != nil {
			return err
		}
		if want := bundleStatus(message); !harness.SameJSON(got, want) {
			return fmt.Errorf("status %s, want %s", got, want)
		}
		return nil
	}
}

// hasManifest wants one manifest with that value, at that generation.
func hasManifest(value string, generation int64) func(*workv1.ManifestWork) error {
	return func(w *workv1.ManifestWork) error {
		manifests := w.Spec.Workload.Manifests
		switch {
		case w.Generation != generation:
			return fmt.Errorf("generation %d, want %d", w.Generation, generation)
		case len(manifests) != 1:
			return fmt.Errorf("%d manifests, want 1", len(manifests))
		case !harness.SameJSON(manifests[0].Raw, manifestJSON(value)):
			return fmt.Errorf("manifest %s, want %s", manifests[0].Raw, manifestJSON(value))
		}
		return nil
	}
}

func isDeleting(w *workv1.ManifestWork) error {
	if w.DeletionTimestamp.IsZero() {
		return errors.New("it is not deleting")
	}
	return nil
}
