package workapi

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/yaml"
)

// crd is the definition of ManifestWorks that OCM publishes, unchanged: a test
// compares it with the module open-cluster-management.io/api.
//
//go:embed schema/manifestworks.crd.yaml
var crd []byte

// rules are what a hub does with a ManifestWork by its CRD: fill in defaults,
// and check it.
type rules struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
	cel        *cel.Validator
}

func newRules() (*rules, error) {
	var external apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(crd, &external); err != nil {
		return nil, fmt.Errorf("read the CRD of ManifestWorks: %w", err)
	}
	var props apiextensions.JSONSchemaProps
	published := external.Spec.Versions[0].Schema.OpenAPIV3Schema
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(published, &props, nil); err != nil {
		return nil, fmt.Errorf("convert the schema of ManifestWorks: %w", err)
	}
	structural, err := schema.NewStructural(&props)
	if err != nil {
		return nil, fmt.Errorf("read the schema of ManifestWorks: %w", err)
	}
	validator, _, err := validation.NewSchemaValidator(&props)
	if err != nil {
		return nil, fmt.Errorf("compile the schema of ManifestWorks: %w", err)
	}
	return &rules{structural: structural, validator: validator,
		cel: cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
}

// fillIn sets what the schema has a default for.
func (r *rules) fillIn(work *workv1.ManifestWork) error {
	spec, err := asMap(&work.Spec)
	if err != nil {
		return err
	}
	structural := r.structural.Properties["spec"]
	dropEmpty(spec, &structural)
	defaulting.Default(spec, &structural)
	var filled workv1.ManifestWorkSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &filled); err != nil {
		return fmt.Errorf("fill in defaults: %w", err)
	}
	filled.Workload = work.Spec.Workload // as they were written
	work.Spec = filled
	return nil
}

// check finds what the schema forbids.
func (r *rules) check(ctx context.Context, work, old *workv1.ManifestWork) field.ErrorList {
	object, err := r.object(work)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	var oldObject any
	if old != nil {
		if oldObject, err = r.object(old); err != nil {
			return field.ErrorList{field.InternalError(nil, err)}
		}
	}
	errs := validation.ValidateCustomResource(nil, object, r.validator)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, r.structural, object)...)
	if len(errs) > 0 {
		return errs
	}
	errs, _ = r.cel.Validate(ctx, nil, r.structural, object, oldObject, celconfig.RuntimeCELCostBudget)
	return errs
}

// object is a work as the schema sees it: without metadata, which has rules of
// its own, and without the insides of manifests, on which it has none.
func (r *rules) object(work *workv1.ManifestWork) (map[string]any, error) {
	spec := work.Spec
	spec.Workload = workv1.ManifestsTemplate{}
	specMap, err := asMap(&spec)
	if err != nil {
		return nil, err
	}
	structural := r.structural.Properties["spec"]
	dropEmpty(specMap, &structural)
	status, err := asMap(&work.Status)
	if err != nil {
		return nil, err
	}
	return map[string]any{"apiVersion": groupVersion.String(), "kind": workKind.Kind, "spec": specMap, "status": status}, nil
}

func asMap(of any) (map[string]any, error) {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(of)
	if err != nil {
		return nil, fmt.Errorf("take a work apart: %w", err)
	}
	return m, nil
}

// emptyMeansSomething are required fields whose empty value is allowed.
var emptyMeansSomething = []string{"condition"}

// dropEmpty removes empty texts that the Go types write where nothing was said:
// of fields that have a default or that are required.
func dropEmpty(value any, s *schema.Structural) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			if s.Items != nil {
				dropEmpty(item, s.Items)
			}
		}
	case map[string]any:
		for name, property := range s.Properties {
			if text, ok := value[name].(string); ok && text == "" && wantsText(s, name, &property) {
				delete(value, name)
				continue
			}
			dropEmpty(value[name], &property)
		}
	}
}

func wantsText(parent *schema.Structural, name string, property *schema.Structural) bool {
	if property.Default.Object != nil {
		return true
	}
	required := parent.ValueValidation != nil && slices.Contains(parent.ValueValidation.Required, name)
	return required && !slices.Contains(emptyMeansSomething, name)
}
