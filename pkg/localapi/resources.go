package localapi

import (
	"net/http"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// listChunk is how much of a list is held in memory before it is written.
const listChunk = 256 << 10

func (s *Server) getResource(w http.ResponseWriter, r *request) error {
	key, err := r.key()
	if err != nil {
		return err
	}
	res, err := s.backend.Get(r.Context(), key)
	if err != nil {
		return err
	}
	if unchanged(r.Header, res.Revision) {
		w.Header().Set("ETag", etag(res.Revision))
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return writeResource(w, http.StatusOK, res)
}

// listOrWatch is the one path of both: ?watch=true makes the difference.
func (s *Server) listOrWatch(w http.ResponseWriter, r *request) error {
	watch, err := r.flag("watch")
	switch {
	case err != nil:
		return err
	case watch:
		return s.watch(w, r)
	}
	req, err := r.listRequest()
	if err != nil {
		return err
	}
	list, err := s.backend.List(r.Context(), req)
	if err != nil {
		return err
	}
	return writeList(w, list)
}

func (r *request) listRequest() (req resource.ListRequest, err error) {
	if r.query.Has("since") {
		return req, resource.Errorf(resource.InvalidArgument, "query parameter since goes with watch=true")
	}
	if req.DataType, req.Cluster, req.Source, err = r.filters(); err != nil {
		return req, err
	}
	if req.State, err = r.state(); err != nil {
		return req, err
	}
	limit, err := r.integer("limit", 1<<31-1)
	req.Limit, req.Continue = int(limit), r.query.Get("continue")
	return req, err
}

// filters are the parameters that list and watch share.
func (r *request) filters() (dataType resource.DataType, cluster, source string, err error) {
	if dataType, err = r.optionalDataType(); err != nil {
		return "", "", "", err
	}
	if cluster, err = r.optionalName("cluster"); err != nil {
		return "", "", "", err
	}
	source, err = r.optionalName("source")
	return dataType, cluster, source, err
}

func (r *request) state() (resource.SyncState, error) {
	state := resource.SyncState(r.query.Get("state"))
	switch state {
	case "", resource.Pending, resource.Published, resource.Observed, resource.Deleting:
		return state, nil
	}
	return "", resource.Errorf(resource.InvalidArgument, "query parameter state=%.40q must be pending, published, observed or deleting", string(state))
}

// writeList answers with one page. A small one is one Write with its length; a
// large one is written as it is encoded.
func writeList(w http.ResponseWriter, list *resource.List) error {
	return withBuffer(func(buffer []byte) ([]byte, error) {
		buffer = append(buffer, `{"items":[`...)
		for i, item := range list.Items {
			if i > 0 {
				buffer = append(buffer, ',')
			}
			buffer = appendResource(buffer, item)
			if len(buffer) < listChunk {
				continue
			}
			if err := writeChunk(w, buffer); err != nil {
				return buffer, nil // the peer has gone
			}
			buffer = buffer[:0]
		}
		buffer = appendString(append(buffer, `],"continue":`...), list.Continue)
		buffer = append(append(buffer, `,"revision":"`...), list.Revision.String()...)
		return finishList(w, append(buffer, '"', '}'))
	})
}

func writeChunk(w http.ResponseWriter, chunk []byte) error {
	extendWriting(w)
	w.Header().Set("Content-Type", resource.JSONContentType)
	_, err := w.Write(chunk)
	return err
}

func finishList(w http.ResponseWriter, rest []byte) ([]byte, error) {
	if w.Header().Get("Content-Type") != "" {
		_ = writeChunk(w, rest)
		return rest, nil
	}
	return rest, writeJSON(w, http.StatusOK, rest)
}

func (s *Server) deleteCluster(w http.ResponseWriter, r *request) error {
	cluster, err := r.optionalName("cluster")
	if err != nil {
		return err
	}
	force, err := r.flag("force")
	if err != nil {
		return err
	}
	if cluster == "" || !force {
		return resource.Errorf(resource.InvalidArgument, "to forget every resource of a cluster that is no more, give both cluster=NAME and force=true")
	}
	deleted, err := s.backend.DeleteCluster(r.Context(), cluster)
	if err != nil {
		return err
	}
	return writeValue(w, map[string]int{"deleted": deleted})
}
