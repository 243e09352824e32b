package workapi

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// The payloads of events about works (docs/protocol.md, "ManifestWork on top").
type (
	bundleSpec struct {
		Manifests       []workv1.Manifest             `json:"manifests"`
		DeleteOption    *workv1.DeleteOption          `json:"deleteOption,omitempty"`
		ManifestConfigs []workv1.ManifestConfigOption `json:"manifestConfigs,omitempty"`
		Executer        *workv1.ManifestWorkExecutor  `json:"executer,omitempty"` // as it is spelled there
	}
	manifestSpec struct {
		Manifest     workv1.Manifest      `json:"manifest"`
		DeleteOption *workv1.DeleteOption `json:"deleteOption,omitempty"`
		ConfigOption *configOption        `json:"configOption,omitempty"`
	}
	configOption struct {
		FeedbackRules  []workv1.FeedbackRule  `json:"feedbackRules,omitempty"`
		UpdateStrategy *workv1.UpdateStrategy `json:"updateStrategy,omitempty"`
	}
	bundleStatus struct {
		Conditions     []metav1.Condition         `json:"conditions"`
		ResourceStatus []workv1.ManifestCondition `json:"resourceStatus,omitempty"`
	}
	manifestStatus struct {
		Conditions []metav1.Condition        `json:"conditions"`
		Status     *workv1.ManifestCondition `json:"status,omitempty"`
	}
)

// decodeSpec reads the payload of a spec.
func decodeSpec(d resource.DataType, payload []byte) (spec workv1.ManifestWorkSpec, err error) {
	if d == manifestwork.Manifests {
		var one manifestSpec
		if err := json.Unmarshal(payload, &one); err != nil {
			return spec, fmt.Errorf("read the spec of a manifest: %w", err)
		}
		return one.work(), nil
	}
	var bundle bundleSpec
	if err := json.Unmarshal(payload, &bundle); err != nil {
		return spec, fmt.Errorf("read the spec of a bundle: %w", err)
	}
	spec.Workload.Manifests = bundle.Manifests
	spec.DeleteOption, spec.ManifestConfigs, spec.Executor = bundle.DeleteOption, bundle.ManifestConfigs, bundle.Executer
	return spec, nil
}

// work is the spec of a work with that one manifest.
func (m *manifestSpec) work() workv1.ManifestWorkSpec {
	spec := workv1.ManifestWorkSpec{DeleteOption: m.DeleteOption}
	spec.Workload.Manifests = []workv1.Manifest{m.Manifest}
	if m.ConfigOption != nil {
		spec.ManifestConfigs = []workv1.ManifestConfigOption{{
			ResourceIdentifier: identify(m.Manifest.Raw),
			FeedbackRules:      m.ConfigOption.FeedbackRules,
			UpdateStrategy:     m.ConfigOption.UpdateStrategy,
		}}
	}
	return spec
}

// identify names the resource of a manifest. With no cluster to ask, its plural
// is what the rules of Kubernetes make of the kind.
func identify(manifest []byte) (id workv1.ResourceIdentifier) {
	var object metav1.PartialObjectMetadata
	if json.Unmarshal(manifest, &object) != nil {
		return id
	}
	kind := object.GroupVersionKind()
	return workv1.ResourceIdentifier{Group: kind.Group, Resource: plural(kind.Kind), Name: object.Name, Namespace: object.Namespace}
}

func plural(kind string) string {
	name := strings.ToLower(kind)
	switch {
	case name == "", name == "endpoints":
		return name
	case strings.HasSuffix(name, "s"):
		return name + "es"
	case strings.HasSuffix(name, "y"):
		return strings.TrimSuffix(name, "y") + "ies"
	}
	return name + "s"
}

// encodeSpec writes the payload of a spec, with the fields in the order in which
// the OCM SDK writes them. A spec that the data type has no place for is an
// error; strategy.go refuses it before.
func encodeSpec(d resource.DataType, spec *workv1.ManifestWorkSpec) ([]byte, error) {
	if d == manifestwork.Manifests {
		if fault := singleFault(spec); fault != "" {
			return nil, fmt.Errorf("write the spec of a manifest: %s", fault)
		}
		one := manifestSpec{Manifest: spec.Workload.Manifests[0], DeleteOption: spec.DeleteOption}
		if len(spec.ManifestConfigs) > 0 {
			config := spec.ManifestConfigs[0]
			one.ConfigOption = &configOption{FeedbackRules: config.FeedbackRules, UpdateStrategy: config.UpdateStrategy}
		}
		return json.Marshal(one)
	}
	return json.Marshal(bundleSpec{Manifests: spec.Workload.Manifests, DeleteOption: spec.DeleteOption,
		ManifestConfigs: spec.ManifestConfigs, Executer: spec.Executor})
}

// singleFault is what the data type of single manifests has no place for.
func singleFault(spec *workv1.ManifestWorkSpec) string {
	switch {
	case len(spec.Workload.Manifests) != 1:
		return "a work of the data type manifests has exactly one manifest"
	case len(spec.ManifestConfigs) > 1:
		return "a work of the data type manifests has at most one of manifestConfigs"
	case spec.Executor != nil:
		return "a work of the data type manifests has no executor"
	case len(spec.ManifestConfigs) == 1 && len(spec.ManifestConfigs[0].ConditionRules) > 0:
		return "a work of the data type manifests has no conditionRules"
	}
	return ""
}

// decodeStatus reads the payload of a status.
func decodeStatus(d resource.DataType, payload []byte) (status workv1.ManifestWorkStatus, err error) {
	if d == manifestwork.Manifests {
		var one manifestStatus
		if err := json.Unmarshal(payload, &one); err != nil {
			return status, fmt.Errorf("read the status of a manifest: %w", err)
		}
		status.Conditions = one.Conditions
		if one.Status != nil {
			status.ResourceStatus.Manifests = []workv1.ManifestCondition{*one.Status}
		}
		return status, nil
	}
	var bundle bundleStatus
	if err := json.Unmarshal(payload, &bundle); err != nil {
		return status, fmt.Errorf("read the status of a bundle: %w", err)
	}
	status.Conditions, status.ResourceStatus.Manifests = bundle.Conditions, bundle.ResourceStatus
	return status, nil
}

// encodeStatus writes the payload of a status.
func encodeStatus(d resource.DataType, status *workv1.ManifestWorkStatus) ([]byte, error) {
	if d == manifestwork.Manifests {
		one := manifestStatus{Conditions: status.Conditions}
		if len(status.ResourceStatus.Manifests) > 0 {
			one.Status = &status.ResourceStatus.Manifests[0]
		}
		return json.Marshal(one)
	}
	return json.Marshal(bundleStatus{Conditions: status.Conditions, ResourceStatus: status.ResourceStatus.Manifests})
}
