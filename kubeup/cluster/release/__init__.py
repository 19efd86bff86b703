"""Where Kubernetes' binaries and images come from: official downloads with their sums, or built
from pinned Go modules.
"""
