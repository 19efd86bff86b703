"""Settings, read from the environment once, at start."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVER = "mysql+pymysql"
_DEFAULT_DB_PORT = 3306
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")
_FIELD_OF = {
    "MYSQL_HOST": "host",
    "MYSQL_PORT": "port",
    "MYSQL_USER": "user",
    "MYSQL_PASSWORD": "password",
    "MYSQL_DATABASE": "database",
}
_URI_OPTIONS = {"charset", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher", "ssl_check_hostname"}
# an authority in MYSQL_SSL_CA is for certificates with the server's name in them, and no URI says otherwise
_VERIFYING = {"ssl_ca", "ssl_capath", "ssl_check_hostname"}
_REQUIRED = ("MYSQL_HOST", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_DATABASE")

# A name, or a dot and what names below it end with.
_ALLOWED_HOST = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*")

Fields = dict[str, str | int]


class ConfigError(Exception):
    """The environment does not describe a service that can run; the text is for a person."""


@dataclass(frozen=True)
class Settings:
    """All that the service needs to know before it starts."""

    url: URL
    port: int = 8000
    drain_seconds: float = 3.0
    shutdown_seconds: int = 20
    allowed_hosts: frozenset[str] = frozenset()


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings from ``environ`` or raise :class:`ConfigError`."""
    return Settings(
        url=_database_url(environ),
        port=int(_number(environ, "PORT", 8000, 1, 65535)),
        drain_seconds=_number(environ, "DRAIN_SECONDS", 3, 0, 300),
        shutdown_seconds=int(_number(environ, "SHUTDOWN_SECONDS", 20, 1, 300)),
        allowed_hosts=_allowed_hosts(environ.get("ALLOWED_HOSTS", "")),
    )


def _allowed_hosts(text: str) -> frozenset[str]:
    names = frozenset(text.lower().replace(",", " ").split())
    if wrong := sorted(name for name in names if not _ALLOWED_HOST.fullmatch(name)):
        raise ConfigError(
            f"ALLOWED_HOSTS has to be host names with commas between, such as shop.example or .svc, not {wrong[0]!r}."
        )
    return names


def _database_url(environ: Mapping[str, str]) -> URL:
    given = _from_variables(environ)
    uri = environ.get("DATABASE_URI", "").strip()
    query: Mapping[str, str | tuple[str, ...]] = {}
    fields = given
    if uri:
        from_uri, query = _from_uri(uri)
        _refuse_disagreement(from_uri, given)
        fields = {**given, **from_uri}
    missing = [name for name in _REQUIRED if _FIELD_OF[name] not in fields]
    if missing:
        raise ConfigError(_missing_text(missing, bool(uri)))
    return URL.create(
        _DRIVER,
        username=str(fields["user"]),
        password=str(fields["password"]),
        host=str(fields["host"]).strip("[]"),
        port=int(fields.get("port", _DEFAULT_DB_PORT)),
        database=str(fields["database"]),
        query={**query, **_authority(environ, query), "charset": "utf8mb4"},
    )


def _authority(environ: Mapping[str, str], query: Mapping[str, str | tuple[str, ...]]) -> dict[str, str]:
    """With an authority the driver takes no server that has no certificate of it for the name it is called by."""
    file = environ.get("MYSQL_SSL_CA", "").strip()
    if not file:
        return {}
    if _VERIFYING.intersection(query):
        raise ConfigError("MYSQL_SSL_CA and DATABASE_URI both say whom to trust. Leave it out of one of them.")
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        raise ConfigError(f"MYSQL_SSL_CA names {file}, which is no file of certificates: {error.strerror}.") from None
    return {"ssl_ca": file}


def _missing_text(missing: list[str], has_uri: bool) -> str:
    if has_uri:
        return (
            f"DATABASE_URI is set but names no {', '.join(_FIELD_OF[name] for name in missing)}: put it into the URI "
            f"({_DRIVER}://USER:PASSWORD@HOST:3306/DATABASE) or set {', '.join(missing)}."
        )
    return (
        f"The database is not configured: {', '.join(missing)} not set. Set MYSQL_HOST, MYSQL_USER, MYSQL_PASSWORD "
        f"and MYSQL_DATABASE (and MYSQL_PORT if it is not {_DEFAULT_DB_PORT}), or set DATABASE_URI to "
        f"{_DRIVER}://USER:PASSWORD@HOST:3306/DATABASE."
    )


def _from_variables(environ: Mapping[str, str]) -> Fields:
    fields: Fields = {}
    for name, field in _FIELD_OF.items():
        # A password is taken as it is: blanks at its ends may be meant.
        value = environ.get(name, "") if field == "password" else environ.get(name, "").strip()
        # Kubernetes sets MYSQL_PORT=tcp://… by itself where a Service is called "mysql"; that is not ours.
        if value and not (name == "MYSQL_PORT" and value.startswith("tcp://")):
            fields[field] = value
    if "port" in fields:
        fields["port"] = int(_number(environ, "MYSQL_PORT", _DEFAULT_DB_PORT, 1, 65535))
    if "host" in fields and not _HOST.fullmatch(str(fields["host"])):
        raise ConfigError(
            "MYSQL_HOST is not a host name or address. It may carry no port, user or path: set MYSQL_PORT for a port."
        )
    return fields


def _from_uri(uri: str) -> tuple[Fields, Mapping[str, str | tuple[str, ...]]]:
    # No message here quotes the URI, or a part of it: any part may hold the password when it is malformed.
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"DATABASE_URI is not a URL of the form {_DRIVER}://USER:PASSWORD@HOST:3306/DATABASE."
        ) from None
    if url.drivername != _DRIVER:
        raise ConfigError(f"DATABASE_URI has to begin with {_DRIVER}://; no other database or driver is supported.")
    if url.host and not _HOST.fullmatch(url.host):
        raise ConfigError(
            "The host in DATABASE_URI is not a host name or address. If the password has one of the characters "
            "@ : / ? # %, write it percent-encoded."
        )
    if not _URI_OPTIONS.issuperset(url.query):
        raise ConfigError(f"After the ? in DATABASE_URI only these are known: {', '.join(sorted(_URI_OPTIONS))}.")
    found = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "database": url.database,
    }
    return {field: value for field, value in found.items() if value}, url.query


def _refuse_disagreement(from_uri: Fields, given: Fields) -> None:
    # A URI with no port means the default port, so it does disagree with another MYSQL_PORT.
    uri = {"port": _DEFAULT_DB_PORT, **from_uri}
    for name, field in _FIELD_OF.items():
        if field in uri and field in given and uri[field] != given[field]:
            raise ConfigError(
                f"DATABASE_URI and {name} are both set and disagree on the {field}. Make them agree, or set only one "
                "of the two. (The values are not shown: they may be secret.)"
            )


def _number(environ: Mapping[str, str], name: str, default: float, low: int, high: int) -> float:
    text = environ.get(name, "").strip() or str(default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high or (name.endswith("PORT") and not value.is_integer()):
        raise ConfigError(f"{name} has to be a number from {low} to {high}.")
    return value
