package localapi

import "github.com/pillion-dev/pillion/pkg/resource"

// Items and results have one form, whether an app asks for work or is called
// with it (docs/api.md, "Queues"). These are for the latter.

// AppendItem appends the JSON of one leased item.
func (s *Server) AppendItem(to []byte, item *resource.LeaseItem) []byte { return appendLease(to, item) }

// DecodeResult reads a result as strictly as POST /v1/leases/{lease} does; an
// empty body means done. The body is the server's to change.
func (s *Server) DecodeResult(body []byte) (resource.WorkResult, error) {
	if len(body) > 0 {
		if err := checkJSON(body, false); err != nil {
			return resource.WorkResult{}, err
		}
	}
	return s.result(body)
}

// result reads a body that is known to be empty or JSON.
func (s *Server) result(body []byte) (resource.WorkResult, error) {
	result, err := decodeResult(body)
	if err != nil {
		return result, err
	}
	return result, s.checkSize("the status", result.Status)
}

// MaxResultBytes bounds the body of a result.
func (s *Server) MaxResultBytes() int64 { return s.maxResourceBytes() + controlBodyBytes }
