package workapi

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	workv1 "open-cluster-management.io/api/work/v1"
)

// reading is the codecs that read requests. They leave manifests as they were
// written; the machinery behind them panics on one that it cannot read later,
// such as a number that no float64 holds, and so it is refused here.
type reading struct{ serializer.CodecFactory }

// DecoderToVersion is asked for by creates, updates and patches.
func (r reading) DecoderToVersion(decoder runtime.Decoder, gv runtime.GroupVersioner) runtime.Decoder {
	return readable{r.CodecFactory.DecoderToVersion(decoder, gv)}
}

type readable struct{ runtime.Decoder }

// Decode fails on a work with such a manifest.
func (r readable) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	object, kind, err := r.Decoder.Decode(data, defaults, into)
	if work, ok := object.(*workv1.ManifestWork); ok {
		if fault := unreadable(work); fault != nil {
			return object, kind, fault
		}
	}
	return object, kind, err
}

func unreadable(work *workv1.ManifestWork) error {
	for i, manifest := range work.Spec.Workload.Manifests {
		var value any
		if len(manifest.Raw) == 0 {
			continue // nothing, which is found by Validate
		}
		if err := json.Unmarshal(manifest.Raw, &value); err != nil {
			return fmt.Errorf("spec.workload.manifests[%d]: %w", i, err)
		}
	}
	return nil
}
