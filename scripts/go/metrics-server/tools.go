//go:build tools

// Package tools names what kubeup builds from this module, so that go.mod and go.sum pin it.
package tools

import (
	_ "sigs.k8s.io/metrics-server/cmd/metrics-server"
)
