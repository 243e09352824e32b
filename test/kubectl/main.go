// Kubectl is the command of that name, of the Kubernetes version that the
// sidecar's API is built on: the stories of test/e2e drive sidecars with it, so
// that they say the same on every machine. It is a module of its own, so that
// it never enters the main go.mod; `make e2e` builds it.
package main

import (
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	util.CheckErr(cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()))
}
