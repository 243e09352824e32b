package main

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

type putFlags struct {
	file, metadata string
	contentType    string
	version        int64
	wait           waitFlags
}

func newPutCommand(a *cli) *cobra.Command {
	var f putFlags
	cmd := &cobra.Command{
		Use:   "put DATATYPE CLUSTER ID -f FILE|-",
		Short: "Declare a resource (at a source)",
		Long: `Declare a resource: make it, or change its spec.

The file is the spec, as JSON or YAML. A file that has a top-level "spec" and
nothing else but fields that a resource has is taken as a whole resource
instead: what 'get -o yaml' wrote can be edited and put back. Its spec, metadata
and version count, and its identity must fit the arguments. Any other file,
such as a Kubernetes object with apiVersion and kind, is a spec.

With --content-type the file is a spec of that media type, sent as it is.

The version counts up by itself when something has changed; --version is a
floor for it.`,
		Example: `  sidecar put com.example.fleet.v1alpha1.devices cluster1 dev-1 -f spec.yaml
  echo '{"on":true}' | sidecar put com.example.fleet.v1alpha1.devices cluster1 dev-1 -f - --wait observed
  sidecar put com.example.fleet.v1alpha1.images cluster1 boot -f boot.img --content-type application/octet-stream`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: a.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := keyOf(args, "")
			if err != nil {
				return err
			}
			return a.put(cmd.Context(), key, &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "filename", "f", "", "the file; - is standard input")
	flags.StringVar(&f.metadata, "metadata", "", "a file with metadata, a JSON or YAML object")
	flags.StringVar(&f.contentType, "content-type", "", "the media type of a spec that is not JSON")
	flags.Int64Var(&f.version, "version", 0, "a floor for the version")
	f.wait.add(cmd, resource.WaitPublished, resource.WaitObserved)
	_ = cmd.MarkFlagRequired("filename")
	return cmd
}

func (a *cli) put(ctx context.Context, key resource.Key, f *putFlags) error {
	options, err := f.wait.options()
	if err != nil {
		return err
	}
	req, err := a.putRequest(key, f)
	if err != nil {
		return err
	}
	c := a.client()
	defer c.Close()
	res, created, err := c.Put(ctx, req, options...)
	if err != nil {
		return err
	}
	did := "stored"
	if created {
		did = "created"
	}
	return a.say(res, "%s %s: version %d, %s", key.ID, did, res.Version, res.Sync.State)
}

// putRequest is what the files and flags say.
func (a *cli) putRequest(key resource.Key, f *putFlags) (req resource.PutRequest, err error) {
	switch {
	case f.file == "-" && f.metadata == "-":
		return req, usagef("only one of -f and --metadata can be standard input")
	case f.contentType != "" && !isMediaType(f.contentType):
		return req, usagef("--content-type %q is not a media type such as application/octet-stream", f.contentType)
	case f.version < 0 || f.version > resource.MaxVersion:
		return req, usagef("--version must be from 1 to %d", resource.MaxVersion)
	}
	if req, err = a.readSpec(key, f); err != nil {
		return req, err
	}
	if f.version != 0 {
		req.Version = f.version
	}
	if f.metadata == "" {
		return req, nil
	}
	req.Metadata, err = a.readObject(f.metadata)
	return req, err
}

func isMediaType(text string) bool {
	media, _, err := mime.ParseMediaType(text)
	return err == nil && strings.Contains(media, "/")
}

func (a *cli) readSpec(key resource.Key, f *putFlags) (resource.PutRequest, error) {
	if f.contentType != "" && f.contentType != resource.JSONContentType {
		data, err := a.readFile(f.file)
		return resource.PutRequest{Key: key, Spec: resource.Payload{Data: data, ContentType: f.contentType}}, err
	}
	document, err := a.readJSON(f.file)
	if err != nil {
		return resource.PutRequest{}, err
	}
	req, whole, err := parseResource(document, key)
	switch {
	case err != nil:
		return req, fmt.Errorf("%s: %w", f.file, err)
	case whole:
		return req, nil
	}
	return resource.PutRequest{Key: key, Spec: resource.Payload{Data: document, ContentType: resource.JSONContentType}}, nil
}

// readObject is readJSON for what must be an object.
func (a *cli) readObject(name string) (json.RawMessage, error) {
	object, err := a.readJSON(name)
	if err != nil {
		return nil, err
	}
	if object[0] != '{' {
		return nil, fmt.Errorf("%s: it must hold an object", name)
	}
	return object, nil
}
