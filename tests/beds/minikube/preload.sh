#!/bin/sh
# Runs on a machine of the base image: fill its containerd and pack that up the way minikube unpacks it on every node.
#   /archives/*  images      /binaries/*  Kubernetes' own      $@  "image=another name for it" ...
# The archive goes to /out/preload.tar.lz4.
set -eu
containerd >/tmp/containerd.log 2>&1 &
daemon=$!
for _ in $(seq 100); do
	if ctr version >/dev/null 2>&1; then break; fi
	sleep 0.1
done
for archive in /archives/*; do
	ctr -n k8s.io images import "$archive" >/dev/null
done
for pair in "$@"; do
	ctr -n k8s.io images tag "${pair%%=*}" "${pair#*=}"
done
kill "$daemon"
wait "$daemon" || true
# minikube unpacks in a container that may not make devices; those of a root file system are of no use to its pods
find /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/dev -type b,c -delete 2>/dev/null || true
binaries=/var/lib/minikube/binaries/$KUBERNETES
mkdir -p "$binaries"
cp /binaries/* "$binaries/"
tar --xattrs --xattrs-include=security.capability -I lz4 -C /var -cf /out/preload.tar.lz4 ./lib/minikube/binaries ./lib/containerd
