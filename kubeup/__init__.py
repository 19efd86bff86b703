"""kubeup: a real Kubernetes on your own machine, with a database, an API and a UI on it."""

__version__ = "0.1.0"
