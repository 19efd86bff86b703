"""Which paths the programs that get them take as they are."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Control characters, and what YAML and Python end a line at beside those.
NOT_IN_LINE = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
# ssh and Ansible fill `$NAME` and `${NAME}` in, and have no way to write them as they are
# (ssh_config(5), "ENVIRONMENT VARIABLES"; unfrackpath in ansible/utils/path.py).
USABLE = rf"^(([^{NOT_IN_LINE}$]|\$+[^{NOT_IN_LINE}$A-Za-z0-9_{{])+\$*|\$+)$"
ALLOWED = "a path in one line, without $NAME or ${NAME}"
WHY = "ssh and Ansible would put a variable's value there"


def usable(path: Path) -> bool:
    """Whether it can be handed to every program, and written into every file."""
    try:
        return bool(re.fullmatch(USABLE, os.fspath(path).encode().decode()))
    except UnicodeEncodeError:  # its bytes are no UTF-8, which YAML and JSON can't hold
        return False
