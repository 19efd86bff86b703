"""kubectl against the profile's own kubeconfig: the one way in which kubeup talks to a cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError
from kubeup.core.plan import Log, Paced
from kubeup.core.shell import Output
from kubeup.facts import kubeconfig as facts
from kubeup.facts.connection import Cause, Unanswered, unanswered

ANSWER_SECONDS = 4.0  # of a server that is awake

# one field manager applies everything (https://kubernetes.io/docs/reference/using-api/server-side-apply/)
AS_MANAGER = ("--server-side", "--force-conflicts", "--field-manager=kubeup")
APPLY = ("apply", *AS_MANAGER)
DIFF = ("diff", *AS_MANAGER)


@dataclass(frozen=True)
class Kubectl(Paced):
    """A kubectl of the cluster's version (±1 minor), and the access it uses.

    The context is always named: without one kubectl asks whoever listens on port 8080 here.
    """

    path: Path
    kubeconfig: Path
    context: str
    namespace: str = "default"
    reads: float = 60  # seconds that reading may take

    def look(self, *words: str) -> Output:
        """Ask an API server that may be away: one that does not answer within seconds is an error.

        Raises CommandError where nothing is there to refuse.
        """
        within = self.pace.seconds(ANSWER_SECONDS)
        argv = self.argv(*words, f"--request-timeout={within:.0f}s")
        return shell.read(*argv, ok=None, timeout=2 * within + 2)

    def argv(self, *words: str) -> tuple[str, ...]:
        """A command line to start.

        Raises KubeupError where it would lead to no cluster of this profile.
        """
        self.require_access()
        return self._line(*words)

    def shown(self, *words: str) -> str:
        """A command line to look at, also where there is no cluster yet."""
        return shell.shown(self._line(*words))

    def _line(self, *words: str) -> tuple[str, ...]:
        access = ("--kubeconfig", str(self.kubeconfig), "--context", self.context)
        return (str(self.path), *access, *words)

    def read(
        self,
        *words: str,
        ok: tuple[int, ...] | None = (0,),
        stdin: str | None = None,
        timeout: float | None = None,
    ) -> Output:
        """Look at something. See `kubeup.core.shell.read`."""
        # a diff tool of the user's own prints what can't be read here
        env = {"KUBECTL_EXTERNAL_DIFF": ""}
        within = timeout or self.reads
        return shell.read(*self.argv(*words), ok=ok, stdin=stdin, timeout=within, env=env)

    def require_access(self) -> None:
        """Raises KubeupError where there is no cluster to talk to."""
        if not self.has_access():
            raise KubeupError(
                "there is no cluster of this profile yet",
                f"{self.kubeconfig} is missing, or names none",
                "run `inv up`, or `inv cluster.local` for the cluster alone",
            )

    def has_access(self) -> bool:
        """Whether the kubeconfig names the profile's cluster.

        Raises KubeupError for a kubeconfig that may lead elsewhere.
        """
        try:
            text = self.kubeconfig.read_text(encoding="utf-8")
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise self._unusable(str(error)) from None
        if facts.leads_nowhere(text):
            return False
        if why := facts.misfit(text, self.context):
            raise self._unusable(why)
        return True

    def _unusable(self, why: str) -> KubeupError:
        return KubeupError(
            f"{self.kubeconfig} does not lead to this profile's cluster",
            why,
            "put it back as it was, or move it away: `inv up` fetches it again from the "
            "cluster's nodes",
        )

    def json(self, *words: str, timeout: float | None = None) -> Any:
        return json.loads(self.read(*words, "-o", "json", timeout=timeout).stdout)

    def items(self, *words: str) -> list[dict[str, Any]]:
        """`get` of one or more kinds as a list of objects."""
        rows: list[dict[str, Any]] = self.json("get", *words)["items"]
        return rows

    def write(
        self, *words: str, log: Log | None = None, stdin: str | None = None, timeout: float = 600
    ) -> str:
        return shell.write(*self.argv(*words), log=log, stdin=stdin, timeout=timeout)

    def watch(
        self, *words: str, each: Callable[[dict[str, Any] | None], bool], tick: float = 2.0
    ) -> None:
        """Hand each event ({type, object}) of a `get --watch` to `each` until it returns True.

        Every `tick` seconds without one it gets None. Returns as well when the API server ends the
        watch, as it does now and then.
        """
        options = ("--watch", "--output-watch-events", "-o", 'jsonpath={$}{"\\n"}')
        argv = self.argv("get", *words, *options)
        began = time.monotonic()
        if not shell.stream(*argv, each=lambda line: each(json.loads(line or "null")), tick=tick):
            # a watch that ends at once, as without a server, is not begun again in a rush
            time.sleep(max(0.0, tick - (time.monotonic() - began)))

    def unanswered(self) -> Unanswered | None:
        """Why the API server is not there, a few seconds at most; None where it answers."""
        if not self.has_access() or not self.path.exists():
            return Unanswered(Cause.OTHER, f"{self.kubeconfig} is missing, or names no cluster")
        try:
            answer = self.look("get", "--raw", "/readyz")
        except CommandError as error:
            if error.status == shell.STOPPED:  # else it would be asked again and again
                raise
            return Unanswered(Cause.SILENT, error.why)  # it took too long
        return None if answer.ok else unanswered(answer.stderr)

    def answers(self) -> bool:
        """Whether the API server is there (a few seconds at most)."""
        return self.unanswered() is None
