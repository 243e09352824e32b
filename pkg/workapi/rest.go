package workapi

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/tools/cache"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// workREST is the resource manifestworks.
type workREST struct {
	*registry.Store
	backend *workStorage
}

// ShortNames are those of kubectl get mw.
func (workREST) ShortNames() []string { return []string{"mw"} }

// Update writes a work; server-side apply makes it, too.
func (r workREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc,
	update rest.ValidateObjectUpdateFunc, forceCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.Store.Update(ctx, name, asked{info}, create, update, forceCreate, options)
}

// asked is a change as a request wants it. What it makes no work of, such as the
// server-side apply of a manifest that is no object, is the request's fault: 400,
// where a hub says 500.
type asked struct{ rest.UpdatedObjectInfo }

// UpdatedObject is old after the change.
func (a asked) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	object, err := a.UpdatedObjectInfo.UpdatedObject(ctx, old)
	var told apierrors.APIStatus
	if err == nil || errors.As(err, &told) || ctx.Err() != nil {
		return object, err
	}
	return nil, apierrors.NewBadRequest(err.Error())
}

// statusREST is its subresource status: it is read, and at an agent written.
type statusREST struct{ store *registry.Store }

var (
	_ rest.Getter              = statusREST{}
	_ rest.Updater             = statusREST{}
	_ rest.Patcher             = statusREST{}
	_ rest.ResetFieldsStrategy = statusREST{}
	_ rest.TableConvertor      = statusREST{}
)

func newWorkREST(scheme *runtime.Scheme, codec runtime.Codec, s strategy, backend *workStorage, table rest.TableConvertor) (workREST, statusREST, error) {
	store := &registry.Store{
		NewFunc:                   func() runtime.Object { return &workv1.ManifestWork{} },
		NewListFunc:               func() runtime.Object { return &workv1.ManifestWorkList{} },
		DefaultQualifiedResource:  works,
		SingularQualifiedResource: schema.GroupResource{Group: works.Group, Resource: "manifestwork"},
		CreateStrategy:            s,
		UpdateStrategy:            s,
		DeleteStrategy:            s,
		ResetFieldsStrategy:       s,
		TableConvertor:            table,
		DeleteCollectionWorkers:   4,
	}
	options := &generic.StoreOptions{RESTOptions: restOptions{codec: codec, backend: backend}}
	if err := store.CompleteWithOptions(options); err != nil {
		return workREST{}, statusREST{}, err
	}
	status := *store
	status.UpdateStrategy, status.ResetFieldsStrategy = statusStrategy{s}, statusStrategy{s}
	return workREST{store, backend}, statusREST{&status}, nil
}

// restOptions hand our storage to the registry.
type restOptions struct {
	codec   runtime.Codec
	backend storage.Interface
}

// GetRESTOptions is what the registry asks for.
func (o restOptions) GetRESTOptions(gr schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	config := storagebackend.Config{Codec: o.codec}
	return generic.RESTOptions{
		StorageConfig:  config.ForResource(gr),
		ResourcePrefix: storagePrefix,
		Decorator: func(*storagebackend.ConfigForResource, string, func(runtime.Object) (string, error), func() runtime.Object, func() runtime.Object,
			storage.AttrFunc, storage.IndexerFuncs, *cache.Indexers) (storage.Interface, factory.DestroyFunc, error) {
			return o.backend, func() {}, nil
		},
	}, nil
}

// New is an empty work.
func (r statusREST) New() runtime.Object { return r.store.New() }

// Destroy has nothing to end.
func (statusREST) Destroy() {}

// Get reads the work.
func (r statusREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update writes its status. A status is never created without its work.
func (r statusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc,
	update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, asked{info}, create, update, false, options)
}

// GetResetFields is the strategy's.
func (r statusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

// ConvertToTable is for kubectl --subresource=status.
func (r statusREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, object, options)
}
