"""`eval "$(python -m tests.beds.vagrant FOLDER)"`: a shell in which vagrant has docker; its home
in FOLDER, the box in $BOX.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from kubeup.core.errors import KubeupError
from tests.beds.vagrant import make


def main(folder: Path) -> None:
    bed = make(lambda line: print(line, file=sys.stderr))
    for name, value in (bed.environment(folder) | {"BOX": bed.image}).items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve())
    except KubeupError as error:
        sys.exit("\n".join(error.lines()))
