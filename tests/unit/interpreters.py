"""What reads the texts that kubeup writes, each by its own library or program, and texts that
would be run by one that takes them for more than a value.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from kubeup.settings.model import Keys

CANARY = "canary"  # the file that a command makes which must not be run, where the test runs
_PIECES = (
    # Jinja, and so Ansible
    *(f"{{{{ lookup('pipe', 'touch {CANARY}') }}}}", "{{ 7 * 7 }}", "{% raw %}", "{#"),
    # sh, in and out of quotes; Ruby
    *(f"$(touch {CANARY})", f"`touch {CANARY}`", f"'; touch {CANARY}; '", f'"; touch {CANARY}; "'),
    *(f"; touch {CANARY} #", f"\nEND\ntouch {CANARY}\n", "$HOME", "${HOME}", "\\", "\\\\'", "'\"'"),
    f"#{{`touch {CANARY}`}}",
    # ssh_config(5), systemd.unit(5), apt.conf(5), TOML
    *(f"\nProxyCommand touch {CANARY}\n", f"\nExecStart=/bin/touch {CANARY}\n", "%h", "%%"),
    *(f'";\nDPkg::Pre-Invoke {{"touch {CANARY}";}};', '"]\n[host."a', '"\nserver = "a', "' -oA='b"),
    # YAML, JSON
    *(": {a: b}", "\n- a", "\n  a: b", f"!!python/object/apply:os.system ['touch {CANARY}']"),
    *("*a", "&a ", "# a", '", "a": "', "\u2028", "\x85", "\x00", "\t", "~", "null", "1e3", "0o7"),
    # SQL, paths, options
    *("' OR 1=1 -- ", "`; DROP TABLE a; -- ", "../../etc", "/../a", "--a=b", "-a", ":/a:ro", ",a"),
)
# what gets others through what a setting may begin with
_HEADS = (
    "",
    "a",
    "/a",
    "/a/b ",
    "a/b",
    "https://a.example.com/",
    "https://a.b/%2",
    "-",
    "--a=",
    "ü",
)
HOSTILE = st.builds(
    lambda head, pieces: head + "".join(pieces),
    st.sampled_from(_HEADS),
    st.lists(st.sampled_from(_PIECES) | st.text(max_size=4), min_size=1, max_size=3),
)


def values(schema: Mapping[str, Any], of: Mapping[str, Any]) -> st.SearchStrategy[Any] | None:
    """Values that a part `of` the settings' JSON schema allows, as much in them as it lets in.

    None for what has no text in it.
    """
    if "$ref" in schema:
        return values(of["$defs"][schema["$ref"].rpartition("/")[2]], of)
    if "anyOf" in schema:
        return values(schema["anyOf"][0], of)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "properties" in schema:
        return _section(schema, of)
    if schema["type"] == "array":
        return _each(schema["items"], of, lambda item: st.lists(item, min_size=1, max_size=2))
    if schema["type"] == "object":
        names = _texts(schema["propertyNames"]["pattern"])
        return _each(
            schema["additionalProperties"],
            of,
            lambda item: st.dictionaries(names, item, min_size=1, max_size=2),
        )
    if schema["type"] != "string" or schema.get("format") == "ipv4":
        return None
    return _texts(schema["pattern"]) if "pattern" in schema else HOSTILE


def _section(schema: Mapping[str, Any], of: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    found = {name: values(child, of) for name, child in schema["properties"].items()}
    return st.fixed_dictionaries({name: each for name, each in found.items() if each is not None})


def _each(
    schema: Mapping[str, Any], of: Mapping[str, Any], several: Callable[..., Any]
) -> st.SearchStrategy[Any] | None:
    item = values(schema, of)
    return None if item is None else several(item)


def _texts(pattern: str) -> st.SearchStrategy[str]:
    """Of the texts above those that a pattern lets in; where it does none, what it does let in."""
    whole = re.compile(pattern).fullmatch
    taken = [text for head in _HEADS for piece in _PIECES if whole(text := head + piece)]
    if not taken:
        return st.from_regex(pattern, fullmatch=True)
    return st.lists(st.sampled_from(taken), min_size=1, max_size=2).map("".join)


_SCHEMA = Keys.model_json_schema()
SETTINGS = _section(_SCHEMA, _SCHEMA)  # a profile's keys


def ansible(inventory: Path) -> dict[str, dict[str, Any]]:
    """The variables of each host as tasks see them, every template in them done."""
    _load_plugins()
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar
    from ansible.vars.manager import VariableManager

    loader = DataLoader()
    hosts = InventoryManager(loader, sources=[str(inventory)])
    variables = VariableManager(loader, hosts)
    found = dict[str, dict[str, Any]]()
    for host in hosts.get_hosts():
        own = dict(item for one in (*host.get_groups(), host) for item in one.vars.items())
        templar = Templar(loader, variables=variables.get_vars(host=host))
        found[host.name] = {
            name: templar.template(value)
            for name, value in own.items()
            if not name.startswith("inventory_")  # Ansible's own
        }
    return found


@cache
def _load_plugins() -> None:
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()


def sh(script: str, folder: Path) -> str:
    """What a shell prints of a script, which must not fail."""
    words = ("sh", "-eu", "-s")
    done = subprocess.run(
        words, input=script.encode(), cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0, (done.stderr, script)
    return done.stdout.decode()


def structure(value: Any) -> Any:
    """Data with each text in it left out: what is in a value can't be part of that."""
    if isinstance(value, dict):
        return {key: structure(child) for key, child in value.items()}
    if isinstance(value, list):
        return [structure(child) for child in value]
    return type(value)
