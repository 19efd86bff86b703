"""Line: the UI takes a product with a picture, through the API, as from a browser."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from kubeup.inspect.verify.model import Verdict, bad, good
from kubeup.inspect.verify.product import Sample, product_id
from kubeup.inspect.verify.run import Run
from kubeup.system.http import Answer

NOT_SAVED = "the UI did not save the product"
MESSAGES = re.compile(
    r'<a href="#\w+">([^<]+)</a>'
    r'|<p class="flash bad">([^<]+)</p>'
    r'|role="alert"[^>]*>\s*<p>([^<]+)</p>'
)


def look(run: Run) -> Verdict:
    return evaluate(run.product.sample, run.product.write())


def evaluate(wanted: Sample, answer: Answer) -> Verdict:
    """Judge the page that the UI led to after saving."""
    flash = parse_qs(urlsplit(answer.url).query).get("flash", [""])[0]
    if _saved(wanted, answer, flash):
        size = len(wanted.picture)
        return good(f"{wanted.name} with a picture of {size} bytes, shown at {answer.url}")
    # the UI saves the product first; where its picture fails it says so and leads to the form
    if flash.startswith("picture"):
        return bad(
            "the product was saved without its picture",
            f"the UI says {flash}",
            "run `inv deploy.logs api`",
        )
    symptom = f"{answer.url}: {answer.words}"
    if answer.problem:
        cause = f"{symptom}: the UI itself is not there"
        return bad(NOT_SAVED, cause, "run `inv deploy.logs ui`")
    if answer.status in (502, 503, 504):
        cause = f"{symptom}: the UI does not get through to the API"
        return bad(NOT_SAVED, cause, "run `inv deploy.logs api`")
    return bad(NOT_SAVED, f"{symptom}{_messages(answer)}", "run `inv deploy.logs ui`")


def _saved(wanted: Sample, answer: Answer, flash: str) -> bool:
    shown = wanted.name.encode() in answer.body
    return answer.status == 200 and product_id(answer) > 0 and flash == "created" and shown


def _messages(answer: Answer) -> str:
    """What the page says was wrong with the form."""
    rows = MESSAGES.findall(answer.body.decode(errors="replace"))
    words = [text.strip() for row in rows for text in row if text.strip()]
    return ": " + "; ".join(words) if words else ""
