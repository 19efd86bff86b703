"""NodePorts, the product's way through the application, and the form that is sent."""

import copy
import json
import socket
import struct
import threading
import zlib
from dataclasses import replace
from email import message_from_bytes, policy
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from kubeup.application.external import Published
from kubeup.core.errors import CommandError
from kubeup.core.pace import Pace
from kubeup.database import scripts
from kubeup.facts.pods import Seen
from kubeup.inspect.verify import product, proof
from kubeup.inspect.verify.checks import (
    http_port,
    node_ports,
    product_in_database,
    product_read,
    product_removed,
    product_written,
)
from kubeup.inspect.verify.model import Context, ExternalDatabase
from kubeup.inspect.verify.picture import png
from kubeup.inspect.verify.product import Sample
from kubeup.inspect.verify.run import Check, Run
from kubeup.inspect.verify.runner import run_checks
from kubeup.settings.model import Settings
from kubeup.system import http
from kubeup.system.http import Answer

URL = "http://192.168.60.10:31000/readyz"
SAMPLE = Sample("kubeup-verify-0123456789ab", "7.50", 3, png(1, 2, 3))
SHOWN = {
    "id": 5,
    "name": SAMPLE.name,
    "price": "7.50",
    "stock": 3,
    "picture_url": "/products/5/picture",
    "description": product.DESCRIPTION,
}
SAVED = Answer(
    "http://192.168.60.10:30001/products/5?flash=created", 200, SAMPLE.name.encode(), "text/html"
)
PICTURE = Answer("http://192.168.60.10:31000/products/5/picture", 200, SAMPLE.picture, "image/png")


def listed(*items):
    return Answer(
        "http://192.168.60.10:31000/products?q=x",
        200,
        json.dumps({"items": items}).encode(),
        "application/json",
    )


def test_every_node_answers():
    assert node_ports.evaluate(
        "api", [Answer(URL, 200, b'{"status":"ready"}', "application/json")]
    ).ok


@pytest.mark.parametrize(
    ("answer", "cause", "step"),
    [
        (
            Answer(URL, 503, b'{"detail":"the database does not answer"}'),
            "HTTP 503 (the database does not answer)",
            "inv deploy.logs api",
        ),
        (
            Answer(URL, problem=http.REFUSED),
            "refused: no ready pod behind the port, or kube-proxy",
            "inv status",
        ),
        (
            Answer(URL, problem="no answer within 10 s"),
            "no answer within 10 s: the node is off, a firewall",
            "inv status",
        ),
    ],
)
def test_why_a_nodeport_does_not_answer(answer, cause, step):
    verdict = node_ports.evaluate("api", [answer])
    assert f"{URL}: {cause}" in verdict.cause
    assert step in verdict.next


def test_only_some_nodes_fail():
    verdict = node_ports.evaluate(
        "api", [Answer(URL, 200), Answer(URL.replace(".10:", ".11:"), problem=http.REFUSED)]
    )
    assert verdict.detail.startswith("1 of 2 nodes")
    assert "192.168.60.11" in verdict.cause


def test_the_ui_has_to_be_a_page():
    assert node_ports.evaluate("ui", [Answer(URL, 200, b"", "text/html; charset=utf-8")]).ok
    assert (
        "instead of a page"
        in node_ports.evaluate("ui", [Answer(URL, 200, b"", "application/json")]).cause
    )


TAKEN = "port 80 of dev-worker-2 can't be the UI's: nginx has it"
PUBLISHED = Published(80, ("192.168.60.10", "192.168.60.11"), (TAKEN,))
PAGE = Answer("http://192.168.60.10/", 200, b"", "text/html")
GONE = Answer("http://192.168.60.11/", problem=http.REFUSED)


def test_the_ui_at_the_nodes_addresses():
    verdict = http_port.evaluate(PUBLISHED, [PAGE, PAGE])
    assert verdict.ok and verdict.detail.endswith(TAKEN)
    assert http_port.evaluate(replace(PUBLISHED, addresses=()), []).ok
    assert not http_port.evaluate(Published(80), []).ok
    assert TAKEN in http_port.evaluate(replace(PUBLISHED, refused=True), [PAGE, PAGE]).cause
    assert not http_port.evaluate(PUBLISHED, [PAGE, GONE]).ok


def test_an_address_that_the_service_lacks_is_the_cause():
    verdict = http_port.evaluate(PUBLISHED, [PAGE, GONE])
    spec = {"externalIPs": ["192.168.60.10"], "ports": [{"port": 80}]}
    found = http_port.explain(PUBLISHED, spec, verdict)
    assert "ui has the port 80 and the externalIPs 192.168.60.10\n" in found.cause
    assert "inv up" in found.next
    spec["externalIPs"] = list(PUBLISHED.addresses)
    assert http_port.explain(PUBLISHED, spec, verdict) == verdict


