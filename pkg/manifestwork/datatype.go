package manifestwork

import (
	"github.com/google/uuid"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The data types of works.
const (
	Bundles   resource.DataType = "io.open-cluster-management.works.v1alpha1.manifestbundles" // many manifests
	Manifests resource.DataType = "io.open-cluster-management.works.v1alpha1.manifests"       // one; SDK v0.15.0 only
)

// DataTypes are those of works.
func DataTypes() []resource.DataType { return []resource.DataType{Bundles, Manifests} }

// Is tells whether resources of a data type are works.
func Is(d resource.DataType) bool { return d == Bundles || d == Manifests }

// ID is the id of the work of that name in the namespace of a cluster, and its
// UID: a UUIDv5 that every source of that id makes alike.
func ID(source, cluster, name string) string {
	const resource = "manifestworks.work.open-cluster-management.io"
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(source+"-"+resource+"-"+cluster+"-"+name)).String()
}

// The names that the OCM SDK uses on works.
const (
	// CleanupFinalizer keeps a deleting work until the agent's app has removed
	// what it applied.
	CleanupFinalizer = "cluster.open-cluster-management.io/manifest-work-cleanup"

	annotationPrefix = "cloudevents.open-cluster-management.io/"

	DataTypeAnnotation        = annotationPrefix + "datatype"        // at an agent, and at a source to choose it
	SequenceIDAnnotation      = annotationPrefix + "sequenceid"      // at a source: of the status
	ResourceVersionAnnotation = annotationPrefix + "resourceversion" // at a source: a version to begin at
	OriginalSourceLabel       = annotationPrefix + "originalsource"  // at an agent: the source
)
