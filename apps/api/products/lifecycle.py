"""What the server knows and the application has to be told."""

from dataclasses import dataclass


@dataclass
class Lifecycle:
    """State of the process."""

    draining: bool = False
