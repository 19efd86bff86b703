"""New passwords for a database that is there: by SQL first, and only then everywhere else.

The server keeps the earlier ones beside them until the API uses the new (MySQL 8.0.14 and newer;
MariaDB can't), so that nobody is locked out whenever this is cut off.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kubeup.application import data, stale
from kubeup.application.deploying import ForgottenPasswords
from kubeup.application.deployment import Deployment
from kubeup.core import ids, record
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import StepId
from kubeup.core.plan import Log, Step
from kubeup.core.state import State
from kubeup.database import server as servers
from kubeup.database.server import ROOT, Server
from kubeup.database.version import Version
from kubeup.system import secrets

# in .env, in the Secret
KEYS = {"MYSQL_ROOT_PASSWORD": "ROOT_PASSWORD", "MYSQL_PASSWORD": "MYSQL_PASSWORD"}
ROOT_NAME = "MYSQL_ROOT_PASSWORD"
# dual passwords, see https://dev.mysql.com/doc/refman/8.0/en/password-management.html
BOTH_FROM = (8, 0, 14)


def deployed(deployment: Deployment) -> dict[str, str]:
    """The passwords that the cluster's Secret holds, under their names in `.env`."""
    secret = ("get", "secret", stale.SECRET, "--ignore-not-found", "-o", "json")
    text = deployment.kubectl.read(*secret).stdout
    held = json.loads(text or "{}").get("data", {})
    return {name: base64.b64decode(held[key]).decode() for name, key in KEYS.items() if key in held}


def users(server: Server) -> dict[str, str]:
    """The names of the passwords in `.env`, and whose they are."""
    return {"MYSQL_PASSWORD": server.user, ROOT_NAME: ROOT}


@dataclass(frozen=True)
class Passwords:
    """Where passwords are needed, and where earlier ones are found."""

    server: Server
    deployment: Deployment
    state: State

    def wanted(self) -> dict[str, str]:
        """Those that `.env` holds, or those that are to replace them."""
        values = secrets.read(self.server.env)
        return {name: values.get(secrets.next_of(name)) or values.get(name, "") for name in KEYS}

    def known(self) -> list[str]:
        """Every root password that the server may have."""
        values = secrets.read(self.server.env)
        current = deployed(self.deployment).get(ROOT_NAME)
        candidates = (values.get(secrets.next_of(ROOT_NAME)), values.get(ROOT_NAME), current)
        return list(dict.fromkeys(filter(None, candidates)))

    def accept(self, also: Mapping[str, str] | None = None) -> None:
        """Let data in the cluster be started with these.

        A machine of its own has no mark beside its data.
        """
        if not self.deployment.overlay.machine:
            data.accept(self.deployment.overlay, also)

    def in_use(self) -> bool:
        """Whether the database takes those of `.env`."""
        wanted = self.wanted()
        return all(
            self.server.admits(user, wanted[name]) for name, user in users(self.server).items()
        )

    def root(self) -> str:
        """The root password that works. Raises Refused where none does."""
        for password in self.known():
            if self.server.admits(ROOT, password):
                return password
        raise Refused(
            f"{self.server} refuses every known root password",
            f"those of {self.server.env.name} and of the cluster's Secret",
            f"put the password that it has into .env as {ROOT_NAME}",
        )


def carry(passwords: Passwords) -> list[Step]:
    """What brings passwords that were changed in `.env` alone into the database.

    Nothing where it has those already: then somebody changed the Secret, whose passwords must not
    become good. Raises ForgottenPasswords where SQL can't do it.
    """
    try:
        if passwords.in_use():
            return []
        passwords.root()
    except KubeupError as error:
        raise ForgottenPasswords(f"{error.what}: {error.why}") from None
    return steps(passwords, "the passwords in .env are not the ones that the database has", ())


