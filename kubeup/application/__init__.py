"""Puts the application on a cluster.

Rendered by kustomize, compared by `kubectl diff`, applied server-side, watched until it is ready.
"""
