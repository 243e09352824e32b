package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// keyOf is the key that the arguments DATATYPE [CLUSTER [ID]] name. What cannot
// be one is wrong use, told without asking the sidecar.
func keyOf(args []string, source string) (key resource.Key, err error) {
	checks := []func(string) error{
		func(arg string) (err error) { key.DataType, err = resource.ParseDataType(arg); return err },
		func(arg string) error { key.Cluster = arg; return resource.ValidateName("cluster", arg) },
		func(arg string) error { key.ID = arg; return resource.ValidateID(arg) },
	}
	for i, arg := range args {
		if err := checks[i](arg); err != nil {
			return key, usageError{err}
		}
	}
	key.Source = source
	if source != "" {
		if err := resource.ValidateName("source", source); err != nil {
			return key, usageError{err}
		}
	}
	return key, nil
}

// parseKey is the key in one argument: DATATYPE/CLUSTER/ID, where the id may
// hold slashes.
func parseKey(text, source string) (resource.Key, error) {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) != 3 {
		return resource.Key{}, usagef("key %q is not DATATYPE/CLUSTER/ID", text)
	}
	return keyOf(parts, source)
}

// sourceFlag is for agents whose resources come from several sources.
func sourceFlag(cmd *cobra.Command, source *string) {
	cmd.Flags().StringVar(source, "source", "", "the source of the resource, where an agent has it of several")
}
