package workapi

import (
	"runtime"

	"k8s.io/apimachinery/pkg/version"
	"k8s.io/component-base/compatibility"
)

// kubernetesVersion is that of the libraries: clients read numbers out of it.
const kubernetesVersion = "v1.36.3"

// numbered tells a version that clients can read, whatever the build says.
type numbered struct{ compatibility.EffectiveVersion }

// Info is what GET /version answers.
func (n numbered) Info() *version.Info {
	info := n.EffectiveVersion.Info()
	info.GitVersion, info.GitCommit, info.GitTreeState = kubernetesVersion, "", "clean"
	info.Major, info.Minor = "1", "36"
	info.GoVersion, info.Compiler, info.Platform = runtime.Version(), runtime.Compiler, runtime.GOOS+"/"+runtime.GOARCH
	return info
}
