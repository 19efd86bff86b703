"""Kubernetes' binaries and images: official downloads with their sums, or pinned Go modules."""
