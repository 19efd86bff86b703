"""OSV.dev is a server of this test's own; its answers are as its documentation has them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from builders import error_of
from cyclonedx.model.component import Component
from packageurl import PackageURL

from development import audit
from development.audit import Finding
from kubeup.core.report import Report

pytestmark = pytest.mark.real
Site = tuple[str, list[Any], list[bytes]]


def component(purl: str) -> Component:
    return Component(name=purl, purl=PackageURL.from_string(purl))


JINJA, MS = component("pkg:pypi/jinja2@2.4.1"), component("pkg:npm/ms@2.1.3")
ADDUSER = component("pkg:deb/debian/adduser@3.134")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    asked, answers = list[Any](), list[bytes]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            content = answers.pop(0)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked, answers
    server.shutdown()
    server.server_close()


def says(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"results": rows}).encode()


def flaws(*ids: str) -> dict[str, Any]:
    return {"vulns": [{"id": id_, "modified": "2023-07-26T04:12:17.5Z"} for id_ in ids]}


def test_what_is_known_is_told_by_package(site: Site) -> None:
    url, asked, answers = site
    answers += [says(flaws("GHSA-1", "PYSEC-2"), {})]
    (found,) = audit.audit({"api": (JINJA, ADDUSER, MS)}, url)
    assert found == Finding("api", 2, 1, {"pkg:pypi/jinja2@2.4.1": ("GHSA-1", "PYSEC-2")})
    queries = [{"package": {"purl": str(one.purl)}} for one in (JINJA, MS)]
    assert asked == [{"queries": queries}]
    error = error_of(audit.judge, [found])
    assert "1 packages" in error.what and error.why == "pkg:pypi/jinja2@2.4.1"


def test_many_are_asked_about_in_parts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    url, asked, answers = site
    monkeypatch.setattr(audit, "MOST", 1)
    answers += [says({}), says({**flaws("GHSA-3"), "next_page_token": "x"})]
    (found,) = audit.audit({"ui": (JINJA, MS)}, url)
    assert len(asked) == 2 and found.known == {"pkg:npm/ms@2.1.3": ("GHSA-3", "…")}


@pytest.mark.parametrize("answer", [b"<html>log in</html>", b"{}", b""])
def test_no_answer_is_no_good_news(site: Site, answer: bytes) -> None:
    url, _, answers = site
    answers += [answer]
    error = error_of(audit.audit, {"api": (JINJA,)}, url)
    assert error.what == "nobody told what is known against the packages"


def test_an_answer_about_fewer_packages_is_none(site: Site) -> None:
    url, _, answers = site
    answers += [says({})]
    error = error_of(audit.audit, {"api": (JINJA, MS)}, url)
    assert error.what == "nobody told what is known against the packages"


def test_nobody_is_there() -> None:
    error = error_of(audit.audit, {"api": (JINJA,)}, "http://127.0.0.1:1")
    assert "Connection refused" in error.why


def test_flaws_of_the_release_are_told_and_stay() -> None:
    found = Finding("kubernetes", 2, 0, {"pkg:golang/k8s.io/kubernetes@v1.26.1": ("GO-1",)})
    out = io.StringIO()
    audit.show([found, Finding("db", 0, 116, {})], Report(out))
    audit.judge([found])
    assert "kubernetes: pkg:golang/k8s.io/kubernetes@v1.26.1: GO-1" in out.getvalue()
    assert "116" in out.getvalue()