def test_what_is_wrong_behind_a_nodeport(recorded):
    services = {
        item["metadata"]["name"]: item
        for item in recorded("services.json")
        if item["kind"] == "Service"
    }
    (ready,) = copy.deepcopy(recorded("system_pods_pending.json")[2:3])
    ready |= {"kind": "Pod"}
    ready["metadata"]["labels"]["app"] = "api"
    broken = copy.deepcopy(ready)
    broken["status"] = {"phase": "Failed", "reason": "Evicted"}
    message = 'pods "api-x" is forbidden: exceeded quota: none'
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    refused = {
        "kind": "Deployment",
        "metadata": {"name": "api", "labels": {"app": "api"}},
        "spec": {"replicas": 1},
        "status": {"conditions": [condition | {"message": message}]},
    }

    def behind(port, *items):
        return node_ports.behind("api", port, services, Seen(items))

    assert behind(31000, ready) == ("", node_ports.PLAN)
    assert behind(31000) == ("api has no pod", node_ports.PLAN)
    assert "Evicted" in behind(31000, broken)[0]
    cause, fix = behind(31000, refused)
    assert cause == f"Deployment api can't make its pods: {message}" and "quota" in fix
    assert behind(31001, ready)[0] == (
        "the Service api has the NodePort 31000, the settings say 31001"
    )
    nowhere = node_ports.behind("api", 31000, {}, Seen())
    assert nowhere[0] == "there is no Service api: it is not deployed"


def test_the_product_is_saved_shown_and_removed():
    assert product_written.evaluate(SAMPLE, SAVED).ok
    assert product.product_id(SAVED) == 5
    assert product_read.evaluate(SAMPLE, 5, listed(SHOWN), PICTURE).ok
    assert product_removed.evaluate(5, Answer("", 200), Answer("", 404)).ok


@pytest.mark.parametrize(
    ("answer", "cause", "step"),
    [
        (
            Answer("http://n:30001/products", problem=http.REFUSED),
            "the UI itself is not there",
            "logs ui",
        ),
        (
            Answer("http://n:30001/products", 503),
            "the UI does not get through to the API",
            "logs api",
        ),
        (
            replace(SAVED, url="http://n/products/5/edit?flash=picture-failed"),
            "picture-failed",
            "logs api",
        ),
        (
            Answer(
                "http://n/products", 422, b'<li><a href="#price">Price: has to be a number</a></li>'
            ),
            "Price: has to be a number",
            "logs ui",
        ),
    ],
)
def test_why_the_product_was_not_saved(answer, cause, step):
    verdict = product_written.evaluate(SAMPLE, answer)
    assert cause in verdict.cause
    assert step in verdict.next


def test_what_the_api_gives_back_has_to_be_what_was_written():
    assert "not list" in product_read.evaluate(SAMPLE, 5, listed(), PICTURE).detail
    assert (
        "'price': '7.5'"
        in product_read.evaluate(SAMPLE, 5, listed(SHOWN | {"price": "7.5"}), PICTURE).cause
    )
    assert (
        "3 bytes instead of"
        in product_read.evaluate(SAMPLE, 5, listed(SHOWN), replace(PICTURE, body=b"abc")).cause
    )


def test_what_stays_is_a_failure():
    verdict = product_removed.evaluate(
        5, Answer("http://n/products/5/delete", 503), Answer("http://n/products/5", 200)
    )
    assert "HTTP 200 instead of 404" in verdict.cause
    assert "logs ui" in verdict.next


def test_only_products_of_a_verification_are_left_overs():
    other = (
        SHOWN | {"id": 6, "description": "my own"},
        SHOWN | {"id": 7, "name": "kubeup-verify-notes"},
    )
    assert product.leftovers(listed(SHOWN, *other)) == [5]
    assert product.leftovers(Answer("", problem=http.REFUSED)) == []


def test_samples_differ_and_fit_the_rules():
    one, other = product.sample(), product.sample()
    assert one.name != other.name
    assert product.NAME.match(one.name)
    assert len(one.price.partition(".")[2]) == 2


def test_the_database_row():
    row = product_in_database.parse(f"5\t{SAMPLE.name}\t7.50\t3\t{SAMPLE.digest}\n")
    assert row is not None
    assert product_in_database.evaluate(SAMPLE, row).ok
    assert not product_in_database.evaluate(SAMPLE, row._replace(digest="NULL")).ok
    assert not product_in_database.evaluate(SAMPLE, product_in_database.parse("")).ok


