"""Whether a site has a file, asked of servers of this test's own on a loopback address."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.error import URLError

import pytest

from kubeup.cluster.release import sums
from kubeup.cluster.release.download import DownloadBinary
from kubeup.facts import sites
from kubeup.facts.sites import NO, UNKNOWN, YES, Answer, Question
from kubeup.system import web

pytestmark = pytest.mark.real
SUM = hashlib.sha256(b"kubectl").hexdigest().encode()
FILE = "/release/v1.26.1/bin/linux/amd64/kubectl.sha256"
INDEX = "application/vnd.oci.image.index.v1+json"
Site = tuple[str, dict[str, Callable[[BaseHTTPRequestHandler], None]]]


def says(
    code: int, content: bytes = b"", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content if handler.command == "GET" else b"")

    return answer


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages.get(self.path, says(404))(self)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None: ...

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", pages
    server.shutdown()
    server.server_close()


def ask(url: str) -> Answer:
    return web.ask(Question(url, sum=True))


def test_a_root_that_leads_to_a_closed_bucket_is_not_asked(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As dl.k8s.io is: its root is a redirect to a bucket that lists nothing, its files are
    redirects to another site.
    """
    url, pages = site
    pages.update(
        {
            "/": says(302, Location=f"{url}/bucket/"),
            "/bucket/": says(403),
            "/cdn": says(200, SUM),
            FILE: says(302, Location=f"{url}/cdn"),
        }
    )
    told = ask(f"{url}{FILE}")
    assert told == Answer(YES, f"{url.removeprefix('http://')} answers")
    assert ask(f"{url}/").kind == NO
    pages[FILE.removesuffix(".sha256")] = says(200, b"kubectl")
    monkeypatch.setitem(sums.BINARIES, ("linux", "amd64", "kubectl"), SUM.decode())
    DownloadBinary("kubectl", url, "amd64", tmp_path).run(print)  # the same client gets the file
    assert (tmp_path / "kubectl").read_bytes() == b"kubectl"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (says(403), "answered 403 Forbidden for"),
        (says(404), "answered 404 Not Found for"),
        (says(503), "answered 503 Service Unavailable for"),
        (says(200, b"<html>please log in</html>"), "answered with something that is no sha256 for"),
    ],
)
def test_an_answer_that_is_an_error_is_a_no(
    site: Site, page: Callable[[BaseHTTPRequestHandler], None], words: str
) -> None:
    url, pages = site
    pages[FILE] = page
    told = ask(f"{url}{FILE}")
    assert (told.kind, told.detail) == (NO, f"{url.removeprefix('http://')} {words} {url}{FILE}")


def test_an_error_behind_a_redirect_names_who_said_it(site: Site) -> None:
    url, pages = site
    other = url.replace("127.0.0.1", "localhost")
    pages.update({FILE: says(302, Location=f"{other}/cdn"), "/cdn": says(403)})
    assert (
        ask(f"{url}{FILE}").detail
        == f"{other.removeprefix('http://')} answered 403 Forbidden for {url}{FILE}"
    )


def test_silence_is_no_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    url, pages = site
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    pages[FILE] = lambda handler: time.sleep(0.6)
    assert ask(f"{url}{FILE}") == Answer(
        UNKNOWN, f"{url.removeprefix('http://')} gave no answer for {url}{FILE} (not within 0.2 s)"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert ask(f"http://127.0.0.1:{port}/").detail.endswith("(Connection refused)")
    nowhere = ask("https://nowhere.invalid/file")
    assert (nowhere.kind, nowhere.detail) == (
        UNKNOWN,
        "nowhere.invalid gave no answer for https://nowhere.invalid/file (its name can't be "
        "resolved)",
    )


def test_all_are_asked_at_once_and_nobody_is_waited_for_longer(site: Site) -> None:
    url, pages = site
    ended = Event()
    pages.update({"/slow": lambda handler: ended.wait(60), FILE: says(200, SUM)})
    questions = [Question(f"{url}/slow"), Question(f"{url}{FILE}", sum=True)]
    began = time.monotonic()
    told = web.ask_all(questions, 2)
    seconds = time.monotonic() - began
    ended.set()
    assert 2 <= seconds < 20
    assert [told[one.url].kind for one in questions] == [UNKNOWN, YES]
    assert "(not within 2 s)" in told[f"{url}/slow"].detail
    assert web.ask_all(()) == {}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            URLError(OSError("Tunnel connection failed: 403 Forbidden")),
            Answer(NO, "the proxy answered 403 Forbidden for https://dl.k8s.io/x"),
        ),
        (
            URLError(TimeoutError("timed out")),
            Answer(UNKNOWN, "dl.k8s.io gave no answer for https://dl.k8s.io/x (not within 30 s)"),
        ),
        (
            URLError(OSError(113, "No route to host")),
            Answer(UNKNOWN, "dl.k8s.io gave no answer for https://dl.k8s.io/x (No route to host)"),
        ),
    ],
)
def test_what_errors_mean(error: Exception, expected: Answer) -> None:
    assert web.meaning(Question("https://dl.k8s.io/x"), error) == expected


