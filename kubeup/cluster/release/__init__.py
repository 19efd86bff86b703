"""Kubernetes' binaries and images: official downloads by pinned sums, or pinned Go modules."""
