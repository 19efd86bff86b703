"""`eval "$(python -m tests.beds.minikube FOLDER)"`: a shell in which `minikube start
$START_ARGS` works, its home in FOLDER.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from kubeup.core.errors import KubeupError
from tests.beds.minikube import make


def main(folder: Path) -> None:
    bed = make(lambda line: print(line, file=sys.stderr))
    values = bed.environment(bed.home(folder), folder / "kubeconfig") | {
        "START_ARGS": " ".join(bed.start_args)
    }
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve())
    except KubeupError as error:
        sys.exit("\n".join(error.lines()))
