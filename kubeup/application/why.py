"""Looks at what a rollout waits for: objects, events, and what an unready pod says of itself."""

from __future__ import annotations

import json

from kubeup.core.errors import CommandError
from kubeup.core.shell import Output
from kubeup.facts.pods import KINDS, Item, Seen, leaves, name_of, probe
from kubeup.system.kubectl import Kubectl

SECONDS = 10.0  # a busy kubelet or API server must not hold up who waits: this only explains
# asks as kubelet's probe does, from within: no policy is in the way. An API server that passes the
# question on would have its client wait by Retry-After, and keep the answer to itself
ASK = """import http.client, sys
asked = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=6)
asked.request("GET", sys.argv[2])
answer = asked.getresponse()
print(answer.status, answer.read(2000).decode(errors="replace"))
"""


def look(kubectl: Kubectl, *apps: str) -> Seen:
    """What is there, and what unready pods of these say. Raises CommandError without an answer."""
    words = ("get", KINDS, "-n", kubectl.namespace)
    seen = Seen(kubectl.json(*words, timeout=kubectl.pace.seconds(SECONDS))["items"])
    pods = [pod for app in apps for pod in seen.pods(app) if not leaves(pod)]
    return Seen(seen.items, {name_of(pod): said for pod in pods if (said := _said(kubectl, pod))})


def _said(kubectl: Kubectl, pod: Item) -> str:
    """Why a pod says that it is not ready; '' where it doesn't."""
    asked = probe(pod)
    if asked is None:
        return ""
    container, port, path = asked
    where = ("-n", kubectl.namespace, "exec", name_of(pod), "-c", container)
    answer = _read(kubectl, *where, "--", "python3", "-I", "-c", ASK, port, path)
    status, _, body = answer.stdout.strip().partition(" ") if answer else ("", "", "")
    return words(body) if status >= "400" else ""


def words(body: str) -> str:
    """What a service's answer says, which may be JSON with a `detail`."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, TypeError, KeyError):
        return body.strip()[:300]


def logs(kubectl: Kubectl, pod: str) -> str:
    """The last lines of a pod's container that ended, or what it prints now; '' without any."""
    for more in (["--previous"], []):
        answer = _read(kubectl, "-n", kubectl.namespace, "logs", pod, "--tail=8", *more)
        if answer and answer.stdout.strip():
            return answer.stdout.strip()
    return ""


def _read(kubectl: Kubectl, *words: str) -> Output | None:
    try:
        answer = kubectl.read(*words, ok=None, timeout=kubectl.pace.seconds(SECONDS))
    except CommandError:
        return None
    return answer if answer.ok else None
