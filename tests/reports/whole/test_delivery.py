"""Mails and webhooks through the whole application: made over HTTP, taken by a real mail server and a real receiver."""

from __future__ import annotations

import contextlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html import unescape
from typing import Any, NamedTuple

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from campanile.reports.delivery.secrets import webhook_secret
from tests.reports.delivery.servers import Mailbox, Receiver, mail_server, web_server
from tests.reports.whole.shop import FILE_DATE, Reports, fill
from tests.stats.inprocess import InProcess, running
from tests.support.engines import EmbeddedEngine
from tests.support.processes import free_ports

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
MAIL = {"rest_api": True, "email": {"recipients": ["a@example.com", "b@example.com"]}}


class Office(NamedTuple):
    """A server, and those it writes to."""

    server: InProcess
    reports: Reports
    box: Mailbox
    receiver: Receiver


@contextlib.contextmanager
def office(embedded: EmbeddedEngine, *, now: datetime = NOW, **settings: Any) -> Iterator[Office]:
    mail_port, web_port = free_ports(2)
    settings = {
        "smtp_url": f"smtp://127.0.0.1:{mail_port}",
        "base_url": "https://reports.example.com",
        "webhooks_to_private_addresses": True,
        **settings,
    }
    with (
        mail_server(mail_port) as box,
        web_server(web_port) as receiver,
        running(embedded, now, **settings) as server,
    ):
        owner = fill(server)
        server.configure(owner.workspace.id, {"report_email_domains": "example.com"})
        yield Office(server, Reports(server, owner), box, receiver)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    text = found.get_content()
    assert isinstance(text, str)
    return text


def test_a_small_file_goes_along_and_a_link_opens_it(embedded: EmbeddedEngine) -> None:
    with office(embedded) as (server, reports, box, _):
        run = reports.make(reports.create("Daily mail", delivery=MAIL))
        assert sorted(mail.recipients for mail in box.mails) == [["a@example.com"], ["b@example.com"]]
        assert [found["state"] for found in run["deliveries"]] == ["SENT", "SENT"]
        by_name = reports.download(run["file_name"]).content
        links = set()
        for mail in box.mails:
            assert mail.message["Subject"] == "Your Campanile data exports are ready"
            text, html = part(mail.message, "plain"), unescape(part(mail.message, "html"))
            for line in ("Report: Daily mail", f"File: Daily_mail_{FILE_DATE}.zip,", "PUSH: 1 row", "EMAIL: 1 row"):
                assert line in text
                assert line in html
            (link,) = re.findall(r"https?://\S+", text)
            links.add(link)
            assert html.count(link) == 2, "as the target, and to be read"
            (attached,) = mail.message.iter_attachments()
            assert attached.get_filename() == run["file_name"]
            assert attached.get_content() == by_name  # type: ignore[attr-defined]
        (link,) = links
        path = link.removeprefix("https://reports.example.com")
        answer = server.client.get(path)
        assert (answer.status_code, answer.content) == (200, by_name)
        server.clock.advance(7 * 24 * 3600)
        assert server.client.get(path).status_code in (404, 410)


def test_a_large_file_is_a_link_only(embedded: EmbeddedEngine) -> None:
    with office(embedded, mail_attachment_bytes=100) as (_, reports, box, _):
        run = reports.make(reports.create("Daily mail", delivery=MAIL))
        assert run["size"] > 100
        assert len(box.mails) == 2
        for mail in box.mails:
            assert list(mail.message.iter_attachments()) == []
            assert "https://reports.example.com/v1/export/file/" in part(mail.message, "plain")


def test_a_file_is_sent_to_others_on_request(embedded: EmbeddedEngine) -> None:
    with office(embedded) as (server, reports, box, _):
        run = reports.make(reports.create("Daily mail"))
        assert (box.mails, run["deliveries"]) == ([], [])
        path = f"/v1/report-runs/{run['id']}/send"
        answer = reports.call("POST", path, {"recipients": ["c@example.com"]})
        assert answer.status_code == 202, answer.text
        server.make_reports()
        assert [mail.recipients for mail in box.mails] == [["c@example.com"]]
        assert [found["state"] for found in reports.run(run["id"])["deliveries"]] == ["SENT"]
        stranger = reports.call("POST", path, {"recipients": ["c@elsewhere.example"]})
        assert (stranger.status_code, stranger.json()["error"]["type"]) == (422, "recipient_not_allowed")
        assert stranger.json()["error"]["attribute"] == "recipients[0]"
        nobody = reports.call("POST", path, {"recipients": []})
        assert nobody.status_code == 422
        server.make_reports()
        assert len(box.mails) == 1
        server.clock.advance(7 * 24 * 3600)
        late = reports.call("POST", path, {"recipients": ["c@example.com"]})
        assert (late.status_code, late.json()["error"]["type"]) == (409, "no_file")


