package localapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// request is a request whose query was checked.
type request struct {
	*http.Request
	query url.Values
}

// parseQuery reads a query strictly: a parameter that the call does not take,
// or that is given twice, is an error. Only "exclude" repeats, as in Kubernetes.
func parseQuery(raw string, known []string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, resource.Errorf(resource.InvalidArgument, "the query is not percent-encoded correctly")
	}
	for name, values := range query {
		switch {
		case !slices.Contains(known, name):
			return nil, unknownParameter(name, known)
		case len(values) > 1 && name != "exclude":
			return nil, resource.Errorf(resource.InvalidArgument, "query parameter %q is given %d times, not once", name, len(values))
		}
	}
	return query, nil
}

func unknownParameter(name string, known []string) error {
	if len(known) == 0 {
		return resource.Errorf(resource.InvalidArgument, "query parameter %.100q is unknown: the call takes none", name)
	}
	return resource.Errorf(resource.InvalidArgument, "query parameter %.100q is unknown: the call takes %s", name, strings.Join(known, ", "))
}

// flag is a boolean parameter; the bare name means true.
func (r *request) flag(name string) (bool, error) {
	if !r.query.Has(name) {
		return false, nil
	}
	text := r.query.Get(name)
	if text == "" {
		return true, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, resource.Errorf(resource.InvalidArgument, "query parameter %s=%.40q must be true or false", name, text)
	}
	return value, nil
}

// integer is a parameter from 0 to limit; 0 when it is missing.
func (r *request) integer(name string, limit int64) (int64, error) {
	text := r.query.Get(name)
	if text == "" {
		return 0, nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < 0 || value > limit {
		return 0, resource.Errorf(resource.InvalidArgument, "query parameter %s=%.40q must be a whole number from 0 to %d", name, text, limit)
	}
	return value, nil
}

// duration is a parameter in Go's notation, above 0 and up to limit.
func (r *request) duration(name string, fallback, limit time.Duration) (time.Duration, error) {
	text := r.query.Get(name)
	if text == "" {
		return fallback, nil
	}
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 || value > limit {
		return 0, resource.Errorf(resource.InvalidArgument, "query parameter %s=%.40q must be a duration such as 30s, at most %s", name, text, limit)
	}
	return value, nil
}

// optionalName is a source or cluster name, checked if it is given.
func (r *request) optionalName(name string) (string, error) {
	value := r.query.Get(name)
	if value == "" {
		return "", nil
	}
	return value, resource.ValidateName(name, value)
}

// optionalDataType is the parameter dataType, checked if it is given.
func (r *request) optionalDataType() (resource.DataType, error) {
	value := r.query.Get("dataType")
	if value == "" {
		return "", nil
	}
	return resource.ParseDataType(value)
}

// key is the identity that path and ?source= name; Source may be empty.
func (r *request) key() (resource.Key, error) {
	dataType, err := resource.ParseDataType(r.PathValue("dataType"))
	if err != nil {
		return resource.Key{}, err
	}
	source, err := r.optionalName("source")
	if err != nil {
		return resource.Key{}, err
	}
	key := resource.Key{DataType: dataType, Source: source, Cluster: r.PathValue("cluster"), ID: r.PathValue("id")}
	if err := resource.ValidateName("cluster", key.Cluster); err != nil {
		return resource.Key{}, err
	}
	return key, resource.ValidateID(key.ID)
}
