package workapi

import (
	"context"
	"net/http"
	"slices"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// anyone is who has come through the listener: that has checked who may.
var anyone = authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
	return &authenticator.Response{User: &user.DefaultInfo{Name: "app", Groups: []string{user.AllAuthenticated}}}, true, nil
})

// roleAuthorizer refuses what is not this role's to do, and says whose it is.
type roleAuthorizer struct{ role resource.Role }

// Authorize allows everything else.
func (a roleAuthorizer) Authorize(_ context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
	if attributes.IsResourceRequest() && attributes.GetResource() == works.Resource {
		if reason := a.refusal(attributes.GetVerb(), attributes.GetSubresource()); reason != "" {
			return authorizer.DecisionDeny, reason, nil
		}
	}
	return authorizer.DecisionAllow, "", nil
}

func (a roleAuthorizer) refusal(verb, subresource string) string {
	writes := slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, verb)
	switch {
	case !writes:
		return ""
	case a.role == resource.Source && subresource == "status":
		return "this sidecar is a source: the agent of the cluster reports status"
	case a.role == resource.Agent && slices.Contains([]string{"create", "delete", "deletecollection"}, verb):
		return "this sidecar is an agent: works are made and deleted at their source; to confirm a deletion take the finalizers away"
	}
	return ""
}
