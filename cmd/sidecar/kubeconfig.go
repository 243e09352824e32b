package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/pkg/access"
	"github.com/pillion-dev/pillion/pkg/config"
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

func newKubeconfigCommand() *cobra.Command {
	var path, namespace string
	var embed bool
	command := &cobra.Command{
		Use:   "kubeconfig --config FILE",
		Short: "Write a kubeconfig for kubectl and Kubernetes clients",
		Long: `Write a kubeconfig to stdout by which kubectl and the Kubernetes clients of every
language reach the ManifestWorks of the sidecar that FILE describes
(docs/works.md): the address of its TLS listener, the CA of that, and its token.
The sidecar must have run once, and api.listen must be set. The token stays in
its file, which the client reads; --embed-token puts it into the kubeconfig.`,
		Example: "  sidecar kubeconfig --config /etc/sidecar/config.yaml > kubeconfig\n  kubectl --kubeconfig kubeconfig get mw -A",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(path)
			if err != nil {
				return err
			}
			text, err := kubeconfigOf(cfg, namespace, embed)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	flags := command.Flags()
	flags.StringVarP(&path, "config", "c", "", "configuration `FILE` (required)")
	flags.StringVar(&namespace, "namespace", "", "`CLUSTER` that is meant when none is named")
	flags.BoolVar(&embed, "embed-token", false, "put the token itself into the kubeconfig")
	_ = command.MarkFlagRequired("config")
	_ = command.MarkFlagFilename("config", "yaml", "yml", "json")
	return command
}

// kubeconfigOf says how to reach the TLS listener of a configuration.
func kubeconfigOf(cfg *config.Config, namespace string, embed bool) ([]byte, error) {
	if cfg.API.Listen == "" {
		return nil, errors.New("there is no TLS listener: set api.listen, such as 127.0.0.1:7410")
	}
	k := kubeconfig{APIVersion: "v1", Kind: "Config", CurrentContext: kubeName}
	cluster, user, named := namedCluster{Name: kubeName}, namedUser{Name: kubeName}, namedContext{Name: kubeName}
	cluster.Cluster.Server = "https://" + reachable(cfg.API.Listen)
	var err error
	if cluster.Cluster.CAData, err = trusted(cfg); err != nil {
		return nil, fmt.Errorf("read the CA; it is made when the sidecar starts: %w", err)
	}
	user.User.TokenFile = cmp.Or(cfg.API.TokenFile, access.OwnTokenFile(cfg.State.Dir))
	if user.User.TokenFile, err = filepath.Abs(user.User.TokenFile); err != nil { // clients begin at the kubeconfig
		return nil, err
	}
	if embed {
		token, err := os.ReadFile(user.User.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token; it is made when the sidecar starts: %w", err)
		}
		text := strings.TrimSpace(string(token))
		if text == "" {
			return nil, fmt.Errorf("token file %s is empty: write a token into it", user.User.TokenFile)
		}
		user.User.Token, user.User.TokenFile = text, ""
	}
	named.Context.Cluster, named.Context.User = kubeName, kubeName
	named.Context.Namespace = cmp.Or(namespace, cfg.Cluster)
	k.Clusters, k.Users, k.Contexts = []namedCluster{cluster}, []namedUser{user}, []namedContext{named}
	return yaml.Marshal(k)
}

// reachable is a listener's address for clients on the same machine.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// trusted is the CA of the listener's own certificate, or the certificate that
// is given.
func trusted(cfg *config.Config) ([]byte, error) {
	if len(cfg.API.TLS.CertData) > 0 {
		return cfg.API.TLS.CertData, nil
	}
	return os.ReadFile(access.NewCertificates(cfg.State.Dir, "", slog.New(slog.DiscardHandler)).CAFile())
}

// writeKubeconfig writes api.kubeconfigFile, with the token, for apps that can
// read the socket's folder but not state.dir: whole or not at all, and for the
// group that the socket has. It returns what it wrote; nil = nothing is wanted.
func writeKubeconfig(cfg *config.Config) ([]byte, error) {
	path := cfg.API.KubeconfigFile
	if path == "" || cfg.API.Listen == "" {
		return nil, nil
	}
	text, err := kubeconfigOf(cfg, "", true)
	if err != nil {
		return nil, fmt.Errorf("api.kubeconfigFile: %w", err)
	}
	if err := replaceShared(path, text, cfg.API.Socket); err != nil {
		return nil, fmt.Errorf("api.kubeconfigFile: %w; choose a folder that can be written", err)
	}
	return text, nil
}

// replaceShared writes a file for the group of another one. The folder may be one
// that others write to: what they put in the way is removed, never written to.
func replaceShared(path string, text []byte, like string) (err error) {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, shareWithGroup(f, like), f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// shareWithGroup lets the group of one file read another. Where that file is
// not there yet, the rules of the folder have given both their group.
func shareWithGroup(f *os.File, like string) error {
	if info, err := os.Stat(like); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			_ = f.Chown(-1, int(owner.Gid)) // who may not stays with the group of the folder
		}
	}
	return f.Chmod(0o640)
}
