package localapi

import (
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The bounds of a lease (docs/api.md, "Queues").
const (
	maxLeaseItems   = 1000
	maxLeaseWait    = time.Minute
	minLeaseFor     = time.Second
	maxLeaseFor     = time.Hour
	defaultLeaseFor = time.Minute
)

// decodeLease reads the body of a lease; an empty one is all defaults.
func decodeLease(body []byte, queue string) (resource.LeaseRequest, error) {
	req := resource.LeaseRequest{Queue: queue, Max: 1, LeaseFor: defaultLeaseFor}
	if len(body) == 0 {
		return req, nil
	}
	count := int64(req.Max)
	err := decodeObject(body, "", func(f field) error {
		switch f.name {
		case "max":
			return f.integer(&count, 1, maxLeaseItems)
		case "wait":
			return f.duration(&req.Wait, 0, maxLeaseWait)
		case "leaseFor":
			return f.duration(&req.LeaseFor, minLeaseFor, maxLeaseFor)
		case "dataTypes":
			return f.dataTypes(&req.DataTypes)
		}
		return f.unknown()
	})
	req.Max = int(count)
	return req, err
}

// decodeResult reads what an app answers for a lease (docs/api.md, "The
// result"); {} and an empty body mean done.
func decodeResult(body []byte) (resource.WorkResult, error) {
	result, retry := resource.WorkResult{Result: resource.ResultDone}, true
	if len(body) == 0 {
		return result, nil
	}
	err := decodeObject(body, "", func(f field) error {
		switch f.name {
		case "result":
			return f.result(&result.Result)
		case "requeueAfter":
			return f.duration(&result.RequeueAfter, 0, 0)
		case "leaseFor":
			return f.duration(&result.LeaseFor, minLeaseFor, maxLeaseFor)
		case "error":
			return f.text(&result.Error)
		case "retry":
			return f.flag(&retry)
		case "status":
			return f.object((*[]byte)(&result.Status))
		case "deleted":
			return f.flag(&result.Deleted)
		}
		return f.unknown()
	})
	result.NoRetry = !retry
	if err != nil {
		return result, err
	}
	return result, checkResult(result)
}

func (f field) result(to *string) error {
	if err := f.text(to); err != nil {
		return err
	}
	switch *to {
	case "":
		*to = resource.ResultDone
	case resource.ResultDone, resource.ResultFailed, resource.ResultExtend:
	default:
		return f.fault("must be done, failed or extend")
	}
	return nil
}

// checkResult refuses what contradicts itself: an app that says it is mistaken
// about what will happen.
func checkResult(r resource.WorkResult) error {
	switch {
	case r.Result == resource.ResultExtend && r.RequeueAfter != 0:
		return resultFault("/requeueAfter", "goes with done or failed, not with extend")
	case r.Result != resource.ResultExtend && r.LeaseFor != 0:
		return resultFault("/leaseFor", "goes with extend only")
	case r.Result != resource.ResultDone && r.Deleted:
		return resultFault("/deleted", "goes with done only")
	case r.Result != resource.ResultFailed && r.NoRetry:
		return resultFault("/retry", "goes with failed only")
	}
	return nil
}

func resultFault(pointer, detail string) error {
	return resource.Errorf(resource.InvalidArgument, "%s %s", pointer, detail).WithField(pointer)
}

// decodeRequeue reads {"key":…} or {"all":true}; an empty body and {} are all
// when the call takes that for an answer. {"all":false} is not: it says no.
func decodeRequeue(body []byte, queue string, emptyIsAll bool) (resource.RequeueRequest, error) {
	req := resource.RequeueRequest{Queue: queue}
	if len(body) > 0 {
		err := decodeObject(body, "", func(f field) error {
			emptyIsAll = emptyIsAll && f.isNull()
			return takeRequeue(f, &req)
		})
		if err != nil {
			return req, err
		}
	}
	if req.Key == nil && !req.All {
		req.All = emptyIsAll
	}
	if (req.Key != nil) == req.All {
		return req, resource.Errorf(resource.InvalidArgument, `give either {"key":{…}} or {"all":true}`).WithField("")
	}
	return req, nil
}

func takeRequeue(f field, req *resource.RequeueRequest) error {
	switch f.name {
	case "all":
		return f.flag(&req.All)
	case "key":
		key, err := decodeKey(f)
		req.Key = &key
		return err
	}
	return f.unknown()
}

// decodeKey reads a key as leases hold it; source may be left out where only
// one fits.
func decodeKey(f field) (resource.Key, error) {
	var key resource.Key
	err := decodeObject(f.raw, f.pointer(), func(part field) error {
		switch part.name {
		case "dataType":
			return part.dataType(&key.DataType)
		case "source":
			return part.label(&key.Source)
		case "cluster":
			return part.label(&key.Cluster)
		case "id":
			if err := part.text(&key.ID); err != nil {
				return err
			}
			return part.about(resource.ValidateID(key.ID))
		}
		return part.unknown()
	})
	if err == nil && (key.DataType == "" || key.Cluster == "" || key.ID == "") {
		err = f.fault("needs dataType, cluster and id")
	}
	return key, err
}