def test_a_certificate_that_is_not_trusted_is_an_answer() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    told = web.meaning(Question("https://dl.k8s.io/x"), URLError(error))
    assert (
        told.kind == NO
        and "a certificate that is not trusted here (self-signed certificate)" in told.detail
    )


def test_a_proxys_password_is_in_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    for proxy in (
        "http://ana@127.0.0.1:secret",
        "http://ana:secret@nowhere.invalid:1",
        "http://ana:secret@127.0.0.1:1",
    ):
        monkeypatch.setenv("https_proxy", proxy)
        told = ask("https://dl.k8s.io/x")
        assert told.kind == UNKNOWN and "cret" not in told.detail


def test_a_proxy_that_refuses_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    url, _ = site  # it knows no CONNECT: 501
    monkeypatch.setenv("https_proxy", url)
    monkeypatch.setenv("no_proxy", "")
    told = ask("https://dl.k8s.io/x")
    assert told.kind == NO and told.detail.startswith("the proxy answered 501 ")


def registry(url: str, repository: str) -> Question:
    return Question(
        f"{url}/v2/{repository}/manifests/3.9",
        accept=sites.MANIFESTS,
        name=f"the image {repository}",
    )


def test_a_registry_that_asks_nobody_for_a_token(site: Site) -> None:
    """As registry.k8s.io, which leads to another registry."""
    url, pages = site
    asked = list[str]()

    def manifest(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.headers["Accept"])
        says(200, b"{}", Content_Type=INDEX)(handler)

    pages.update(
        {
            "/v2/pause/manifests/3.9": says(307, Location=f"{url}/v2/k8s/pause"),
            "/v2/k8s/pause": manifest,
        }
    )
    assert web.ask(registry(url, "pause")).yes
    assert INDEX in asked[0]


def test_a_registry_that_gives_a_token_to_everybody(site: Site) -> None:
    """As Docker Hub."""
    url, pages = site
    asked = list[tuple[str, str]]()
    scope = "repository:library/python:pull"
    challenge = f'Bearer realm="{url}/token",service="registry.example.org",scope="{scope}"'

    def manifest(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.command, handler.headers.get("Authorization", "")))
        known = handler.headers.get("Authorization") == "Bearer abc"
        (says(200, b"{}", Content_Type=INDEX) if known else says(401, WWW_Authenticate=challenge))(
            handler
        )

    pages["/v2/library/python/manifests/3.9"] = manifest
    pages["/token?service=registry.example.org&scope=repository%3Alibrary%2Fpython%3Apull"] = says(
        200, json.dumps({"token": "abc"}).encode()
    )
    assert web.ask(registry(url, "library/python")).yes
    assert asked == [("HEAD", ""), ("HEAD", "Bearer abc")], "HEAD is no pull"
    pages.clear()
    pages["/v2/library/python/manifests/3.9"] = manifest
    told = web.ask(registry(url, "library/python"))
    assert told.kind == NO and "answered 404 Not Found for the image library/python" in told.detail


@pytest.mark.parametrize(
    ("challenge", "says_of_it"),
    [
        ("", "answered 401"),
        ("Basic realm=x", "answered 401"),
        ('Bearer realm="file:///etc/hostname"', "(it names file:///etc/hostname for tokens)"),
        ("Bearer nonsense", "(ValueError)"),
    ],
)
def test_a_registry_that_wants_a_login_is_not_told_anything(
    site: Site, challenge: str, says_of_it: str
) -> None:
    url, pages = site
    pages["/v2/pause/manifests/3.9"] = says(401, WWW_Authenticate=challenge)
    told = web.ask(registry(url, "pause"))
    assert not told.yes and says_of_it in told.detail


def test_a_page_is_no_image(site: Site) -> None:
    url, pages = site
    pages["/v2/pause/manifests/3.9"] = says(200, b"<html>", Content_Type="text/html; charset=utf-8")
    assert (
        "answered with something that is no image (text/html)"
        in web.ask(registry(url, "pause")).detail
    )
