package worker

import (
	"errors"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// ExitNoRetry is the exit code of a command that says: failed, and retrying is
// of no use (EX_DATAERR of sysexits.h). Any other code but 0 is retried.
const ExitNoRetry = 65

func failed(text string) resource.WorkResult {
	return resource.WorkResult{Result: resource.ResultFailed, Error: text}
}

// returned puts an item back unhandled: what there is to do stays, and it is
// ready again at once. No failure is counted; those before are forgotten.
func returned() resource.WorkResult {
	return resource.WorkResult{Result: resource.ResultDone, RequeueAfter: time.Millisecond}
}

// isReturned tells that of other results, which never ask to be requeued.
func isReturned(result resource.WorkResult) bool { return result.RequeueAfter > 0 }

// retryAfter is what an error says about when to come back.
func retryAfter(err error) time.Duration {
	var e *resource.Error
	if errors.As(err, &e) {
		return min(e.RetryAfter, time.Minute)
	}
	return 0
}

// isDeleting tells whether the item is about a deletion to be confirmed.
func isDeleting(item resource.LeaseItem) bool {
	return item.Object != nil && item.Object.DeletionTimestamp != nil
}
