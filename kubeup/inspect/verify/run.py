"""One verification: what its checks share, and remove at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from kubeup.inspect.verify.model import Context, Verdict
from kubeup.inspect.verify.probes import Probes
from kubeup.inspect.verify.product import Product
from kubeup.settings.model import Settings


class Run:
    """`stop` is set where the verification is being ended: whoever waits gives up."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.stop = threading.Event()
        self.probes = Probes(context, self.stop)
        self.product = Product(context)

    def clean(self) -> None:
        """Remove the pods and the product that were made for it."""
        self.product.clean()
        self.probes.remove()


def always(settings: Settings) -> bool:
    return True


@dataclass(frozen=True)
class Check:
    """A check to run. It waits for those named in `after`, whatever their outcome."""

    name: str
    proves: str
    look: Callable[[Run], Verdict]
    after: tuple[str, ...] = ()
    applies: Callable[[Settings], bool] = always
