"""Takes from a Python on Linux what one on macOS has not, before anything else is imported.

Found through PYTHONPATH.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import platform
import select
import shutil

LINUX = ("/proc", "/sys", "/run", "/etc/os-release", "/lib/modules", "/etc/containers")
# what a Mac has, and what a test puts on PATH
TOOLS = {"ssh", "ssh-keygen", "minikube", "vagrant", "VBoxManage"}

for module, name in (
    (os, "sched_getaffinity"),
    (os, "pidfd_open"),
    (os, "memfd_create"),
    (fcntl, "F_SETPIPE_SZ"),
    (select, "epoll"),
):
    if hasattr(module, name):
        delattr(module, name)

platform.system = lambda: "Darwin"
platform.release = lambda: "24.6.0"
platform.machine = lambda: "arm64"
# the checkout is an ordinary user's own, whoever runs the tests
_uid = os.geteuid() or 501
os.geteuid = lambda: _uid


def _gone(method):
    def call(self, *args, **kwargs):
        if str(self).startswith(LINUX):
            raise FileNotFoundError(errno.ENOENT, "this is no Linux", str(self))
        return method(self, *args, **kwargs)

    return call


# pathlib's other questions are these
for name in ("open", "read_text", "read_bytes", "stat", "iterdir"):
    setattr(pathlib.Path, name, _gone(getattr(pathlib.Path, name)))

_which = shutil.which


def _on_a_mac(cmd, *args, **kwargs):
    found = _which(cmd, *args, **kwargs)
    if not found:
        return None
    first = os.environ["PATH"].split(os.pathsep)[0]  # where a test puts what this Mac has
    return (
        found
        if pathlib.Path(found).name in TOOLS or str(pathlib.Path(found).parent) == first
        else None
    )


shutil.which = _on_a_mac

import psutil  # noqa: E402 - its own ways to ask a Linux stay as they are

del psutil.Process.cpu_affinity


def _only_root(kind="inet"):
    raise psutil.AccessDenied


psutil.net_connections = _only_root
