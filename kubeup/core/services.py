"""The application: its services, a row each, in the order in which they come up.

Another service is a row here, a folder in `apps/` with what its image is built from, and one in
`manifests/base/` with its objects, each labelled `app: <name>`. A Service with a NodePort or an
image name that users choose has its key in the settings besides.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """One service of the application.

    One that `needs` another tells at `/readyz`, by HTTP on its Service's port `http`, whether it
    reaches it: its pods may be ready without (`ready_alone`).
    """

    name: str  # of its label `app`, its Service, its folders, its steps and tasks
    title: str
    image: str  # its name in the manifests: kustomize puts the one that was built in its place
    bases: tuple[tuple[str, str], ...] = ()  # its Containerfile's build arguments: kind of base
    needs: str = ""
    ready_alone: bool = False
    check: str = ""  # the path that answers 200 at its NodePort where it works
    page: str = ""  # the path that people open there
    has_passwords: bool = False  # its pods read the database's Secret


DATABASE = Service("db", "the database", image="mysql", has_passwords=True)
API = Service(
    "api",
    "the API",
    image="fast-api-products",
    bases=(("BASE", "python"),),
    needs=DATABASE.name,
    check="/readyz",
    page="/docs",
    has_passwords=True,
)
UI = Service(
    "ui",
    "the UI",
    image="ui-node-products",
    bases=(("BUILDER", "npm"), ("BASE", "node")),
    needs=API.name,
    ready_alone=True,  # a friendly page is better than none
    check="/",
    page="/",
)
SERVICES = (DATABASE, API, UI)
NAMES = tuple(service.name for service in SERVICES)
WITH_PASSWORDS = tuple(service.name for service in SERVICES if service.has_passwords)


def service(name: str) -> Service:
    """The service of that name. Raises KeyError where there is none."""
    return {one.name: one for one in SERVICES}[name]
