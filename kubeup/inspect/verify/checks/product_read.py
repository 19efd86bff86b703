"""Line: the API gives back the product and the same picture."""

from __future__ import annotations

from kubeup.inspect.verify.model import Verdict, bad, good
from kubeup.inspect.verify.product import Sample, listed_items
from kubeup.inspect.verify.run import Run
from kubeup.system.http import Answer

LOGS = "run `inv deploy.logs api`"


def look(run: Run) -> Verdict:
    product = run.product
    return evaluate(product.sample, product.id, product.find(), product.get("/picture"))


def evaluate(wanted: Sample, number: int, listed: Answer, picture: Answer) -> Verdict:
    """Judge what the API has of it: found by name, and its picture fetched."""
    items = listed_items(listed)
    if listed.status != 200 or len(items) != 1:
        cause = f"{listed.url}: {listed.words}, {len(items)} products"
        return bad("the API does not list the product", cause, LOGS)
    expected = {
        "id": number,
        "name": wanted.name,
        "price": wanted.price,
        "stock": wanted.stock,
        "picture_url": f"/products/{number}/picture",
    }
    # the API may add fields; those that were written have to be the same
    shown = {key: items[0].get(key) for key in expected}
    if shown != expected:
        cause = f"written {expected}\nlisted {shown}"
        return bad("the API lists something else than what was written", cause, LOGS)
    size = len(picture.body)
    if picture.body != wanted.picture:
        cause = f"{picture.url}: {picture.words}, {size} bytes instead of {len(wanted.picture)}"
        return bad("the picture is not the one sent", cause, LOGS)
    return good(f"{listed.url} has it, its picture is the same {size} bytes")
