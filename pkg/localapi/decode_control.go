package localapi

import "github.com/pillion-dev/pillion/pkg/resource"

// decodeResync reads the body of a resync; an empty one asks everyone.
func decodeResync(body []byte) (req resource.ResyncRequest, err error) {
	if len(body) == 0 {
		return req, nil
	}
	err = decodeObject(body, "", func(f field) error {
		switch f.name {
		case "cluster":
			return f.label(&req.Cluster)
		case "source":
			return f.label(&req.Source)
		case "allowDeletes":
			return f.flag(&req.AllowDeletes)
		}
		return f.unknown()
	})
	return req, err
}

// decodeScope reads the body of synced; an empty one is everything.
func decodeScope(body []byte) (scope resource.Scope, err error) {
	if len(body) == 0 {
		return scope, nil
	}
	err = decodeObject(body, "", func(f field) error {
		switch f.name {
		case "dataType":
			return f.dataType(&scope.DataType)
		case "cluster":
			return f.label(&scope.Cluster)
		}
		return f.unknown()
	})
	return scope, err
}

// decodeNothing reads the body of a call that takes no fields.
func decodeNothing(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	return decodeObject(body, "", field.unknown)
}
