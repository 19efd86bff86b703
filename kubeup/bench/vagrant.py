"""Figures on machines that Vagrant makes, against what the how-to has people type."""

from __future__ import annotations

from kubeup.bench.bare import by_hand, plain_ansible, playbook
from kubeup.bench.timing import INV, Figure, in_turn, timed
from kubeup.project import Project


def second_up(project: Project) -> Figure:
    ours, other = in_turn(lambda: timed(INV, "up", "--yes", "--profile", project.settings.profile),
                          lambda: timed("vagrant", "status", cwd=str(project.state.folder / "vagrant")), 5)
    return Figure("vagrant-second", ours, other, 1.2, "a second `./inv up` against one `vagrant status`")


def play(project: Project) -> Figure:
    ours, other = in_turn(lambda: timed(INV, "cluster.vagrant", "--yes", "--profile", project.settings.profile),
                          lambda: timed(*playbook(project), env=plain_ansible()), 3)
    return Figure("vagrant-play", ours, other, 0.4, "`./inv cluster.vagrant` with nothing to do against plain ansible-playbook of the same roles")


def cluster(project: Project) -> Figure:
    """From no machine at all. Leaves the cluster of the last one behind."""
    profile = ("--profile", project.settings.profile)
    timed(INV, "down", "--yes", *profile)
    other = by_hand(project, application=False)
    timed(INV, "down", "--yes", *profile)
    ours = timed(INV, "cluster.vagrant", "--yes", *profile)
    return Figure("vagrant-up", ours, other, 0.7, "`./inv cluster.vagrant` from no machine against the how-to's commands typed one after another")
