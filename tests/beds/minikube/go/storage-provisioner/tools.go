//go:build tools

// Package tools pins minikube's storage provisioner, which is built from this module. Kubernetes' client is older here
// than minikube's own: the one of minikube's go.mod has dropped the lock that the provisioner asks for, and it dies.
package tools

import _ "k8s.io/minikube/cmd/storage-provisioner"
