package workapi

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	workv1 "open-cluster-management.io/api/work/v1"
)

// The resource that is served.
var (
	groupVersion = schema.GroupVersion{Group: workv1.GroupName, Version: "v1"}
	works        = schema.GroupResource{Group: workv1.GroupName, Resource: "manifestworks"}
	workKind     = groupVersion.WithKind("ManifestWork")
)

// newScheme registers the same Go types as what is served and as the internal
// version, so that nothing is ever converted.
func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	internal := schema.GroupVersion{Group: groupVersion.Group, Version: runtime.APIVersionInternal}
	for _, gv := range []schema.GroupVersion{groupVersion, internal} {
		scheme.AddKnownTypes(gv, &workv1.ManifestWork{}, &workv1.ManifestWorkList{})
	}
	metav1.AddToGroupVersion(scheme, groupVersion)

	core := schema.GroupVersion{Version: "v1"}
	internalCore := schema.GroupVersion{Version: runtime.APIVersionInternal}
	for _, gv := range []schema.GroupVersion{core, internalCore} {
		scheme.AddKnownTypes(gv, &corev1.Namespace{}, &corev1.NamespaceList{})
	}
	metav1.AddToGroupVersion(scheme, core)
	scheme.AddUnversionedTypes(core, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	return scheme
}

func newCodecs(scheme *runtime.Scheme) serializer.CodecFactory {
	return serializer.NewCodecFactory(scheme)
}

// textOnly offers JSON and YAML. As on a hub, there is no protobuf for works: who
// prefers it gets JSON.
type textOnly struct{ runtime.NegotiatedSerializer }

// SupportedMediaTypes are those that works can be written in.
func (t textOnly) SupportedMediaTypes() []runtime.SerializerInfo {
	return slices.DeleteFunc(slices.Clone(t.NegotiatedSerializer.SupportedMediaTypes()), func(s runtime.SerializerInfo) bool {
		return s.MediaType == runtime.ContentTypeProtobuf
	})
}
