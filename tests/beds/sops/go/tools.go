//go:build tools

// Package tools names what the tests of sealing need from this module, so that go.mod and go.sum pin it.
package tools

import (
	_ "filippo.io/age/cmd/age-keygen"
	_ "github.com/getsops/sops/v3/cmd/sops"
)
