"""Proof that a cluster works: real probes, each a line.

A line says what it proves, what it saw, and on failure why and what to do.
"""