def test_no_secret_is_in_the_command_line_of_the_client():
    assert "WHERE products.id = 5;" in product_in_database.query(5)
    assert "read -r MYSQL_PWD" in scripts.CLIENT and "--protocol=socket" in scripts.CLIENT
    assert " -p" not in scripts.CLIENT and "--password" not in scripts.CLIENT


def test_the_form_is_one_that_a_mail_parser_reads_back():
    body, kind = http.multipart(SAMPLE.fields, "picture", "verify.png", "image/png", SAMPLE.picture)
    message = message_from_bytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=policy.HTTP
    )
    parts = {
        part.get_param("name", header="content-disposition"): part for part in message.iter_parts()
    }
    assert parts["picture"].get_payload(decode=True) == SAMPLE.picture
    assert {name: parts[name].get_payload() for name in SAMPLE.fields} == SAMPLE.fields


def test_the_picture_is_a_png():
    data = png(10, 20, 30, 4)
    assert data.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    assert struct.unpack(">2I", data[16:24]) == (4, 4)
    start = data.index(b"IDAT") + 4
    assert zlib.decompress(data[start:-16]) == (b"\0" + bytes((10, 20, 30)) * 4) * 4


class Page(BaseHTTPRequestHandler):
    """Answers everything with an empty page."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Nothing on the terminal."""


def test_a_port_that_opens_a_moment_later_answers():
    with ThreadingHTTPServer(("127.0.0.1", 0), Page, bind_and_activate=False) as server:
        server.server_bind()  # its number is known, and nobody listens yet
        timer = threading.Timer(0.3, lambda: (server.server_activate(), server.serve_forever(0.05)))
        timer.start()
        answer = http.ask(f"http://127.0.0.1:{server.server_address[1]}/products", b"name=lamp")
        server.shutdown()
        timer.join()
    assert (answer.status, answer.problem) == (200, "")


def test_a_port_that_stays_closed_is_refused(monkeypatch):
    monkeypatch.setattr(http, "LAG_SECONDS", 0.3)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer = http.ask(f"http://127.0.0.1:{closed.getsockname()[1]}/")
    assert answer.problem == http.REFUSED


class Busy(Page):
    """A server that can't answer at first, as one whose own needs are slow."""

    refusals = 2

    def do_GET(self):
        status = 503 if Busy.refusals > 0 else 200
        Busy.refusals -= 1
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.end_headers()


@pytest.mark.parametrize(("pace", "status"), [(Pace(1), 503), (Pace(2), 200)])
def test_a_slow_machine_is_given_time_to_answer(pace, status, monkeypatch):
    monkeypatch.setattr(Busy, "refusals", 2)
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        (answer,) = node_ports.ask_all([f"http://127.0.0.1:{server.server_address[1]}/"], pace)
        server.shutdown()
        thread.join()
    assert answer.status == status


def test_a_database_that_lets_nobody_in_is_named_with_what_to_do():
    def select(sql):
        raise CommandError("kubectl failed", "Account is locked", "fix what is above")

    written = SimpleNamespace(sample=SAMPLE, id=5)
    secrets = partial(dict, MYSQL_USER="x", MYSQL_DATABASE="x", MYSQL_PASSWORD="x")
    for database, next_ in (
        (None, "run `inv status`, then `inv deploy.logs db`"),
        (ExternalDatabase("10.0.0.9", select, str), "run `inv status`"),
    ):
        kubectl = SimpleNamespace(read=lambda *_, **__: select(""), namespace="x")
        context = Context(Settings(profile="dev"), kubectl, (), (), "api:1", (), secrets, database)
        verdict = product_in_database.look(SimpleNamespace(context=context, product=written))
        assert (verdict.ok, verdict.cause, verdict.next) == (False, "Account is locked", next_)


def test_without_a_password_the_line_says_what_is_missing(tmp_path):
    (tmp_path / ".env").touch(0o600)
    project = SimpleNamespace(
        settings=Settings(profile="dev"), state=SimpleNamespace(secrets=tmp_path / ".env")
    )
    context = Context(
        Settings(profile="dev"), None, (), (), "api:1", (), partial(proof.secret_values, project)
    )
    run = Run(context)
    run.product._id = 5
    line = run_checks([Check("in the database", "", product_in_database.look)], run)[0]
    assert line.detail == "MYSQL_PASSWORD is not in .env" and "restore the file" in line.next
