package workapi

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// namespaceREST shows the clusters as namespaces. kubectl asks for the namespace
// of an object that it does not find, so any that could be one is there; listed
// are those that have works.
type namespaceREST struct {
	rest.TableConvertor
	hub *hub
}

var (
	_ rest.Getter               = namespaceREST{}
	_ rest.Lister               = namespaceREST{}
	_ rest.Scoper               = namespaceREST{}
	_ rest.SingularNameProvider = namespaceREST{}
)

var namespaces = corev1.Resource("namespaces")

func newNamespaceREST(h *hub) namespaceREST {
	return namespaceREST{TableConvertor: rest.NewDefaultTableConvertor(namespaces), hub: h}
}

// New is an empty namespace.
func (namespaceREST) New() runtime.Object { return &corev1.Namespace{} }

// NewList is an empty list.
func (namespaceREST) NewList() runtime.Object { return &corev1.NamespaceList{} }

// Destroy has nothing to end.
func (namespaceREST) Destroy() {}

// NamespaceScoped: a namespace is in none.
func (namespaceREST) NamespaceScoped() bool { return false }

// GetSingularName is its name in kubectl.
func (namespaceREST) GetSingularName() string { return "namespace" }

// ShortNames are those of kubectl get ns.
func (namespaceREST) ShortNames() []string { return []string{"ns"} }

// Get is the namespace of a cluster, whether it has works or not.
func (r namespaceREST) Get(_ context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	if resource.ValidateName("namespace", name) != nil {
		return nil, apierrors.NewNotFound(namespaces, name)
	}
	return namespace(name, r.hub.store.Revision()), nil
}

// List are those that have works.
func (r namespaceREST) List(ctx context.Context, options *metainternalversion.ListOptions) (runtime.Object, error) {
	if err := r.hub.reach(ctx); err != nil {
		return nil, err
	}
	list := &corev1.NamespaceList{Items: []corev1.Namespace{}}
	revision := r.hub.store.Revision()
	list.ResourceVersion = revision.String()
	for _, name := range slices.Sorted(maps.Keys(r.hub.namespaces())) {
		ns := namespace(name, revision)
		if selects(options, ns) {
			list.Items = append(list.Items, *ns)
		}
	}
	return list, nil
}

func selects(options *metainternalversion.ListOptions, ns *corev1.Namespace) bool {
	return (options.LabelSelector == nil || options.LabelSelector.Matches(labels.Set(ns.Labels))) &&
		(options.FieldSelector == nil || options.FieldSelector.Matches(fields.Set{"metadata.name": ns.Name, "metadata.namespace": ""}))
}

func namespace(name string, at resource.Revision) *corev1.Namespace {
	ns := &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
	ns.Name, ns.ResourceVersion = name, at.String()
	ns.Labels = map[string]string{corev1.LabelMetadataName: name}
	ns.Status.Phase = corev1.NamespaceActive
	return ns
}