def steps(
    passwords: Passwords,
    reason: str,
    needs: tuple[StepId, ...],
    wanted: Callable[[], Mapping[str, str]] | None = None,
) -> list[Step]:
    """What gives the database other passwords (those that are `wanted` in `.env`).

    The last step comes once all who use them have them.
    """
    change = Step(
        ids.SET_PASSWORDS,
        "change the database's passwords",
        reason,
        SetPasswords(passwords, wanted or passwords.wanted),
        needs,
        seconds=2,
    )
    discard = Step(
        ids.DISCARD_PASSWORDS,
        "discard the passwords that the database had before",
        "they are no longer in use",
        DiscardOld(passwords),
        (ids.SET_PASSWORDS, ids.DEPLOY_DATABASE, ids.DEPLOY_API),
        seconds=2,
    )
    return [change, discard]


@dataclass(frozen=True)
class SetPasswords:
    """The server takes these from here on.

    Those that the API uses stay good beside them where it can keep two.
    """

    passwords: Passwords
    wanted: Callable[[], Mapping[str, str]]

    def run(self, log: Log) -> None:
        server, wanted = self.passwords.server, self.wanted()
        root, used = self.passwords.root(), deployed(self.passwords.deployment)
        # on record before the first statement: the server takes others than `.env` from then on
        record.change(self.passwords.state, passwords=str(server.env))
        self.passwords.accept(wanted)
        version = Version(server.sql("SELECT VERSION()", password=root).strip())
        kept = used if keeps_both(version) else {}
        for name, user in users(server).items():
            set_password(server, user, wanted[name], kept.get(name, ""), root, log)
        self._check(server, wanted)

    @staticmethod
    def _check(server: Server, wanted: Mapping[str, str]) -> None:
        for name, user in users(server).items():
            if not server.admits(user, wanted[name]):
                raise KubeupError(
                    f"{server} refuses the new password of {user}",
                    "it accepted it a moment ago",
                    "run the same again",
                )


@dataclass(frozen=True)
class DiscardOld:
    """From here on nothing but the passwords of `.env` opens it."""

    passwords: Passwords

    def run(self, log: Log) -> None:
        server = self.passwords.server
        if keeps_both(servers.version(server)):
            for name, user in users(server).items():
                # Given once more: after a run that was cut off the server may call them the earlier
                # ones, and would discard them.
                user_hosts, ours = hosts(server, user), secrets.password(server.env, name)
                server.sql(altering(user, user_hosts, ours, "") + discarding(user, user_hosts))
        self.passwords.accept()
        record.change(self.passwords.state, passwords="")


def set_password(server: Server, user: str, password: str, used: str, root: str, log: Log) -> None:
    """Give a user a password, by the root password that works; see `altering` for `used`."""
    server.sql(altering(user, hosts(server, user, root), password, used), password=root)
    log(f"{user} has a new password")


def keeps_both(version: Version) -> bool:
    return not version.is_mariadb and version.all_numbers >= BOTH_FROM


def hosts(server: Server, user: str, root: str | None = None) -> list[str]:
    """The hosts of a user's accounts. Raises Refused where there are none."""
    query = f"SELECT host FROM mysql.user WHERE user = {servers.literal(user)}"
    user_hosts = server.sql(query, password=root).split()
    if not user_hosts:
        raise Refused(
            f"{server} has no user {user}",
            "its password can't be changed",
            "set database.user to the one it has",
        )
    return user_hosts


def altering(user: str, user_hosts: list[str], password: str, used: str) -> str:
    """SQL that sets one password, and beside it the one in use, '' for none."""
    new = f" IDENTIFIED BY {servers.literal(password)}"
    if not used or used == password:
        return f"ALTER USER {servers.accounts(user, user_hosts, new)};\n"
    # the one in use first, so that it is the current one that is retained, whatever an earlier run
    # has left
    return altering(user, user_hosts, used, "") + (
        f"ALTER USER {servers.accounts(user, user_hosts, f'{new} RETAIN CURRENT PASSWORD')};\n"
    )


def discarding(user: str, user_hosts: list[str]) -> str:
    return f"ALTER USER {servers.accounts(user, user_hosts, ' DISCARD OLD PASSWORD')};"
