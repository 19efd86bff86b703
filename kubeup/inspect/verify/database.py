"""One product as the database has it, by SQL.

The password goes in by standard input, so that no process list shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubeup.inspect.verify.lines import Context

# the first line of the input is the password, the rest is SQL; the client is called mysql or
# mariadb
CLIENT = (
    "IFS= read -r MYSQL_PWD; export MYSQL_PWD; client=$(command -v mysql || command -v mariadb) "
    '|| { echo "no database client" >&2; exit 127; }; '
    'exec "$client" --no-defaults --protocol=tcp -h127.0.0.1 -u"$1" -N -B "$2"'
)


@dataclass(frozen=True)
class Row:
    """A product and the digest of its picture ('NULL' without one)."""

    number: int
    name: str
    price: str
    stock: int
    digest: str


def select(context: Context, number: int) -> Row | None:
    """Read the product of that id. Raises KubeupError where the database does not answer."""
    ask = context.ask_database or (lambda sql: _inside(context, sql))
    return parse(ask(query(number)))


def query(number: int) -> str:
    """SQL for one product, a number and never a text going into it."""
    return (
        "SELECT products.id, products.name, products.price, products.stock, SHA2(pictures.data, "
        "256) "
        "FROM products LEFT JOIN pictures ON pictures.product_id = products.id WHERE "
        f"products.id = {int(number)};\n"
    )


def parse(text: str) -> Row | None:
    """The row that the client printed, columns parted by tabs."""
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) == 5:
            return Row(int(parts[0]), parts[1], parts[2], int(parts[3]), parts[4])
    return None


def _inside(context: Context, sql: str) -> str:
    secrets, kubectl = context.secrets(), context.kubectl
    command = (
        "exec",
        "-i",
        "mysql-0",
        "--",
        "sh",
        "-c",
        CLIENT,
        "sh",
        secrets["MYSQL_USER"],
        secrets["MYSQL_DATABASE"],
    )
    return kubectl.read(
        "-n", kubectl.namespace, *command, stdin=f"{secrets['MYSQL_PASSWORD']}\n{sql}", timeout=30
    ).stdout
