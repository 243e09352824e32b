// Command generate writes docs/reference.md from pkg/localapi/openapi.yaml:
//
//	go run ./docs/generate > docs/reference.md
package main

import (
	"fmt"
	"os"

	"github.com/pillion-dev/pillion/pkg/localapi"
)

func main() {
	text, err := reference(localapi.OpenAPI)
	if err == nil {
		_, err = os.Stdout.WriteString(text)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "generate the reference: %v\n", err)
		os.Exit(1)
	}
}
