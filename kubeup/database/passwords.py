"""New passwords for a database that is there: by SQL first, and only then everywhere else.

The server keeps the earlier ones beside them until the API uses the new (MySQL 8.0.14 and newer;
MariaDB can't), so that nobody is locked out whenever this is cut off.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kubeup.application import data
from kubeup.application.apply import SECRET, Deployment, ForgottenPasswords
from kubeup.core import ids, record
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import StepId
from kubeup.core.plan import Log, Step
from kubeup.core.state import State
from kubeup.database import server as servers
from kubeup.database.server import ROOT, Server, Version
from kubeup.system import secrets

# in .env, in the Secret
KEYS = {"MYSQL_ROOT_PASSWORD": "ROOT_PASSWORD", "MYSQL_PASSWORD": "MYSQL_PASSWORD"}
BOTH_FROM = (8, 0, 14)


def deployed(deployment: Deployment) -> dict[str, str]:
    """The passwords that the cluster's Secret holds, under their names in `.env`."""
    kind, name = SECRET.split()
    text = deployment.kubectl.read(
        "get", kind.lower(), name, "--ignore-not-found", "-o", "json"
    ).stdout
    held = json.loads(text or "{}").get("data", {})
    return {own: base64.b64decode(held[key]).decode() for own, key in KEYS.items() if key in held}


@dataclass(frozen=True)
class Passwords:
    """Where passwords are needed, and where earlier ones are found."""

    server: Server
    deployment: Deployment
    state: State

    def wanted(self) -> dict[str, str]:
        """Those that `.env` holds, or those that are to replace them."""
        found = secrets.read(self.server.env)
        return {name: found.get(secrets.next_of(name)) or found.get(name, "") for name in KEYS}

    def known(self) -> list[str]:
        """Every root password that the server may have."""
        found = secrets.read(self.server.env)
        name = "MYSQL_ROOT_PASSWORD"
        return list(
            dict.fromkeys(
                filter(
                    None,
                    (
                        found.get(secrets.next_of(name)),
                        found.get(name),
                        deployed(self.deployment).get(name),
                    ),
                )
            )
        )

    def accept(self, also: Mapping[str, str] | None = None) -> None:
        """Let data in the cluster be started with these; a machine of its own has no mark beside
        its data.
        """
        if not self.deployment.overlay.machine:
            data.accept(self.deployment.overlay, also)

    def root(self) -> str:
        """The root password that works. Raises Refused where none does."""
        for one in self.known():
            if self.server.admits(ROOT, one):
                return one
        raise Refused(
            f"{self.server} refuses every root password that is known",
            f"those of {self.server.env.name} and of the cluster's Secret",
            "put the password that it has into .env as MYSQL_ROOT_PASSWORD",
        )


def carry(passwords: Passwords) -> list[Step]:
    """What brings passwords that were changed in `.env` alone into the database.

    Raises ForgottenPasswords where SQL can't do it.
    """
    try:
        passwords.root()
    except KubeupError as error:
        raise ForgottenPasswords(f"{error.what}: {error.why}") from None
    return steps(passwords, "the passwords in .env are not the ones that the database has", ())


def steps(passwords: Passwords, reason: str, needs: tuple[StepId, ...]) -> list[Step]:
    return [
        Step(
            ids.SET_PASSWORDS,
            "give the database its new passwords",
            reason,
            SetPasswords(passwords, passwords.wanted),
            needs,
            2,
        ),
        Step(
            ids.DISCARD_PASSWORDS,
            "let the database forget the earlier ones",
            "nobody uses them any more",
            DiscardOld(passwords),
            (ids.SET_PASSWORDS, ids.deploy("db"), ids.deploy("api")),
            2,
        ),
    ]


@dataclass(frozen=True)
class SetPasswords:
    """The server takes these from here on; those that the API uses stay good beside them where
    it can keep two.
    """

    passwords: Passwords
    wanted: Callable[[], Mapping[str, str]]

    def run(self, log: Log) -> None:
        server, wanted = self.passwords.server, self.wanted()
        root, used = self.passwords.root(), deployed(self.passwords.deployment)
        record.change(self.passwords.state, passwords=str(server.env))
        self.passwords.accept(wanted)
        both = keeps_both(Version(server.sql("SELECT VERSION()", password=root).strip()))
        for name, user in (("MYSQL_PASSWORD", server.user), ("MYSQL_ROOT_PASSWORD", ROOT)):
            server.sql(
                altering(
                    user,
                    hosts(server, user, root),
                    wanted[name],
                    used.get(name, "") if both else "",
                ),
                password=root,
            )
            log(f"{user} has a new password")
        self._check(server, wanted)

    @staticmethod
    def _check(server: Server, wanted: Mapping[str, str]) -> None:
        for name, user in (("MYSQL_PASSWORD", server.user), ("MYSQL_ROOT_PASSWORD", ROOT)):
            if not server.admits(user, wanted[name]):
                raise KubeupError(
                    f"{server} refuses the new password of {user}",
                    "it had taken it a moment ago",
                    "run the same again",
                )


@dataclass(frozen=True)
class DiscardOld:
    """From here on nothing but the passwords of `.env` opens it.

    They are given once more: after a run that was cut off the server may call them the earlier
    ones.
    """

    passwords: Passwords

    def run(self, log: Log) -> None:
        server = self.passwords.server
        if keeps_both(servers.version(server)):
            for name, user in (("MYSQL_PASSWORD", server.user), ("MYSQL_ROOT_PASSWORD", ROOT)):
                found, ours = hosts(server, user), secrets.password(server.env, name)
                server.sql(altering(user, found, ours, "") + discarding(user, found))
        self.passwords.accept()
        record.change(self.passwords.state, passwords="")


def keeps_both(version: Version) -> bool:
    return version.engine == "mysql" and version.all_numbers >= BOTH_FROM


def hosts(server: Server, user: str, root: str | None = None) -> list[str]:
    found = server.sql(
        f"SELECT host FROM mysql.user WHERE user = {servers.literal(user)}", password=root
    ).split()
    if not found:
        raise Refused(
            f"{server} has no user {user}",
            "its password can't be changed",
            "set database.user to the one it has",
        )
    return found


def altering(user: str, found: list[str], password: str, used: str) -> str:
    """One password, and beside it the one in use, '' for none.

    Which of the two the server calls the earlier is settled anew each time.
    """

    def statement(value: str, more: str = "") -> str:
        identified = f"IDENTIFIED BY {servers.literal(value)}{more}"
        accounts = ", ".join(f"{servers.account(user, host)} {identified}" for host in found)
        return f"ALTER USER {accounts};\n"

    if not used or used == password:
        return statement(password)
    return statement(used) + statement(password, " RETAIN CURRENT PASSWORD")


def discarding(user: str, found: list[str]) -> str:
    return (
        "ALTER USER "
        f"{', '.join(f'{servers.account(user, host)} DISCARD OLD PASSWORD' for host in found)};"
    )
