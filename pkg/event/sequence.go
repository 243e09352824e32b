package event

import (
	"errors"
	"fmt"

	"github.com/bwmarrin/snowflake"
)

// SequenceNode is the snowflake node of the ids that a sidecar and the SDK's
// work clients make. Ids count milliseconds from the epoch 1288834974657 (22
// bits up), then the node (10 bits), then the step within a millisecond (12
// bits). Codecs of an SDK user may use another node.
const SequenceNode = 1

// ErrSequenceNode: two ids were made by different nodes, so that their order
// says nothing.
var ErrSequenceNode = errors.New("sequence id of another snowflake node")

// ParseSequence reads the attribute sequenceid: a positive decimal number.
func ParseSequence(s string) (int64, error) {
	id, err := snowflake.ParseString(s)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("sequence id %.40q is not a positive decimal number", s)
	}
	return id.Int64(), nil
}

// SequenceNewer tells whether a status with the sequence id is newer than the
// one with the sequence id last; 0 = there is none yet, and everything is
// newer. The time decides, then the step (docs/protocol.md, CloudEvent
// attributes). The error is ErrSequenceNode.
func SequenceNewer(id, last int64) (bool, error) {
	if last == 0 {
		return true, nil
	}
	a, b := snowflake.ID(id), snowflake.ID(last)
	switch {
	case a.Node() != b.Node():
		return false, fmt.Errorf("%w: %d is of node %d, %d before it of node %d", ErrSequenceNode, id, a.Node(), last, b.Node())
	case a.Time() != b.Time():
		return a.Time() > b.Time(), nil
	}
	return a.Step() > b.Step(), nil
}
