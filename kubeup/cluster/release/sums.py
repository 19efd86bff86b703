"""The sums of what is downloaded: from files of other projects, none from the site that serves it.

A site that was broken into would serve its own sums with its own files. The programs' stand alike
in kubespray's roles/download/defaults/main.yml (391dd97f), kubekey's version/components.json
(75bf1a41) and kops' pkg/assets/assetdata/k8s-1.26.yaml; kubectl's for macOS in the last alone. The
images' are those that their registry's are promoted by, kubernetes/k8s.io's
registry.k8s.io/images/k8s-staging-*/images.yaml (005f1419), each for all processors; but for the
controller manager's and kube-proxy's, other people's lists of nodes' images have them as well.
Of kube-router's image no digest was found in anybody's files: TLS and its tag alone hold it.
"""

from __future__ import annotations

# of Kubernetes 1.26.1, by system, processor and name
BINARIES = {
    ("linux", "amd64", "kubeadm"): (
        "1531abfe96e2e9d8af9219192c65d04df8507a46a081ae1e101478e95d2b63da"
    ),
    ("linux", "amd64", "kubelet"): (
        "8b99dd73f309ca1ac4005db638e82f949ffcfb877a060089ec0e729503db8198"
    ),
    ("linux", "amd64", "kubectl"): (
        "d57be22cfa25f7427cfb538cfc8853d763878f8b36c76ce93830f6f2d67c6e5d"
    ),
    ("linux", "arm64", "kubeadm"): (
        "db101c4bb8e33bd69241de227ed317feee6d44dbd674891e1b9e11c6e8b369bb"
    ),
    ("linux", "arm64", "kubelet"): (
        "f4b514162b52d19909cf0ddf0b816d8d7751c5f1de60eda90cd84dcccc56c399"
    ),
    ("linux", "arm64", "kubectl"): (
        "4027cb0a2840bc14ec3f18151b3360dd2d1f6ce730ed5ac28bd846c17e7d73f5"
    ),
    ("darwin", "amd64", "kubectl"): (
        "7ccbfd16e96a2e750b13384a44e3a5d08c329df65bfd900af3ce914c50b047a5"
    ),
    ("darwin", "arm64", "kubectl"): (
        "5e84b678a54f58ee3ae17fa3c65bc60d55f0c0b616cf2dc21a8c56772c78f1e5"
    ),
}

# by the name that kubeadm and manifests call them by
IMAGES = {
    "registry.k8s.io/kube-apiserver:v1.26.1": (
        "99e1ed9fbc8a8d36a70f148f25130c02e0e366875249906be0bcb2c2d9df0c26"
    ),
    "registry.k8s.io/kube-controller-manager:v1.26.1": (
        "40adecbe3a40aa147c7d6e9a1f5fbd99b3f6d42d5222483ed3a47337d4f9a10b"
    ),
    "registry.k8s.io/kube-scheduler:v1.26.1": (
        "af0292c2c4fa6d09ee8544445eef373c1c280113cb6c968398a37da3744c41e4"
    ),
    "registry.k8s.io/kube-proxy:v1.26.1": (
        "85f705e7d98158a67432c53885b0d470c673b0fad3693440b45d07efebcda1c3"
    ),
    "registry.k8s.io/etcd:3.5.6-0": (
        "dd75ec974b0a2a6f6bb47001ba09207976e625db898d1b16735528c009cb171c"
    ),
    "registry.k8s.io/coredns/coredns:v1.9.3": (
        "8e352a029d304ca7431c6507b56800636c321cb52289686a581ab70aaa8a2e2a"
    ),
    "registry.k8s.io/pause:3.9": (
        "7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097"
    ),
    "registry.k8s.io/metrics-server/metrics-server:v0.6.1": (
        "5ddc6458eb95f5c70bd13fdab90cbd7d6ad1066e5b528ad1dcb28b76c5fb2f00"
    ),
}
