"""Line: the UI deletes the product, and the API has it no more."""

from __future__ import annotations

from kubeup.core.services import API, UI
from kubeup.inspect.verify.model import Verdict, bad, good
from kubeup.inspect.verify.run import Run
from kubeup.system.http import Answer


def look(run: Run) -> Verdict:
    product = run.product
    verdict = evaluate(product.id, product.press_delete(), product.get())
    if verdict.ok:  # else the end of the run removes it
        product.removed()
    return verdict


def evaluate(number: int, pressed: Answer, gone: Answer) -> Verdict:
    """Judge that it is gone."""
    if gone.status == 404:
        return good(f"product {number} deleted in the UI, the API answers 404")
    # the UI follows its own redirect to the list, so 200 means that it took the click
    suspect = API.name if pressed.status == 200 else UI.name
    return bad(
        f"product {number} is still there",
        f"{pressed.url}: {pressed.words}\n{gone.url}: {gone.words} instead of 404",
        f"run `inv deploy.logs {suspect}`",
    )
