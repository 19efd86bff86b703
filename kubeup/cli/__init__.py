"""Thin tasks: arguments in, one call, report out.

What they need is imported when they run, so that `inv --list` is quick.
"""
