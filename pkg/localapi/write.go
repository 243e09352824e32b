package localapi

import (
	"encoding/json"
	"net/http"

	"github.com/pillion-dev/pillion/pkg/resource"
)

func (s *Server) putResource(w http.ResponseWriter, r *request) error {
	req, wait, err := s.putRequest(w, r)
	if err != nil {
		return err
	}
	res, created, err := s.backend.Put(r.Context(), req)
	if err != nil {
		return err
	}
	if res, err = s.await(r, wait, res); err != nil {
		return err
	}
	if created {
		return writeResource(w, http.StatusCreated, res)
	}
	return writeResource(w, http.StatusOK, res)
}

func (s *Server) putRequest(w http.ResponseWriter, r *request) (req resource.PutRequest, wait waiting, err error) {
	key, err := r.key()
	if err != nil {
		return req, wait, err
	}
	if wait, err = r.waiting(resource.WaitPublished, resource.WaitObserved); err != nil {
		return req, wait, err
	}
	match, noneMatch, err := preconditions(r.Header)
	if err != nil {
		return req, wait, err
	}
	body, err := s.resourceBody(w, r)
	if err != nil {
		return req, wait, err
	}
	if req, err = decodePut(body, key); err != nil {
		return req, wait, err
	}
	req.IfMatch, req.IfNoneMatch = match, noneMatch
	return req, wait, s.checkSize("the spec with its metadata", req.Spec.Data, req.Metadata)
}

func (s *Server) patchResource(w http.ResponseWriter, r *request) error {
	req, wait, err := s.patchRequest(w, r, resource.WaitPublished, resource.WaitObserved)
	if err != nil {
		return err
	}
	if err := decodePatch(&req); err != nil {
		return err
	}
	return s.patch(w, r, req, wait)
}

func (s *Server) patchStatus(w http.ResponseWriter, r *request) error {
	req, wait, err := s.patchRequest(w, r, resource.WaitPublished)
	if err != nil {
		return err
	}
	req.OfStatus = true
	if req.Version, err = r.integer("version", resource.MaxVersion); err != nil {
		return err
	}
	if req.Patch, err = decodeStatus(req.Patch); err != nil {
		return err
	}
	return s.patch(w, r, req, wait)
}

// patchRequest is what both patches have; the Patch is not looked at yet.
func (s *Server) patchRequest(w http.ResponseWriter, r *request, states ...resource.WaitFor) (req resource.PatchRequest, wait waiting, err error) {
	if req.Key, err = r.key(); err != nil {
		return req, wait, err
	}
	if wait, err = r.waiting(states...); err != nil {
		return req, wait, err
	}
	if req.IfMatch, err = onlyIfMatch(r.Header); err != nil {
		return req, wait, err
	}
	if err = checkMergePatchType(w, r.Header); err != nil {
		return req, wait, err
	}
	req.MaxBytes = s.maxResourceBytes()
	req.Patch, err = s.readBody(w, r, s.maxResourceBytes()+controlBodyBytes)
	return req, wait, err
}

func (s *Server) patch(w http.ResponseWriter, r *request, req resource.PatchRequest, wait waiting) error {
	res, err := s.backend.Patch(r.Context(), req)
	return s.answerWrite(w, r, res, err, wait)
}

func (s *Server) putStatus(w http.ResponseWriter, r *request) error {
	req, wait, err := s.statusRequest(w, r)
	if err != nil {
		return err
	}
	res, err := s.backend.SetStatus(r.Context(), req)
	return s.answerWrite(w, r, res, err, wait)
}

func (s *Server) statusRequest(w http.ResponseWriter, r *request) (req resource.StatusRequest, wait waiting, err error) {
	if req.Key, err = r.key(); err != nil {
		return req, wait, err
	}
	if req.Version, err = r.integer("version", resource.MaxVersion); err != nil {
		return req, wait, err
	}
	if wait, err = r.waiting(resource.WaitPublished); err != nil {
		return req, wait, err
	}
	if req.IfMatch, err = onlyIfMatch(r.Header); err != nil {
		return req, wait, err
	}
	body, err := s.resourceBody(w, r)
	if err != nil {
		return req, wait, err
	}
	status, err := decodeStatus(body)
	if err != nil {
		return req, wait, err
	}
	req.Status = json.RawMessage(status)
	return req, wait, s.checkSize("the status", req.Status)
}

// answerWrite answers a write that changes what is there, once what it asked
// to wait for has come.
func (s *Server) answerWrite(w http.ResponseWriter, r *request, res *resource.Resource, err error, wait waiting) error {
	if err != nil {
		return err
	}
	if res == nil { // a status that confirmed a deletion
		return s.answerConfirmed(w, r, wait)
	}
	if res, err = s.await(r, wait, res); err != nil {
		return err
	}
	return writeResource(w, http.StatusOK, res)
}

// deleteResource answers 202 while there is something left to wait for. With
// wait=observed it answers when the resource is gone.
func (s *Server) deleteResource(w http.ResponseWriter, r *request) error {
	req, wait, err := r.deleteRequest()
	if err != nil {
		return err
	}
	res, done, err := s.backend.Delete(r.Context(), req)
	if err != nil {
		return err
	}
	if s.backend.Role() == resource.Agent {
		return s.answerConfirmed(w, r, wait)
	}
	if done || res == nil {
		return writeResource(w, http.StatusOK, res)
	}
	res, err = s.awaitGone(r, wait, res)
	if err != nil {
		return err
	}
	return writeResource(w, http.StatusAccepted, res) // 200 when it is gone
}

// answerConfirmed answers an agent's app that has confirmed a deletion: it is
// gone here at once, and with wait=published the broker has taken the word.
func (s *Server) answerConfirmed(w http.ResponseWriter, r *request, wait waiting) error {
	if wait.state != resource.WaitPublished {
		return writeEmpty(w)
	}
	key, err := r.key()
	if err != nil {
		return err
	}
	if _, err := s.awaitGone(r, wait, &resource.Resource{Key: key}); err != nil {
		return err
	}
	return writeEmpty(w)
}

func (r *request) deleteRequest() (req resource.DeleteRequest, wait waiting, err error) {
	if req.Key, err = r.key(); err != nil {
		return req, wait, err
	}
	if req.Force, err = r.flag("force"); err != nil {
		return req, wait, err
	}
	if req.IfMatch, err = onlyIfMatch(r.Header); err != nil {
		return req, wait, err
	}
	wait, err = r.waiting(resource.WaitPublished, resource.WaitObserved)
	return req, wait, err
}
