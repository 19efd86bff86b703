"""Pure functions: the output of a tool, or the text of a system file, becomes a dataclass.

No process, no network.
"""
