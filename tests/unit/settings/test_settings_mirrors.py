"""A mapping with names of the user's own: registries and their mirrors."""

from __future__ import annotations

from collections.abc import Callable

from kubeup.settings import Loaded, values

Load = Callable[..., Loaded]
TWO = """\
images:
  mirrors:
    docker.io: ['https://mirror.example.com', 'http://10.0.0.7:5000']
    registry.k8s.io: ['https://harbor.example.com/k8s']
"""


def test_mirrors_are_read_and_shown(load_profile: Load) -> None:
    loaded = load_profile(TWO)
    assert loaded.problems == ()
    assert loaded.require().images.mirrors == {
        "docker.io": ("https://mirror.example.com", "http://10.0.0.7:5000"), "registry.k8s.io": ("https://harbor.example.com/k8s",),
    }  # fmt: skip
    shown = values(loaded.require())["images.mirrors"]
    assert (
        shown == "docker.io: https://mirror.example.com, http://10.0.0.7:5000; registry.k8s.io: "
        "https://harbor.example.com/k8s"
    )
    assert load_profile("environment: test").require().images.mirrors == {}


def test_a_call_may_name_more(load_profile: Load) -> None:
    loaded = load_profile(
        TWO, ("images.mirrors={docker.io: ['https://other.example.com'], quay.io: []}",)
    )
    found = loaded.require().images.mirrors
    assert (
        found["docker.io"] == ("https://other.example.com",)
        and found["quay.io"] == ()
        and len(found) == 3
    )
    variable = {"KUBEUP_IMAGES__MIRRORS": "{docker.io: ['https://third.example.com']}"}
    assert load_profile(TWO, environ=variable).require().images.mirrors["docker.io"] == (
        "https://third.example.com",
    )


def test_what_is_wrong_with_one_is_told_with_everything_else(load_profile: Load) -> None:
    loaded = load_profile(
        "images: {mirrors: {docker.io: [nowhere, 'https://m.example.com'], quay.io: }}\nports: "
        "{api: 1}\n"
    )
    assert [(one.key, one.line, one.column) for one in loaded.errors] == [
        ("images.mirrors.docker.io.0", 5, 38),
        ("ports.api", 6, 20),
    ]
