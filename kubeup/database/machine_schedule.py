"""The timer that backs the database up on a machine: a container of its image now and then.

One script that lies beside the service's files, as that of the packet filter does.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from kubeup.application import schedule
from kubeup.application.place import Place
from kubeup.core.plan import Log
from kubeup.database.machine import FOLDER, UID, DatabaseVm, checksums
from kubeup.database.service_state import ServiceState
from kubeup.system import tls

NAME = "schedule.sh"
UNIT = "kubeup-db-backup"
# A container that a run which was cut off has left goes first. The script is the cluster's own.
# The server's certificate has names alone, and the service listens at an address.
# A start that was missed, as this machine slept, is made up for (Persistent).
SCRIPT = r"""#!/bin/sh
# kubeup: backs the database up by itself. Made anew by `inv up`.
# run: once; install, remove: at its times; state: `on` where it does so.
unit={unit} folder={folder} backups={backups} scratch={scratch}
units=/etc/systemd/system
case $1 in
  run)
    install -d -m 700 -o {uid} -g {uid} "$backups" "$scratch" || exit
    docker rm --force --volumes "$unit" >/dev/null 2>&1
    exec docker run --rm --name "$unit" --network host --add-host {host}:{address} \
      --user {uid}:{uid} --read-only --cap-drop ALL --security-opt no-new-privileges \
      --tmpfs /tmp {environment} \
      --volume "$backups:/backups" --volume "$scratch:/scratch" \
      --volume "$folder/backup.sh:/run/kubeup-script/backup.sh:ro" \
      --volume "$folder/{options}:/run/kubeup-backup/{options}:ro" \
      --volume "$folder/{authority}:/run/kubeup-tls/{authority}:ro" \
      --entrypoint bash {image} /run/kubeup-script/backup.sh ;;
  install)
    cat >"$units/$unit.service.new" <<END
[Unit]
Description=A backup of the database
After=docker.service kubeup-docker.service
[Service]
Type=oneshot
Nice=10
TimeoutStartSec=6h
ExecStart=/bin/sh $folder/{name} run
ExecStopPost=-docker rm --force --volumes $unit
END
    cat >"$units/$unit.timer.new" <<END
[Unit]
Description=Backups of the database
[Timer]
OnCalendar={calendar}
Persistent=true
[Install]
WantedBy=timers.target
END
    for kind in service timer; do
      mv "$units/$unit.$kind.new" "$units/$unit.$kind" || exit
    done
    systemctl daemon-reload && systemctl enable --quiet "$unit.timer" &&
      systemctl restart "$unit.timer" && test "$(sh "$folder/{name}" state)" = on ;;
  remove)
    systemctl disable --quiet --now "$unit.timer" 2>/dev/null
    systemctl stop "$unit.service" 2>/dev/null
    rm -f "$units/$unit.service" "$units/$unit.timer"
    systemctl daemon-reload
    docker rm --force --volumes "$unit" >/dev/null 2>&1
    rm -rf -- "$scratch" ;;
  state)
    if systemctl --quiet is-enabled "$unit.timer" && systemctl --quiet is-active "$unit.timer"
    then echo on; else echo off; fi 2>/dev/null ;;
esac
"""
END = f"""\
test -e "$1/{NAME}" || exit 0
sh "$1/{NAME}" remove
cd "$1" && exec rm -f {NAME} backup.sh {schedule.OPTIONS} {tls.AUTHORITY}
"""


def files(machine: DatabaseVm) -> dict[str, str]:
    """The files that the timer needs; none where nothing is to be backed up by itself."""
    backups = machine.backups
    if backups is None or not backups.schedule():
        return {}
    return {
        NAME: _script(machine, backups),
        schedule.SCRIPT.name: schedule.SCRIPT.read_text(encoding="utf-8"),
        schedule.OPTIONS: backups.options(),
        tls.AUTHORITY: tls.texts(machine.tls_folder)[tls.AUTHORITY],
    }


def _script(machine: DatabaseVm, backups: schedule.Backups) -> str:
    folder, variables = machine.place.folder, backups.environment().items()
    environment = [word for name, value in variables for word in ("--env", f"{name}={value}")]
    return SCRIPT.format(
        unit=UNIT,
        name=NAME,
        folder=shlex.quote(FOLDER),
        backups=shlex.quote(f"{folder}/{schedule.FOLDER}"),
        scratch=shlex.quote(f"{folder}/.{schedule.FOLDER}-tested"),
        uid=UID,
        host=schedule.HOST,
        address=machine.address,
        environment=shlex.join(environment),
        options=schedule.OPTIONS,
        authority=tls.AUTHORITY,
        image=shlex.quote(machine.image.reference),
        calendar=schedule.PERIODS[backups.schedule().every].calendar,
    )


def changes(machine: DatabaseVm, state: ServiceState) -> str:
    """Why the timer has to be made (anew); '' where it is as it should be."""
    wanted = checksums(files(machine))
    changed = [name for name, digest in wanted.items() if state.files.get(name) != digest]
    if changed:
        return f"{', '.join(changed)} new or changed"
    return "its timer does not run" if wanted and state.schedule != "on" else ""


def begin(machine: DatabaseVm) -> None:
    """Have the timer run there as it should."""
    for name, text in files(machine).items():
        machine.write(name, text)
    run = f'exec sh "$1/{NAME}" install'
    machine.place.run("schedule", run, FOLDER, failure="can't start the timer of its backups")


def end(place: Place) -> None:
    """Have none there; the backups that were made stay."""
    place.run("unschedule", END, FOLDER, failure="can't end the timer of its backups")


@dataclass(frozen=True)
class Unschedule:
    """Stop the backups that a machine makes by itself; those that were made stay."""

    place: Place

    def run(self, log: Log) -> None:
        end(self.place)
