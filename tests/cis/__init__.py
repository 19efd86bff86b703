"""The checks of the CIS Kubernetes Benchmark 1.8 (for 1.26) that apply to a cluster by kubeadm."""
