"""How registries are asked: what containerd reads on a node, and podman here. Data in, text out.

A mirror's URL may have a path: images lie below it, as in `harbor.example.com/hub/library/mysql`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

HUB = "docker.io"
# the first line of a file that is ours
MARK = "# made by kubeup: images.mirrors, and the registry without TLS"
SERVERS = {
    HUB: "registry-1.docker.io"
}  # of a registry that is called by another name than its server (containerd's docs/hosts.md)


@dataclass(frozen=True)
class Registry:
    """A registry, the URL of its server, and the URLs that are asked before it, in their order."""

    name: str
    server: str
    mirrors: tuple[str, ...]


def private(host: str) -> bool:
    """Whether `host` or `host:port` is a private address: only there plain HTTP may be spoken."""
    name = host.rsplit(":", 1)[0]
    try:
        return ip_address(name).is_private
    except ValueError:
        return name == "localhost"


def registries(mirrors: Mapping[str, Sequence[str]], plain: Iterable[str]) -> tuple[Registry, ...]:
    """Those that are not asked as usual: with mirrors, or `plain`, which is without TLS."""
    without_tls = tuple(plain)
    names = dict.fromkeys((*without_tls, *(name for name, urls in mirrors.items() if urls)))
    return tuple(
        Registry(
            name,
            _server(name, name in without_tls),
            tuple(url.rstrip("/") for url in mirrors.get(name, ())),
        )
        for name in names
    )


def _server(name: str, plain: bool) -> str:
    return f"{'http' if plain else 'https'}://{SERVERS.get(name, name)}"


def hosts_toml(registry: Registry) -> str:
    """containerd's /etc/containerd/certs.d/<registry>/hosts.toml (its docs/hosts.md)."""
    # containerd 1.6 drops a file without a host in it, and asks the server over TLS then
    # (remotes/docker/config/hosts.go)
    hosts = registry.mirrors or (registry.server,)
    return "\n".join(
        [MARK, f'server = "{registry.server}"', *(line for url in hosts for line in _host(url)), ""]
    )


def _host(url: str) -> Iterable[str]:
    server, path = _server_and_path(url)
    # the API's root stands before what names a repository: with a path it has to be spelt out
    yield f'[host."{server}{f"/v2/{path}" if path else ""}"]'
    yield '  capabilities = ["pull", "resolve"]'
    if path:
        yield "  override_path = true"


def _server_and_path(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", path


def registries_conf(known: Sequence[Registry], own: str) -> str:
    """podman's registries.conf, see containers-registries.conf(5): the user's `own`, then mirrors.

    A registry that the user's text has is asked as that says.
    Raises ValueError where that text is no TOML.
    """
    import tomllib

    taken = {
        row.get("prefix") or row.get("location") for row in tomllib.loads(own).get("registry", [])
    }
    tables = [
        line
        for registry in known
        if registry.mirrors and registry.name not in taken
        for line in _table(registry)
    ]
    return "\n".join([own.rstrip("\n"), *tables, ""])


def _table(registry: Registry) -> Iterable[str]:
    yield from ("[[registry]]", f'location = "{registry.name}"')
    if registry.server.startswith("http://"):
        yield "insecure = true"
    for url in registry.mirrors:
        yield from ("[[registry.mirror]]", f'location = "{url.partition("://")[2]}"')
        if url.startswith("http://"):
            yield "insecure = true"


def mirrored(url: str, mirrors: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Where mirrors have what a registry has at an address of its API (OCI's distribution-spec)."""
    found = []
    for name, several in mirrors.items():
        root = f"{_server(name, plain=False)}/v2/"
        for server, path in map(_server_and_path, several):
            if url.startswith(root):
                below = f"{path.rstrip('/')}/" if path else ""
                found.append(f"{server}/v2/{below}{url.removeprefix(root)}")
    return tuple(found)


def unplaced(mirrors: Sequence[str]) -> str:
    """The first mirror without a path, '' where there is none: dockerd takes no other."""
    found = (url.rstrip("/") for url in mirrors)
    return next((url for url in found if not _server_and_path(url)[1]), "")


def script(known: Iterable[Registry]) -> str:
    """A shell script for root: containerd and CRI-O ask these mirrors, and no earlier ones of ours.

    What somebody else had written for a registry lies beside ours, and is put back after it.
    """
    mirrored = tuple(registry for registry in known if registry.mirrors)
    files = "".join(
        f"put {registry.name} <<'END'\n{hosts_toml(registry)}END\n" for registry in mirrored
    )
    conf = f"cat >{CRIO} <<'END'\n{registries_conf(mirrored, MARK)}END\n" if mirrored else ""
    names = " ".join(registry.name for registry in mirrored)
    return _SCRIPT.format(mark=MARK, names=names, files=files, conf=conf or f"rm -f {CRIO}\n")


CRIO = "/etc/containers/registries.conf.d/kubeup.conf"
_SCRIPT = """\
set -e
ours() {{ test -e "$1" && test "$(head -n 1 "$1")" = '{mark}'; }}
if test -d /etc/containerd; then
  install -d /etc/containerd/certs.d
  cd /etc/containerd/certs.d
  put() {{
    install -d "$1"
    if test -e "$1/hosts.toml" && ! ours "$1/hosts.toml"; then
      mv "$1/hosts.toml" "$1/hosts.toml.before"
    fi
    cat >"$1/.hosts.toml.new"
    mv "$1/.hosts.toml.new" "$1/hosts.toml"
  }}
{files}  for file in */hosts.toml; do
    case " {names} " in *" ${{file%/hosts.toml}} "*) continue ;; esac
    if ours "$file"; then
      if test -e "$file.before"; then mv "$file.before" "$file"; else rm "$file"; fi
    fi
  done
fi
if test -d /etc/containers/registries.conf.d; then
{conf}fi
"""
