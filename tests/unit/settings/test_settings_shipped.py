"""What is shipped: the settings file, the profiles, the schema for editors, the package's lazy
front.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml

import kubeup.settings
from kubeup.settings import load, values
from kubeup.settings.json_schema import json_schema, json_schema_text

CONFIG = Path(__file__).parents[3] / "config"


@pytest.mark.parametrize(
    "name", ["dev", *sorted(file.stem for file in (CONFIG / "profiles").glob("*.yaml"))]
)
def test_shipped_profiles_have_no_problem(name: str) -> None:
    loaded = load(CONFIG / "settings.yaml", name, environ={})
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.require().profile == name


def test_the_shipped_profile_shows_the_defaults(tmp_path: Path) -> None:
    bare = tmp_path / "settings.yaml"
    bare.write_text("settings: {users: {dev: }}\n")
    shipped = load(CONFIG / "settings.yaml", environ={})
    assert values(shipped.require()) == values(load(bare, environ={}).require())


def test_the_schema_is_up_to_date() -> None:
    wanted = json_schema_text()
    assert (CONFIG / "settings.schema.json").read_text() == wanted, (
        "write it anew: python -m kubeup.settings.json_schema > config/settings.schema.json"
    )


def test_editors_find_the_schema() -> None:
    first = (CONFIG / "settings.yaml").read_text().splitlines()[0]
    name = first.removeprefix("# yaml-language-server: $schema=")
    assert json.loads((CONFIG / name).read_text())["title"] == "kubeup settings"


def test_the_schema_takes_what_is_shipped_and_refuses_a_typo() -> None:
    validators = pytest.importorskip("jsonschema")
    validator = validators.Draft202012Validator(json_schema())
    shipped = yaml.safe_load((CONFIG / "settings.yaml").read_text())
    assert list(validator.iter_errors(shipped)) == []
    shipped["settings"]["users"]["dev"]["ports"]["apl"] = 1
    assert len(list(validator.iter_errors(shipped))) == 1


def test_the_schema_knows_both_spellings_and_the_ranges() -> None:
    definitions = json_schema()["$defs"]
    assert (
        definitions["Software"]["properties"]["contained"]
        == definitions["Software"]["properties"]["containerd"]
    )
    api = definitions["Ports"]["properties"]["api"]
    assert (api["minimum"], api["maximum"], api["default"]) == (30000, 32767, 31000)


def test_the_front_imports_nothing_before_it_is_asked() -> None:
    tree = ast.parse(Path(kubeup.settings.__file__).read_text())
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "importlib", "typing"}
    assert not any(isinstance(node, ast.Import) for node in tree.body)


def test_the_front_has_every_name_it_promises() -> None:
    assert all(getattr(kubeup.settings, name) is not None for name in kubeup.settings.HOMES)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kubeup.settings.nothing  # noqa: B018
