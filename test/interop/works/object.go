package works

import (
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/test/interop/harness"
)

// Object is JSON in the making.
type Object = map[string]any

// Name is that of the work of most stories.
const Name = "work1"

// What the SDK calls things, in every version.
const (
	Bundles   = "io.open-cluster-management.works.v1alpha1.manifestbundles"
	Manifests = "io.open-cluster-management.works.v1alpha1.manifests"

	DataTypeAnnotation  = "cloudevents.open-cluster-management.io/datatype"
	VersionAnnotation   = "cloudevents.open-cluster-management.io/resourceversion"
	OriginalSourceLabel = "cloudevents.open-cluster-management.io/originalsource"
)

// New is a work with one ConfigMap. A version of 0 leaves the work without the
// annotation, so that an SDK source keeps no versions.
func New(name, value string, version int) *workv1.ManifestWork {
	w := &workv1.ManifestWork{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "demo"}},
		Spec: workv1.ManifestWorkSpec{
			Workload:     workv1.ManifestsTemplate{Manifests: []workv1.Manifest{manifest(value)}},
			DeleteOption: &workv1.DeleteOption{PropagationPolicy: workv1.DeletePropagationPolicyTypeForeground},
		},
	}
	if version > 0 {
		w.Annotations = map[string]string{VersionAnnotation: fmt.Sprint(version)}
	}
	return w
}

func manifest(value string) workv1.Manifest {
	return workv1.Manifest{RawExtension: runtime.RawExtension{Raw: ManifestJSON(value)}}
}

// ManifestJSON is a ConfigMap with that value.
func ManifestJSON(value string) json.RawMessage {
	return json.RawMessage(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1","namespace":"default"},"data":{"k":"` + value + `"}}`)
}

// Bundle is a work's spec as it is on the wire.
func Bundle(value string) json.RawMessage {
	return json.RawMessage(`{"manifests":[` + string(ManifestJSON(value)) + `],"deleteOption":{"propagationPolicy":"Foreground"}}`)
}

// BundleStatus is a work's status as it is on the wire.
func BundleStatus(message string) json.RawMessage {
	condition := `{"type":"Applied","status":"True","reason":"Complete","message":"` + message + `","lastTransitionTime":"2026-01-02T03:04:05Z"}`
	meta := `{"ordinal":0,"group":"","version":"v1","kind":"ConfigMap","resource":"configmaps","name":"cm1","namespace":"default"}`
	return json.RawMessage(`{"conditions":[` + condition + `],"resourceStatus":[{"resourceMeta":` + meta +
		`,"statusFeedback":{"values":[{"name":"k","fieldValue":{"type":"String","string":"v1"}}]},"conditions":[` + condition + `]}]}`)
}

// HasStatus wants the status that BundleStatus of the message gives.
func HasStatus(message string) func(*workv1.ManifestWork) error {
	return func(w *workv1.ManifestWork) error {
		got, err := json.Marshal(Object{"conditions": w.Status.Conditions, "resourceStatus": w.Status.ResourceStatus.Manifests})
		if err != nil {
			return err
		}
		if want := BundleStatus(message); !harness.SameJSON(got, want) {
			return fmt.Errorf("status %s, want %s", got, want)
		}
		return nil
	}
}

// HasManifest wants one manifest with that value, at that generation.
func HasManifest(value string, generation int64) func(*workv1.ManifestWork) error {
	return func(w *workv1.ManifestWork) error {
		manifests := w.Spec.Workload.Manifests
		switch {
		case w.Generation != generation:
			return fmt.Errorf("generation %d, want %d", w.Generation, generation)
		case len(manifests) != 1:
			return fmt.Errorf("%d manifests, want 1", len(manifests))
		case !harness.SameJSON(manifests[0].Raw, ManifestJSON(value)):
			return fmt.Errorf("manifest %s, want %s", manifests[0].Raw, ManifestJSON(value))
		}
		return nil
	}
}

// IsDeleting wants its deletion to be asked for.
func IsDeleting(w *workv1.ManifestWork) error {
	if w.DeletionTimestamp.IsZero() {
		return errors.New("it is not deleting")
	}
	return nil
}

// IsOf wants the label that an agent puts on a work, and one of its source's.
func IsOf(source, label string) func(*workv1.ManifestWork) error {
	return func(w *workv1.ManifestWork) error {
		if w.Labels[OriginalSourceLabel] != source || w.Labels["app"] != label {
			return fmt.Errorf("labels %v, want those of source %s and app=%s", w.Labels, source, label)
		}
		return nil
	}
}

// StatusPatch is a merge patch with the status that BundleStatus gives.
func StatusPatch(message string) Object {
	var status struct {
		Conditions     json.RawMessage `json:"conditions"`
		ResourceStatus json.RawMessage `json:"resourceStatus"`
	}
	if err := json.Unmarshal(BundleStatus(message), &status); err != nil {
		panic(err) // it is ours
	}
	return Object{"status": Object{"conditions": status.Conditions, "resourceStatus": Object{"manifests": status.ResourceStatus}}}
}

// SpecPatch is a merge patch with one manifest.
func SpecPatch(value string) Object {
	return Object{"spec": Object{"workload": Object{"manifests": []json.RawMessage{ManifestJSON(value)}}}}
}

// FinalizersPatch is a merge patch with these finalizers and no others.
func FinalizersPatch(finalizers ...string) Object {
	return Object{"metadata": Object{"finalizers": finalizers}}
}

// LabelPatch is a merge patch of the label app.
func LabelPatch(value string) Object {
	return Object{"metadata": Object{"labels": Object{"app": value}}}
}
