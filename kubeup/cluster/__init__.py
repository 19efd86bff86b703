"""Machines, and Kubernetes on them."""
