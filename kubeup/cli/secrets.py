"""The passwords' file, for git."""

from __future__ import annotations

from kubeup.cli.base import change, kubeup_task
from kubeup.core.options import Options


@kubeup_task("dry", "commands")
def seal(given: Options) -> None:
    """Encrypt .env with sops and age into a file that may be committed to git.

    Example: SOPS_AGE_RECIPIENTS=age1… inv secrets.seal
    """
    from kubeup.system import sealing

    sealing.require_sops()
    change(given, lambda project: sealing.seal(project.state.secrets))


@kubeup_task("dry", "commands")
def unseal(given: Options) -> None:
    """Decrypt the sealed file to .env; an .env with other values is never overwritten.

    Example: SOPS_AGE_KEY_FILE=~/key.txt inv secrets.unseal
    """
    from kubeup.system import sealing

    sealing.require_sops()
    change(given, lambda project: sealing.unseal(project.state.secrets))


@kubeup_task("yes", "dry", "commands")
def restore(given: Options) -> None:
    """Write passwords that .env lacks back to it, as the cluster's Secret has them.

    Example: inv secrets.restore
    """
    from kubeup.workflows import lost_passwords

    change(given, lost_passwords.restore)
