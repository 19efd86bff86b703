"""The one way to a site: by the environment's proxy, with this machine's certificates.

Redirects are followed. A file is asked for as it is fetched; else the answer is about something
else.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from threading import Thread
from urllib.parse import urlencode, urlsplit

from kubeup.facts import sites
from kubeup.facts.sites import Answer, Question

TIMEOUT = 30  # seconds without a byte
SMALL = 65536  # bytes of a file that is no more than a line or a token
SUM = re.compile(rb"[0-9a-f]{64}\b")
TUNNEL = re.compile(r"Tunnel connection failed: (.*)")  # http.client's words for what a proxy said
Failed = (OSError, HTTPException, ValueError)  # urllib's own errors are OSErrors


def open_url(
    url: str, method: str = "GET", headers: dict[str, str] | None = None, data: bytes | None = None
) -> HTTPResponse:
    """Raises one of `Failed`."""
    request = urllib.request.Request(url, data, headers or {}, method=method)
    # urlopen() would go by the proxies of its first call for good
    answer: HTTPResponse = urllib.request.build_opener().open(request, timeout=TIMEOUT)
    return answer


def ask_all(questions: Sequence[Question], seconds: float = TIMEOUT) -> dict[str, Answer]:
    """The answers by url, asked side by side; one that takes more than `seconds` is silence."""
    late = f"not within {seconds:g} s"
    answers = {question.url: sites.silent(question, late) for question in questions}
    end = time.monotonic() + seconds
    # several addresses of one site, tried in turn, and a name server that is silent take longer
    # than one time-out, and a pool of threads would wait for them at its end
    threads = [
        Thread(target=_answer, args=(question, answers), daemon=True) for question in questions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(answers)


def _answer(question: Question, answers: dict[str, Answer]) -> None:
    answers[question.url] = ask(question)


def ask(question: Question) -> Answer:
    """Whether the file is there. A registry that wants a token for everybody gets one first."""
    try:
        return _manifest(question) if question.accept else _file(question)
    except Failed as error:
        return meaning(question, error)


def meaning(question: Question, error: Exception) -> Answer:
    """What an error of the client tells: no where somebody answered, unknown where nobody did."""
    if isinstance(error, urllib.error.HTTPError):
        return sites.refused(question, f"{error.code} {error.reason}".strip(), error.url)
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if tunnel := TUNNEL.search(str(cause)):
        return Answer(sites.NO, f"the proxy answered {tunnel[1]} for {question.shown}")
    if isinstance(cause, ssl.SSLCertVerificationError):
        words = f"with a certificate that is not trusted here ({cause.verify_message})"
        return sites.refused(question, words)
    if isinstance(cause, TimeoutError):
        return sites.silent(question, f"not within {TIMEOUT} s")
    if isinstance(cause, socket.gaierror):
        return sites.silent(question, "its name can't be resolved")
    if isinstance(cause, str):  # urllib's own words
        return sites.silent(question, cause)
    # other errors' words may quote a proxy's address, and with it a password
    return sites.silent(question, getattr(cause, "strerror", None) or type(cause).__name__)


def _file(question: Question) -> Answer:
    with open_url(question.url) as answer:
        if question.sum and not SUM.match(answer.read(SMALL)):
            # a login page, say
            return sites.refused(question, "with something that is no sha256", answer.url)
    return sites.answered(question)


def _manifest(question: Question) -> Answer:
    headers = {"Accept": ", ".join(question.accept)}
    # Docker Hub does not count HEAD as a pull: https://docs.docker.com/docker-hub/usage/pulls/
    try:
        answer = open_url(question.url, "HEAD", headers)
    except urllib.error.HTTPError as error:
        challenge = error.headers.get("WWW-Authenticate", "")
        if error.code != 401 or not challenge.lower().startswith("bearer "):
            raise
        headers["Authorization"] = f"Bearer {_token(challenge, question.url)}"
        answer = open_url(error.url or question.url, "HEAD", headers)
    # a login page comes with 200, too
    with answer:
        kind = answer.headers.get_content_type()
        if kind not in question.accept:
            return sites.refused(question, f"with something that is no image ({kind})", answer.url)
    return sites.answered(question)


def _token(challenge: str, registry: str) -> str:
    """The one that a registry gives to everybody."""
    # https://distribution.github.io/distribution/spec/auth/token/
    rows = urllib.request.parse_http_list(challenge.partition(" ")[2])
    parameters = urllib.request.parse_keqv_list(rows)
    realm = parameters.get("realm", "")
    # no file:, and nothing less than the registry itself
    if urlsplit(realm).scheme not in ("https", urlsplit(registry).scheme):
        raise urllib.error.URLError(f"it names {realm} for tokens")
    names = [name for name in ("service", "scope") if name in parameters]
    query = urlencode([(name, parameters[name]) for name in names])
    with open_url(f"{realm}?{query}") as answer:
        content = dict(json.loads(answer.read(SMALL)))
    return str(content.get("token") or content.get("access_token") or "")
