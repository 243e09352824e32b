package workapi

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/storage/names"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// strategy is what happens to a work between a request and the storage.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	rules    *rules
	role     resource.Role
	id       string       // of the source
	maxBytes func() int64 // work.maxBytes
}

func newStrategy(scheme *runtime.Scheme, r *rules, o *Options) strategy {
	return strategy{ObjectTyper: scheme, NameGenerator: names.SimpleNameGenerator, rules: r, role: o.Role, id: o.ID, maxBytes: o.MaxBytes}
}

// NamespaceScoped: the namespace of a work is its cluster.
func (strategy) NamespaceScoped() bool { return true }

// AllowCreateOnUpdate: a PUT changes what is there; server-side apply creates.
func (strategy) AllowCreateOnUpdate() bool { return false }

// AllowUnconditionalUpdate: an update need not give a resourceVersion.
func (strategy) AllowUnconditionalUpdate() bool { return true }

// PrepareForCreate gives a work its UID and defaults, and takes its status.
func (s strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	w := obj.(*workv1.ManifestWork)
	w.Status = workv1.ManifestWorkStatus{}
	w.Generation = 1
	w.UID = types.UID(manifestwork.ID(s.id, w.Namespace, w.Name))
	_ = s.rules.fillIn(w) // what does not fit is found by Validate
}

// PrepareForUpdate keeps the status, and what nobody may change.
func (s strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	w, before := obj.(*workv1.ManifestWork), old.(*workv1.ManifestWork)
	w.Status = before.Status
	w.Generation = before.Generation
	if s.role == resource.Source {
		_ = s.rules.fillIn(w)
	}
}

// Validate is for new works.
func (s strategy) Validate(ctx context.Context, obj runtime.Object) field.ErrorList {
	w := obj.(*workv1.ManifestWork)
	errs := s.rules.check(ctx, w, nil)
	errs = append(errs, checkName(w)...)
	return append(errs, s.checkSpec(w)...)
}

// ValidateUpdate is for changed ones. An agent cannot change what its source has
// declared, so there is nothing to check of it.
func (s strategy) ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList {
	w, before := obj.(*workv1.ManifestWork), old.(*workv1.ManifestWork)
	errs := validation.ValidateObjectMetaAccessorUpdate(w, before, field.NewPath("metadata"))
	if s.role == resource.Agent {
		return errs
	}
	if dataTypeOf(w) != dataTypeOf(before) {
		errs = append(errs, field.Forbidden(annotation(manifestwork.DataTypeAnnotation), "the data type of a work cannot change: make another work"))
	}
	if w.DeletionTimestamp != nil {
		return append(errs, checkLast(w, before)...)
	}
	errs = append(errs, s.rules.check(ctx, declared(w), declared(before))...)
	return append(errs, s.checkSpec(w)...)
}

// declared is a work without its status: that is the agent's, who may have
// reported what the schema forbids.
func declared(w *workv1.ManifestWork) *workv1.ManifestWork {
	return &workv1.ManifestWork{ObjectMeta: w.ObjectMeta, Spec: w.Spec}
}

// checkLast: without the finalizer that waits for the agent a work is forgotten,
// so those of the app must be gone before.
func checkLast(w, before *workv1.ManifestWork) field.ErrorList {
	if len(w.Finalizers) == 0 || hasCleanup(w) || !hasCleanup(before) {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("metadata", "finalizers"),
		fmt.Sprintf("%s goes last, and with it the work: take %s away before", manifestwork.CleanupFinalizer, strings.Join(w.Finalizers, ", ")))}
}

func annotation(name string) *field.Path {
	return field.NewPath("metadata", "annotations").Key(name)
}

// checkName: cluster and work are parts of ids and topics.
func checkName(w *workv1.ManifestWork) field.ErrorList {
	var errs field.ErrorList
	if !manifestwork.ValidName(w.Name) {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), w.Name, "must be a DNS subdomain"))
	}
	if err := resource.ValidateName("namespace", w.Namespace); err != nil {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "namespace"), w.Namespace, err.Error()))
	}
	return errs
}

// checkSpec is what a hub's webhook checks: the manifests.
func (s strategy) checkSpec(w *workv1.ManifestWork) field.ErrorList {
	switch d := dataTypeOf(w); {
	case !manifestwork.Is(d):
		return field.ErrorList{field.NotSupported(annotation(manifestwork.DataTypeAnnotation), d, manifestwork.DataTypes())}
	case d == manifestwork.Manifests:
		if fault := singleFault(&w.Spec); fault != "" {
			return field.ErrorList{field.Invalid(field.NewPath("spec"), "", fault)}
		}
	}
	manifests := make([][]byte, len(w.Spec.Workload.Manifests))
	for i := range manifests {
		manifests[i] = w.Spec.Workload.Manifests[i].Raw
	}
	if fault := manifestwork.CheckManifests(manifests, s.maxBytes()); fault != nil {
		return field.ErrorList{fieldError(fault)}
	}
	return nil
}

func fieldError(fault *manifestwork.Fault) *field.Error {
	path := field.NewPath("spec", "workload", "manifests")
	if fault.Manifest >= 0 {
		path = path.Index(fault.Manifest)
	}
	if fault.Field != "" {
		path = field.NewPath(path.String() + "." + fault.Field)
	}
	if fault.Missing {
		return field.Required(path, fault.Detail)
	}
	return field.Invalid(path, field.OmitValueType{}, fault.Detail)
}

// WarningsOnCreate tells an app what it may not expect.
func (s strategy) WarningsOnCreate(_ context.Context, obj runtime.Object) []string { return nil }

// WarningsOnUpdate has nothing to tell.
func (s strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// Canonicalize does nothing: a work is stored as it was written.
func (strategy) Canonicalize(runtime.Object) {}

// GetResetFields: who applies a work does not own its status.
func (strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return reset(fieldpath.MakePathOrDie("status"))
}

func reset(paths ...fieldpath.Path) map[fieldpath.APIVersion]*fieldpath.Set {
	return map[fieldpath.APIVersion]*fieldpath.Set{fieldpath.APIVersion(groupVersion.String()): fieldpath.NewSet(paths...)}
}

// statusStrategy is for the subresource status.
type statusStrategy struct{ strategy }

// PrepareForUpdate keeps all but the status.
func (s statusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	w, before := obj.(*workv1.ManifestWork), old.(*workv1.ManifestWork)
	managed, version := w.ManagedFields, w.ResourceVersion
	w.Spec = before.Spec
	w.ObjectMeta = *before.ObjectMeta.DeepCopy()
	w.ManagedFields, w.ResourceVersion = managed, version
}

// ValidateUpdate checks the status only.
func (s statusStrategy) ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList {
	w := obj.(*workv1.ManifestWork)
	status := &workv1.ManifestWork{Status: w.Status}
	errs := s.rules.check(ctx, status, nil)
	for _, c := range w.Status.Conditions {
		if c.Type == "Deleted" && c.Status == metav1.ConditionTrue && w.DeletionTimestamp == nil {
			errs = append(errs, field.Forbidden(field.NewPath("status", "conditions"), fmt.Sprintf("%s=True says that a deletion is done, but the source asks for none", c.Type)))
		}
	}
	return errs
}

// GetResetFields: who applies a status owns nothing else.
func (statusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return reset(fieldpath.MakePathOrDie("spec"), fieldpath.MakePathOrDie("metadata"))
}
