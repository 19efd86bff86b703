//go:build tools

// Package conformance names what the bed builds from this module, so that go.mod and go.sum pin it.
package conformance

import (
	_ "k8s.io/kubernetes/test/images/agnhost"
)
