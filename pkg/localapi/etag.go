package localapi

import (
	"net/http"
	"strings"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// etag is the entity tag of a revision.
func etag(r resource.Revision) string { return `"` + r.String() + `"` }

// ifMatch reads If-Match: "REV", W/"REV" or REV; nil when there is none.
func ifMatch(header http.Header) (*resource.Revision, error) {
	values := header.Values("If-Match")
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 {
		return nil, badIfMatch()
	}
	revision, err := parseTag(values[0])
	if err != nil {
		return nil, badIfMatch()
	}
	return &revision, nil
}

func badIfMatch() error {
	return resource.Errorf(resource.InvalidArgument, `If-Match must be one revision, such as "184"`)
}

func parseTag(text string) (resource.Revision, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "W/")
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	return resource.ParseRevision(text)
}

// preconditions of a PUT: If-Match, or If-None-Match: *.
func preconditions(header http.Header) (match *resource.Revision, noneMatch bool, err error) {
	match, err = ifMatch(header)
	if err != nil {
		return nil, false, err
	}
	values := header.Values("If-None-Match")
	switch {
	case len(values) == 0:
		return match, false, nil
	case len(values) > 1 || strings.TrimSpace(values[0]) != "*":
		return nil, false, resource.Errorf(resource.InvalidArgument, "If-None-Match must be * here")
	case match != nil:
		return nil, false, resource.Errorf(resource.InvalidArgument, "give If-Match or If-None-Match, not both")
	}
	return nil, true, nil
}

// onlyIfMatch is the precondition of the calls that change what is there.
func onlyIfMatch(header http.Header) (*resource.Revision, error) {
	if header.Get("If-None-Match") != "" {
		return nil, resource.Errorf(resource.InvalidArgument, "If-None-Match goes with PUT of a resource and with GET only")
	}
	return ifMatch(header)
}

// unchanged tells whether a GET names the revision that there is.
func unchanged(header http.Header, revision resource.Revision) bool {
	return namesTag(header, etag(revision))
}

// namesTag tells whether a GET names the entity tag of what there is.
func namesTag(header http.Header, tag string) bool {
	given := header.Get("If-None-Match")
	return given != "" && strings.TrimPrefix(given, "W/") == tag
}
