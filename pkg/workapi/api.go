package workapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	genericapifilters "k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
	"k8s.io/apiserver/pkg/util/compatibility"
	clientrest "k8s.io/client-go/rest"
)

// The bounds of requests; the listener bounds connections and time.
const (
	maxReads       = 400
	maxWrites      = 200
	requestTimeout = time.Minute
	bodyBytes      = 3 << 20
)

// api is the machinery of k8s.io/apiserver over one store.
type api struct {
	hub     *hub
	handler http.Handler
	server  *genericapiserver.GenericAPIServer
}

// newAPI takes a tenth of a second or more, and some 20 MiB.
func newAPI(o *Options) (*api, error) {
	r, err := newRules()
	if err != nil {
		return nil, err
	}
	scheme := newScheme()
	server, err := newGenericServer(scheme, r, o)
	if err != nil {
		return nil, err
	}
	a := &api{hub: newHub(o), server: server}
	if err := a.install(scheme, r, o); err != nil {
		return nil, err
	}
	server.PrepareRun()
	a.handler = server.Handler
	return a, nil
}

func newGenericServer(scheme *runtime.Scheme, r *rules, o *Options) (*genericapiserver.GenericAPIServer, error) {
	config := genericapiserver.NewConfig(newCodecs(scheme))
	config.ExternalAddress = "sidecar:443" // asked for, and shown nowhere
	config.LoopbackClientConfig = &clientrest.Config{}
	config.EffectiveVersion = numbered{compatibility.DefaultBuildEffectiveVersion()}
	config.OpenAPIConfig, config.OpenAPIV3Config = r.documents(scheme, o.Version)
	config.BuildHandlerChainFunc = chain
	config.Authorization.Authorizer = roleAuthorizer{o.Role}
	config.MaxRequestsInFlight, config.MaxMutatingRequestsInFlight = maxReads, maxWrites
	config.RequestTimeout, config.MaxRequestBodyBytes = requestTimeout, bodyBytes
	config.EnableIndex, config.EnableProfiling, config.EnableMetrics = false, false, false
	server, err := config.Complete(nil).New("sidecar", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("make the Kubernetes API: %w", err)
	}
	return server, nil
}

// chain is the part of the usual one that is of use with one user and no audit.
func chain(handler http.Handler, c *genericapiserver.Config) http.Handler {
	handler = genericapifilters.WithAuthorization(handler, c.Authorization.Authorizer, c.Serializer)
	handler = genericfilters.WithMaxInFlightLimit(handler, c.MaxRequestsInFlight, c.MaxMutatingRequestsInFlight, c.LongRunningFunc)
	handler = genericapifilters.WithAuthentication(handler, anyone, genericapifilters.Unauthorized(c.Serializer), nil, nil)
	handler = genericapifilters.WithWarningRecorder(handler)
	handler = genericfilters.WithTimeoutForNonLongRunningRequests(handler, c.LongRunningFunc)
	handler = genericapifilters.WithRequestDeadline(handler, c.AuditBackend, c.AuditPolicyRuleEvaluator, c.LongRunningFunc, c.Serializer, c.RequestTimeout)
	handler = genericapifilters.WithCacheControl(handler)
	handler = genericapifilters.WithRequestInfo(handler, c.RequestInfoResolver)
	handler = genericapifilters.WithRequestReceivedTimestamp(handler)
	handler = genericfilters.WithPanicRecovery(handler, c.RequestInfoResolver)
	return genericapifilters.WithAuditInit(handler)
}

func (a *api) install(scheme *runtime.Scheme, r *rules, o *Options) error {
	codecs := newCodecs(scheme)
	backend := &workStorage{id: o.ID, codec: codec{o.Role}, store: o.Store, engine: o.Engine, hub: a.hub, maxBytes: o.MaxResourceBytes}
	works, status, err := newWorkREST(scheme, codecs.LegacyCodec(groupVersion), newStrategy(scheme, r, o), backend, tables{a.hub, o.Engine})
	if err != nil {
		return fmt.Errorf("make the resource manifestworks: %w", err)
	}
	parameters := runtime.NewParameterCodec(scheme)
	group := genericapiserver.NewDefaultAPIGroupInfo(groupVersion.Group, scheme, parameters, codecs)
	group.NegotiatedSerializer = textOnly{reading{codecs}}
	group.VersionedResourcesStorageMap["v1"] = map[string]rest.Storage{"manifestworks": works, "manifestworks/status": status}
	if err := a.server.InstallAPIGroup(&group); err != nil {
		return fmt.Errorf("serve manifestworks: %w", err)
	}
	core := genericapiserver.NewDefaultAPIGroupInfo("", scheme, parameters, codecs)
	core.VersionedResourcesStorageMap["v1"] = map[string]rest.Storage{"namespaces": newNamespaceREST(a.hub)}
	if err := a.server.InstallLegacyAPIGroup("/api", &core); err != nil {
		return fmt.Errorf("serve namespaces: %w", err)
	}
	return nil
}

// run keeps the index up to date until ctx ends.
func (a *api) run(ctx context.Context, ready func()) error {
	defer a.server.Destroy()
	if err := a.hub.load(ctx); err != nil {
		return fmt.Errorf("read the works: %w", err)
	}
	ready()
	return a.hub.follow(ctx)
}
