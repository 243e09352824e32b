package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// kubeconfig is what kubectl and Kubernetes clients are told by.
type kubeconfig struct {
	APIVersion     string         `json:"apiVersion"`
	Kind           string         `json:"kind"`
	Clusters       []namedCluster `json:"clusters"`
	Users          []namedUser    `json:"users"`
	Contexts       []namedContext `json:"contexts"`
	CurrentContext string         `json:"current-context"`
}

type namedCluster struct {
	Name    string `json:"name"`
	Cluster struct {
		Server string `json:"server"`
		CAData []byte `json:"certificate-authority-data,omitempty"`
	} `json:"cluster"`
}

type namedUser struct {
	Name string `json:"name"`
	User struct {
		Token     string `json:"token,omitempty"`
		TokenFile string `json:"tokenFile,omitempty"`
	} `json:"user"`
}

type namedContext struct {
	Name    string `json:"name"`
	Context struct {
		Cluster   string `json:"cluster"`
		User      string `json:"user"`
		Namespace string `json:"namespace,omitempty"`
	} `json:"context"`
}

const kubeName = "sidecar"

// kubeconfigOptions are what a kubeconfig is made of.
type kubeconfigOptions struct {
	server, caFile, tokenFile, namespace string
	embedToken                           bool
}

func newKubeconfigCommand() *cobra.Command {
	var o kubeconfigOptions
	command := &cobra.Command{
		Use:   "kubeconfig --server URL --ca-file FILE --token-file FILE",
		Short: "Write a kubeconfig for kubectl and Kubernetes clients",
		Long: `Write a kubeconfig to stdout by which kubectl and the Kubernetes clients of every
language reach the ManifestWorks of a sidecar (docs/works.md): the address of
its TLS listener, the CA of that, and its token. The token stays in its file,
which the client reads; --embed-token puts it into the kubeconfig.`,
		Example: "  sidecar kubeconfig --server https://127.0.0.1:7410 --ca-file ca.crt --token-file token > kubeconfig\n  kubectl --kubeconfig kubeconfig get mw -A",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := o.encode()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.server, "server", "https://127.0.0.1:7410", "`URL` of the TLS listener")
	flags.StringVar(&o.caFile, "ca-file", "", "`FILE` of the CA, PEM")
	flags.StringVar(&o.tokenFile, "token-file", "", "`FILE` of the token")
	flags.StringVar(&o.namespace, "namespace", "", "`CLUSTER` that is meant when none is named")
	flags.BoolVar(&o.embedToken, "embed-token", false, "put the token itself into the kubeconfig")
	return command
}

func (o *kubeconfigOptions) encode() ([]byte, error) {
	k := kubeconfig{APIVersion: "v1", Kind: "Config", CurrentContext: kubeName}
	cluster, user, named := namedCluster{Name: kubeName}, namedUser{Name: kubeName}, namedContext{Name: kubeName}
	cluster.Cluster.Server = o.server
	if o.caFile != "" {
		ca, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA: %w", err)
		}
		cluster.Cluster.CAData = ca
	}
	user.User.TokenFile = o.tokenFile
	if o.embedToken {
		token, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		user.User.Token, user.User.TokenFile = strings.TrimSpace(string(token)), ""
	}
	named.Context.Cluster, named.Context.User, named.Context.Namespace = kubeName, kubeName, o.namespace
	k.Clusters, k.Users, k.Contexts = []namedCluster{cluster}, []namedUser{user}, []namedContext{named}
	return yaml.Marshal(k)
}
