"""Puts the application on a cluster: rendered by kustomize, compared by `kubectl diff`, applied
server-side, watched until it stands.
"""
