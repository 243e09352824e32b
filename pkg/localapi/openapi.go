package localapi

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"sync"

	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// OpenAPI is the description of the API (OpenAPI 3.1, YAML), as it is served at
// /openapi.yaml. test/openapi holds it against what the server answers.
//
//go:embed openapi.yaml
var OpenAPI []byte

const yamlType = "application/yaml" // RFC 9512

// openAPIJSON is made when it is first asked for.
var openAPIJSON = sync.OnceValues(func() ([]byte, error) { return yaml.YAMLToJSON(OpenAPI) })

func (s *Server) openAPIYAML(w http.ResponseWriter, r *request) error {
	return writeDocument(w, r, yamlType, OpenAPI)
}

func (s *Server) openAPIJSON(w http.ResponseWriter, r *request) error {
	document, err := openAPIJSON()
	if err != nil {
		return resource.Errorf(resource.Internal, "convert openapi.yaml: %w", err)
	}
	return writeDocument(w, r, resource.JSONContentType, document)
}

// writeDocument answers with what only another version of the sidecar changes.
func writeDocument(w http.ResponseWriter, r *request, contentType string, document []byte) error {
	sum := sha256.Sum256(document)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if namesTag(r.Header, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_ = write(w, http.StatusOK, contentType, document)
	return nil
}
