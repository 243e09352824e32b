package devices

import (
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubetypes "k8s.io/apimachinery/pkg/types"

	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// Object is a device as the SDK wants to see it.
type Object struct{ fleet.Device }

// Objects wraps many.
func Objects(all []fleet.Device) []*Object {
	objects := make([]*Object, len(all))
	for i, d := range all {
		objects[i] = &Object{d}
	}
	return objects
}

// GetUID is the resource id.
func (o *Object) GetUID() kubetypes.UID { return kubetypes.UID(o.ID) }

// GetResourceVersion is the version in decimal.
func (o *Object) GetResourceVersion() string { return strconv.FormatInt(o.Version, 10) }

// GetGeneration is the version.
func (o *Object) GetGeneration() int64 { return o.Version }

// GetDeletionTimestamp is nil while the device is not deleting.
func (o *Object) GetDeletionTimestamp() *metav1.Time {
	if !o.Deleting() {
		return nil
	}
	return &metav1.Time{Time: o.DeletedAt}
}

// StatusHash is what the SDK compares in a status resync.
func StatusHash(o *Object) (string, error) { return o.Device.StatusHash(), nil }
