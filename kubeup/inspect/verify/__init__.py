"""Proof that a cluster works: real probes, each a line that says what it proves, what it saw,
and on failure why and what to do.
"""

from kubeup.inspect.verify.checks import run
from kubeup.inspect.verify.lines import Context, Line

__all__ = ["Context", "Line", "run"]
