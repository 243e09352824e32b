package workapi

import (
	"maps"
	"strings"

	metaopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/runtime"
	apiopenapi "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// The Go types that models are for, as kube-openapi names them.
const (
	workModel          = "open-cluster-management.io/api/work/v1.ManifestWork"
	workListModel      = "open-cluster-management.io/api/work/v1.ManifestWorkList"
	namespaceModel     = "io.k8s.api.core.v1.Namespace"
	namespaceListModel = "io.k8s.api.core.v1.NamespaceList"
	objectMetaModel    = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
	listMetaModel      = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
)

// definitions are the models of all that is served: of the ManifestWork the
// schema of its CRD.
func (r *rules) definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	all := metaopenapi.GetOpenAPIDefinitions(ref)
	work := *r.structural.ToKubeOpenAPI()
	work.Properties = maps.Clone(work.Properties)
	work.Properties["metadata"] = referTo(ref, objectMetaModel)
	all[workModel] = common.OpenAPIDefinition{Schema: work, Dependencies: []string{objectMetaModel}}
	all[workListModel] = listOf(ref, workModel)
	all[namespaceModel] = common.OpenAPIDefinition{Schema: object("A Namespace stands for a cluster: works for it are in the namespace of its name.",
		map[string]spec.Schema{"metadata": referTo(ref, objectMetaModel)}), Dependencies: []string{objectMetaModel}}
	all[namespaceListModel] = listOf(ref, namespaceModel)
	return all
}

func listOf(ref common.ReferenceCallback, item string) common.OpenAPIDefinition {
	element := referTo(ref, item)
	items := spec.Schema{SchemaProps: spec.SchemaProps{Type: spec.StringOrArray{"array"}, Items: &spec.SchemaOrArray{Schema: &element}}}
	list := object("A list of objects.", map[string]spec.Schema{"metadata": referTo(ref, listMetaModel), "items": items})
	list.Required = []string{"items"}
	return common.OpenAPIDefinition{Schema: list, Dependencies: []string{item, listMetaModel}}
}

func object(description string, properties map[string]spec.Schema) spec.Schema {
	for _, name := range []string{"apiVersion", "kind"} {
		properties[name] = spec.Schema{SchemaProps: spec.SchemaProps{Type: spec.StringOrArray{"string"}}}
	}
	return spec.Schema{SchemaProps: spec.SchemaProps{Description: description, Type: spec.StringOrArray{"object"}, Properties: properties}}
}

func referTo(ref common.ReferenceCallback, model string) spec.Schema {
	return spec.Schema{SchemaProps: spec.SchemaProps{Ref: ref(model)}}
}

// documents are the OpenAPI documents of versions 2 and 3. Models are named as
// Kubernetes clients expect them: a Go type by its package, turned around; most
// types of Kubernetes itself come so named.
func (r *rules) documents(scheme *runtime.Scheme, version string) (*common.Config, *common.OpenAPIV3Config) {
	names := apiopenapi.NewDefinitionNamer(scheme)
	nameOf := func(model string) (string, spec.Extensions) {
		if strings.Contains(model, "/") {
			model = util.ToRESTFriendlyName(model)
		}
		return names.GetDefinitionName(model)
	}
	v2 := genericapiserver.DefaultOpenAPIConfig(r.definitions, names)
	v3 := genericapiserver.DefaultOpenAPIV3Config(r.definitions, names)
	v2.GetDefinitionName, v3.GetDefinitionName = nameOf, nameOf
	v3.Definitions = r.definitions(func(model string) spec.Ref {
		name, _ := nameOf(model)
		return spec.MustCreateRef("#/components/schemas/" + common.EscapeJsonPointer(name))
	})
	for _, info := range []*spec.Info{v2.Info, v3.Info} {
		info.Title, info.Version = "Pillion", version
	}
	return v2, v3
}
