"""The profile's kubeconfig, and merging it into the user's own."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

from kubeup import shell
from kubeup.project import Project
from kubeup.state import write_private


def existing(project: Project) -> Path:
    project.kubectl.require_access()
    return project.state.kubeconfig


def merge(project: Project) -> str:
    """Add the profile's context to ~/.kube/config ($KUBECONFIG's first file); its current context stays. Returns what was done."""
    ours = existing(project)
    target = Path((os.environ.get("KUBECONFIG") or "~/.kube/config").split(os.pathsep)[0]).expanduser()
    kubectl = str(project.kubectl.path)
    current, backup = "", ""
    if target.exists():
        current = shell.read(kubectl, "config", "current-context", "--kubeconfig", str(target), ok=None).stdout.strip()
        backup = f"{target}.kubeup-{datetime.now():%Y%m%d-%H%M%S-%f}"  # never one that is there
        shutil.copy2(target, backup)
    # the first file wins for names that both have: ours, so that a cluster made anew replaces its old entry
    merged = shell.read(kubectl, "config", "view", "--flatten", env={"KUBECONFIG": f"{ours}{os.pathsep}{target}"}).stdout
    write_private(target, merged)
    context = project.kubectl.context
    shell.write(kubectl, "config", "use-context", current or context, "--kubeconfig", str(target))
    return f"{target} has the context {context} now" + (f" (as it was before: {backup})" if backup else "")
