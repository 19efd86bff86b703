"""HTTP to the nodes: no proxy, a time limit, and an answer instead of an exception."""

from __future__ import annotations

import http.client
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = 10.0
NO_ANSWER = "no answer"
REFUSED = "connection refused"
# a pod that became ready is behind its port when kube-proxy has heard of it, and that writes its
# rules once a second at most
# (iptables.minSyncPeriod,
# https://kubernetes.io/docs/reference/networking/virtual-ips/#optimizing-iptables-mode-performance)
LAG_SECONDS = 3.0


@dataclass(frozen=True)
class Answer:
    """What a request came back with; `problem` says why there is none."""

    url: str  # the last one, where it was redirected
    status: int = 0
    body: bytes = b""
    content_type: str = ""
    problem: str = ""

    @property
    def words(self) -> str:
        """The answer in a few words, with what the server says of it."""
        if self.problem:
            return self.problem
        words = f"HTTP {self.status}"
        if isinstance(self.json, dict) and self.json.get("detail"):
            words += f" ({self.json['detail']})"
        return words

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def ask(
    url: str,
    data: bytes | None = None,
    content_type: str = "",
    method: str | None = None,
    seconds: float = SECONDS,
    patience: float = 0.0,
) -> Answer:
    """GET, or POST where there is data; redirects are followed as a browser does.

    What is refused is tried again for LAG_SECONDS, a server's own error (5xx) for `patience`.
    """
    request = urllib.request.Request(url, data=data, method=method)
    if content_type:
        request.add_header("Content-Type", content_type)
    began = time.monotonic()
    answer = _once(request, seconds)
    while time.monotonic() - began < _retry_seconds(answer, patience):
        time.sleep(0.2)
        answer = _once(request, seconds)
    return answer


def _retry_seconds(answer: Answer, patience: float) -> float:
    """For how many seconds an answer is asked for again."""
    if answer.problem == REFUSED:
        return LAG_SECONDS
    return patience if answer.status >= 500 else 0.0


def _once(request: urllib.request.Request, seconds: float) -> Answer:
    # a proxy has no way to the nodes
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=seconds) as response:
            return _answer(response)
    except urllib.error.HTTPError as error:  # an answer as any other
        with error:
            return _answer(error)
    except (OSError, http.client.HTTPException) as error:
        return Answer(request.full_url, problem=_problem(error, seconds))


def multipart(
    fields: Mapping[str, str], name: str, filename: str, content_type: str, data: bytes
) -> tuple[bytes, str]:
    """A form with one file, as a browser sends it: body and Content-Type."""
    mark = f"----kubeup{secrets.token_hex(12)}"
    start = f'--{mark}\r\nContent-Disposition: form-data; name="'
    texts = [f'{start}{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    texts.append(f'{start}{name}"; filename="{filename}"\r\nContent-Type: {content_type}\r\n\r\n')
    body = "".join(texts).encode() + data + f"\r\n--{mark}--\r\n".encode()
    return body, f"multipart/form-data; boundary={mark}"


def _answer(response: Any) -> Answer:
    content_type = response.headers.get("Content-Type", "")
    return Answer(response.url, response.status, response.read(), content_type)


def _problem(error: Exception, seconds: float) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"{NO_ANSWER} within {seconds:g} s"
    if isinstance(reason, ConnectionRefusedError):
        return REFUSED
    if isinstance(reason, OSError):
        return (reason.strerror or str(reason)).lower()
    return str(reason) or type(reason).__name__
