"""Any input gives settings or problems, never an exception."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from interpreters import HOSTILE
from pydantic import SecretStr

from kubeup.settings import Loaded, load
from kubeup.settings.model import Keys
from kubeup.settings.shape import dotted, shape_of

HEAD = "settings:\n  env: dev\n  users:\n    dev:\n"

KEYS = [key for key, _ in dotted(shape_of(Keys))]
HOWTO = (Path(__file__).parents[1] / "data" / "settings" / "howto.yaml").read_text()
PIECES = st.sampled_from(
    [
        *HOWTO.split(),
        *KEYS,
        "{",
        "}",
        "[",
        "]",
        "<<: ",
        "- ",
        "? ",
        "|\n",
        "&a ",
        "*a",
        "!!int ",
        "\t",
        "'",
        '"',
        "~",
    ]
)
quick = profile(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check(path: Path, data: bytes, **more: Any) -> Loaded:
    path.write_bytes(data)
    loaded = load(path, environ=more.pop("environ", {}), **more)
    assert loaded.settings is not None or loaded.errors
    assert all(str(problem) and problem.where for problem in loaded.problems)
    return loaded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


@quick
@given(data=st.binary(max_size=300))
def test_any_bytes(path: Path, data: bytes) -> None:
    check(path, data)


@quick
@given(text=st.text(max_size=200))
def test_any_text_as_a_profile(path: Path, text: str) -> None:
    check(path, (HEAD + "      " + text).encode("utf-8", "surrogatepass"))


@quick
@given(
    pieces=st.lists(
        st.tuples(PIECES, st.sampled_from(["\n      ", "\n        ", " ", ": ", ", "])), max_size=25
    )
)
def test_anything_that_looks_like_yaml(path: Path, pieces: list[tuple[str, str]]) -> None:
    check(path, (HEAD + "      " + "".join(a + b for a, b in pieces)).encode())


@quick
@given(at=st.integers(0, len(HOWTO)), length=st.integers(0, 30), put=st.text(max_size=5))
def test_a_damaged_file(path: Path, at: int, length: int, put: str) -> None:
    check(path, (HOWTO[:at] + put + HOWTO[at + length :]).encode("utf-8", "surrogatepass"))


@quick
@given(key=st.sampled_from(KEYS), text=st.text(max_size=30) | HOSTILE)
def test_any_option_or_variable(path: Path, key: str, text: str) -> None:
    variable = "KUBEUP_" + key.upper().replace(".", "__")
    check(
        path,
        HEAD.encode(),
        sets=[f"{key}={text}", text],
        environ={variable: text, f"KUBEUP_{text}": text},
    )


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["8.8.8.8", "1Gi"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@quick
@given(values=st.dictionaries(st.sampled_from(list(shape_of(Keys).fields)), TREES, max_size=6))
def test_any_values_under_known_keys(path: Path, values: dict[str, Any]) -> None:
    check(path, json.dumps({"settings": {"env": "dev", "users": {"dev": values}}}).encode())


@quick
@given(
    whole=st.sampled_from(["", HEAD, HOWTO]),
    words=st.lists(st.sampled_from([*KEYS, "settings", "users", "dev", "env"]), max_size=5),
    value=TREES,
)
def test_any_document_is_taken_or_told_of_by_line_and_column(
    path: Path, whole: str, words: list[str], value: Any
) -> None:
    """Something of any kind in any place of it, known or not."""
    document = yaml.safe_load(whole) or {}
    place, keys = document, [key for word in words for key in word.split(".")]
    for key in keys[:-1]:
        inner = place.get(key)
        place[key] = place = inner if isinstance(inner, dict) else {}
    place |= {keys[-1]: value} if keys else {}
    text = yaml.safe_dump(document)
    loaded = check(path, text.encode())
    lines = text.splitlines()
    for problem in loaded.errors:
        if problem.origin.kind == "file":
            assert problem.file == str(path), problem
            assert 1 <= problem.line <= len(lines) and problem.column >= 1, (problem, text)


NODE_PORTS = st.integers(30000, 32767)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)


def held_by_nodes(values: dict[str, Any]) -> bool:
    """One release is pinned, and so is each pod network; nodes in containers have one of those."""
    software, network, provider = (
        values.get("software", {}),
        values.get("network", {}),
        values.get("provider"),
    )
    cni = network.get("cni", "bridge")
    pinned = cni == "bridge" or software.get(cni) in (
        None,
        {"flannel": "0.23.0", "calico": "3.25.0"}[cni],
    )
    release = software.get("kubernetes", "1.26.1") == "1.26.1"
    held = {
        "local": release and cni == "bridge",
        "vagrant": release and pinned,
        "hosts": release and pinned,
    }
    docker = provider == "vagrant" and values.get("vagrant", {}).get("provider") == "docker"
    return held.get(str(provider), True) and not docker


VALID = st.fixed_dictionaries(
    {},
    optional={
        "provider": st.sampled_from(["auto", "local", "minikube", "vagrant"]),
        "prod_test": st.booleans(),
        "environment": st.text(
            st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=30
        ),
        "cluster_name": NAMES,
        "nodes": st.fixed_dictionaries(
            {
                "control": st.fixed_dictionaries(
                    {"cpu": st.integers(2, 256), "memory": st.integers(1700, 1048576)}
                )
            },
            optional={
                "workers": st.fixed_dictionaries(
                    {"count": st.integers(0, 20), "cpu": st.integers(1, 9)}
                )
            },
        ),
        "network": st.fixed_dictionaries(
            {},
            optional={
                "cni": st.sampled_from(["bridge", "flannel", "calico"]),
                "control_ip": st.integers(2, 200).map(lambda n: f"192.168.57.{n}"),
                "pod_cidr": st.integers(16, 19).map(lambda n: f"10.128.0.0/{n}"),
                "dns_servers": st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=3),
            },
        ),
        "software": st.fixed_dictionaries(
            {"kubernetes": st.integers(0, 15).map(lambda n: f"1.26.{n}")}
        ),
        "ports": st.lists(NODE_PORTS, min_size=2, max_size=2, unique=True).map(
            lambda p: {"api": p[0], "ui": p[1]}
        ),
        "database": st.fixed_dictionaries(
            {"name": NAMES.map("x".__add__), "user": NAMES.map("x".__add__)}
        ),
        "ssh": st.fixed_dictionaries({"password": st.text("abc#:'\"{ ", max_size=9)}),
        "minikube": st.fixed_dictionaries(
            {"extra_args": st.lists(NAMES.map("--".__add__), max_size=3)}
        ),
    },
)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, IPv4Address | IPv4Network) else value


def is_part(given_part: Any, whole: Any) -> bool:
    if isinstance(given_part, dict):
        return all(is_part(value, whole[key]) for key, value in given_part.items())
    return bool(given_part == whole)


@quick
@given(values=VALID.filter(held_by_nodes))
def test_valid_settings_come_back_as_they_were_written(path: Path, values: dict[str, Any]) -> None:
    first = check(
        path, json.dumps({"settings": {"users": {"dev": values}}}, ensure_ascii=False).encode()
    )
    assert [str(p) for p in first.problems] == []
    written = plain(first.require().model_dump(exclude={"profile"}, exclude_none=True))
    assert is_part(values, written)
    again = check(
        path, json.dumps({"settings": {"users": {"dev": written}}}, ensure_ascii=False).encode()
    )
    assert plain(again.require().model_dump()) == plain(first.require().model_dump())
