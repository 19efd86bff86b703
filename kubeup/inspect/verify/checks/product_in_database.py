"""Line: the row and the picture's digest are in the database, read by SQL past the API.

The password goes in by standard input, so that no process list shows it.
"""

from __future__ import annotations

from typing import NamedTuple

from kubeup.core.errors import CommandError
from kubeup.database import scripts
from kubeup.inspect.verify.model import Context, Verdict, bad, good
from kubeup.inspect.verify.product import Sample
from kubeup.inspect.verify.run import Run

QUERY = (
    "SELECT products.id, products.name, products.price, products.stock, SHA2(pictures.data, 256) "
    "FROM products LEFT JOIN pictures ON pictures.product_id = products.id "
    "WHERE products.id = {};\n"
)


class Row(NamedTuple):
    """A product as the client prints it, with the digest of its picture ('NULL' without one)."""

    id: str
    name: str
    price: str
    stock: str
    digest: str


def look(run: Run) -> Verdict:
    context, sql = run.context, query(run.product.id)
    try:
        output = context.database.select(sql) if context.database else _select(context, sql)
    except CommandError as error:
        more = "" if context.database else ", then `inv deploy.logs db`"
        return bad("the database could not be asked", error.said, f"run `inv status`{more}")
    return evaluate(run.product.sample, parse(output))


def query(number: int) -> str:
    """SQL for one product, a number and never a text going into it."""
    return QUERY.format(int(number))


def parse(text: str) -> Row | None:
    """The row that the client printed, columns parted by tabs."""
    # the client may print a warning before it
    for line in text.splitlines():
        columns = line.split("\t")
        if len(columns) == len(Row._fields):
            return Row(*columns)
    return None


def evaluate(wanted: Sample, row: Row | None) -> Verdict:
    """Judge the row that the database has."""
    if row is None:
        return bad(
            "the database has no such row",
            "the API answers from another database than this one",
            "compare MYSQL_HOST in the Deployment api",
        )
    expected = Row(row.id, wanted.name, wanted.price, str(wanted.stock), wanted.digest)
    if row != expected:
        return bad(
            "the row is another than what was written",
            f"{row} instead of {expected}",
            "run `inv deploy.logs api`",
        )
    return good(f"row {row.id} of `products`, SHA2 of its picture is {row.digest[:12]}…")


def _select(context: Context, sql: str) -> str:
    secrets = context.secrets()
    shell = ("exec", "-i", "mysql-0", "--", "sh", "-c", scripts.CLIENT, "client")
    account = (secrets["MYSQL_USER"], secrets["MYSQL_DATABASE"])
    stdin = f"{secrets['MYSQL_PASSWORD']}\n{sql}"
    return context.kubectl.read(
        *context.namespace, *shell, *account, stdin=stdin, timeout=30
    ).stdout
