package manifestwork

import "github.com/pillion-dev/pillion/pkg/resource"

// Change is what the Kubernetes API changes of a work, in one commit. A nil
// part stays as it is.
type Change struct {
	Key resource.Key
	At  resource.Revision // the object revision that the change was made of; 0 = there was none

	Spec     *[]byte // at a source: the payload
	Metadata *[]byte // at a source: what it declares
	Status   *[]byte // at an agent: the payload
	Local    *Local

	Delete bool // at a source: ask for deletion; at an agent: confirm it
	Force  bool // with Delete, at a source: forget at once
}
