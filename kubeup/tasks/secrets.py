"""The passwords' file, for git."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import carry_out, change_project, kubeup_task


@kubeup_task()
def seal(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Seal .env with sops and age into a file that may be in git.

    Example: SOPS_AGE_RECIPIENTS=age1… inv secrets.seal
    """
    _sealing("Seal", "seal .env for git", profile, set, dry, commands)


@kubeup_task()
def unseal(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Make .env from the sealed file; one with other values is never overwritten.

    Example: SOPS_AGE_KEY_FILE=~/key.txt inv secrets.unseal
    """
    _sealing("Unseal", "make .env from the sealed file", profile, set, dry, commands)


def _sealing(action: str, title: str, profile: str, set: list[str], dry: bool, commands: bool) -> None:
    from kubeup import ids, sealing
    from kubeup.plan import Step, plan_of

    sealing.require_sops()
    name = action.lower()
    with change_project(f"secrets.{name}", profile, set, dry) as (project, out):
        env = project.state.secrets
        step = Step(ids.seal(name), title, "asked for", getattr(sealing, action)(env, env.with_name(sealing.SEALED)))
        carry_out(project, lambda: plan_of([step]), out, f"secrets.{name}", dry=dry, yes=True, commands=commands)
