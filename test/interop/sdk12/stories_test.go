package sdk12

import (
	"testing"

	"github.com/pillion-dev/pillion/test/interop/harness/story"
)

func TestStories(t *testing.T) { story.Tell(t, sdk) }
