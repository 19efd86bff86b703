"""What only developers of kubeup use: its tests, stage by stage, and its benchmarks.

It imports kubeup; nothing of kubeup imports it.
"""