def test_a_mail_server_that_is_away_is_asked_again(embedded: EmbeddedEngine) -> None:
    with office(embedded) as (server, reports, box, _):
        box.answer = lambda _: "451 later"
        run = reports.make(reports.create("Daily mail", delivery=MAIL))
        assert run["status"] == "SUCCESSFUL", "a mail problem is none of the run"
        assert [found["state"] for found in run["deliveries"]] == ["PENDING"] * 2
        box.answer = lambda address: "550 unknown" if address.startswith("a@") else "250 OK"
        server.clock.advance(300)
        server.make_reports()
        assert [found["state"] for found in reports.run(run["id"])["deliveries"]] == ["FAILED", "SENT"]
        assert [mail.recipients for mail in box.mails] == [["b@example.com"]]


def test_a_webhook_is_signed_by_the_standard_scheme(embedded: EmbeddedEngine) -> None:
    now = datetime.now(UTC).replace(microsecond=0)  # receivers compare the time stamp with their own clock
    with office(embedded, now=now) as (_, reports, _, receiver):
        delivery = {"rest_api": True, "webhook": {"url": receiver.url}}
        run = reports.make(reports.create("Daily mail", delivery=delivery))
        assert run["status"] == "SUCCESSFUL", run
        (post,) = receiver.posts
        answer = reports.call("GET", "/v1/report-webhook-secret")
        secret = answer.json()["secret"]
        content = Webhook(secret).verify(post.body, post.headers)
        assert (content["type"], content["data"]["run_id"]) == ("report.finished", run["id"])
        assert content["data"]["sha256"] == run["sha256"]
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(post.body.replace(b"finished", b"finishes"), post.headers)
        with zipfile.ZipFile(io.BytesIO(reports.download(content["data"]["file_name"]).content)) as package:
            assert package.testzip() is None


def test_a_webhook_is_tried_for_a_day_under_one_id(embedded: EmbeddedEngine) -> None:
    with office(embedded) as (server, reports, _, receiver):
        receiver.status = lambda: 503
        run = reports.make(reports.create("Daily mail", delivery={"webhook": {"url": receiver.url}}))
        waited = [timedelta(0)]
        for pause in (5, 300, 1800, 7200, 18000, 21600, 36000):
            server.clock.advance(pause - 1)
            server.make_reports()
            assert len(receiver.posts) == len(waited), f"not before {pause} seconds"
            server.clock.advance(1)
            server.make_reports()
            waited.append(timedelta(seconds=pause))
            assert len(receiver.posts) == len(waited)
        assert sum(waited, timedelta(0)) < timedelta(days=1)
        assert len({post.headers["webhook-id"] for post in receiver.posts}) == 1
        assert len({post.headers["webhook-timestamp"] for post in receiver.posts}) == 8
        (delivery,) = reports.run(run["id"])["deliveries"]
        assert delivery["state"] == "FAILED"
        server.clock.advance(7 * 24 * 3600)
        server.make_reports()
        assert len(receiver.posts) == 8


def test_private_addresses_are_refused_unless_allowed(embedded: EmbeddedEngine) -> None:
    with office(embedded, webhooks_to_private_addresses=False) as (server, reports, _, receiver):
        for name in ("127.0.0.1", "localhost", "[::1]", "0x7f000001", "169.254.169.254"):
            url = f"http://{name}:{receiver.port}/hook"
            report_id = reports.create(
                f"To {len(name)} {name[1]}".replace(":", "c"), delivery={"webhook": {"url": url}}
            )
            (delivery,) = reports.make(report_id)["deliveries"]
            assert delivery["state"] == "FAILED", name
        server.clock.advance(24 * 3600)
        server.make_reports()
        assert receiver.posts == []


def test_the_secret_of_webhooks_is_told_in_one_place_only(
    embedded: EmbeddedEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever receives them needs it, so who may change reports can read it; nothing else ever shows it."""
    with office(embedded) as (server, reports, box, receiver):
        workspace = server.services.workspaces.get(reports.owner.workspace.id)
        assert workspace is not None
        secret = webhook_secret(workspace)
        receiver.status = lambda: 500
        delivery = {**MAIL, "webhook": {"url": receiver.url}}
        report_id = reports.create("Daily mail", delivery=delivery)
        run = reports.make(report_id)
        shown = [
            reports.call("GET", path).text
            for path in (
                "/v1/reports",
                f"/v1/reports/{report_id}",
                f"/v1/reports/{report_id}/versions",
                "/v1/report-runs",
                f"/v1/report-runs/{run['id']}",
                f"/v1/report-runs/{run['id']}/manifest",
                "/openapi.json",
            )
        ]
        given = {**delivery, "webhook": {"url": receiver.url, "secret": secret}}
        refused = reports.call("PATCH", f"/v1/reports/{report_id}", {"delivery": given})
        assert refused.status_code == 400, "nobody sends it here either"
        shown += [str(post) for post in receiver.posts] + [str(mail.message) for mail in box.mails]
        shown += list(capfd.readouterr())
        assert len(receiver.posts) == 1
        raw = secret.removeprefix("whsec_")
        assert [text for text in shown if raw in text] == []
        assert raw not in refused.text
        assert reports.call("GET", "/v1/report-webhook-secret").json() == {"secret": secret}
        reader = {"Authorization": reports.headers["Authorization"].replace("Basic ", "Basic x")}
        assert server.client.get("/v1/report-webhook-secret", headers=reader).status_code == 401
        assert raw not in json.dumps(run)
