//go:build tools

// Package tools pins minikube, which is built from this module.
package tools

import _ "k8s.io/minikube/cmd/minikube"
