"""Webhooks: signed, to the address that was looked up, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from campanile.reports.delivery.webhook import WebhookFailed, WebhookRefused, WebhookSender
from tests.reports.delivery.servers import Receiver, web_server
from tests.support.processes import free_ports

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONTENT = {"type": "report.finished", "data": {"name": "Été"}}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with web_server(free_ports(1)[0]) as found:
        yield found


@pytest.fixture
def sender() -> Iterator[WebhookSender]:
    made = WebhookSender(allow_private=True)
    yield made
    made.close()


def test_the_receiver_can_verify_it(receiver: Receiver, sender: WebhookSender) -> None:
    now = datetime.now(UTC)
    sender.post(receiver.url, "msg_1", CONTENT, SECRET, now)
    (post,) = receiver.posts
    assert post.path == "/hook?x=1"
    assert post.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["webhook-id"] == "msg_1"
    assert Webhook(SECRET).verify(post.body, post.headers) == CONTENT == json.loads(post.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(post.body + b" ", post.headers)


def test_the_signature_covers_the_time(receiver: Receiver, sender: WebhookSender) -> None:
    sender.post(receiver.url, "msg_1", CONTENT, SECRET, datetime.now(UTC) - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(receiver.posts[0].body, receiver.posts[0].headers)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 429, 500, 503])
def test_other_answers_are_failures_and_redirects_are_not_followed(
    receiver: Receiver, sender: WebhookSender, status: int
) -> None:
    receiver.status = lambda: status
    with pytest.raises(WebhookFailed, match=str(status)):
        sender.post(receiver.url, "msg_1", CONTENT, SECRET, datetime.now(UTC))
    assert [post.path for post in receiver.posts] == ["/hook?x=1"]


def test_a_receiver_may_want_no_more(receiver: Receiver, sender: WebhookSender) -> None:
    receiver.status = lambda: 410
    with pytest.raises(WebhookRefused):
        sender.post(receiver.url, "msg_1", CONTENT, SECRET, datetime.now(UTC))


def test_nobody_there(sender: WebhookSender) -> None:
    with pytest.raises(WebhookFailed, match="ConnectError"):
        sender.post(f"http://127.0.0.1:{free_ports(1)[0]}/", "msg_1", CONTENT, SECRET, datetime.now(UTC))


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "file:///etc/passwd", "http://", "https:///x", "http://x:99999/"]
)
def test_other_addresses(sender: WebhookSender, url: str) -> None:
    with pytest.raises(WebhookRefused):
        sender.post(url, "msg_1", CONTENT, SECRET, datetime.now(UTC))


def test_private_addresses_are_refused_by_default(receiver: Receiver) -> None:
    sender = WebhookSender(allow_private=False)
    for url in (receiver.url, receiver.url.replace("127.0.0.1", "localhost"), f"http://[::1]:{receiver.port}/"):
        with pytest.raises(WebhookRefused, match="not a public address"):
            sender.post(url, "msg_1", CONTENT, SECRET, datetime.now(UTC))
    assert receiver.posts == []
    sender.close()


def test_the_connection_goes_to_the_address_that_was_checked(receiver: Receiver) -> None:
    """The name is looked up once: a second answer cannot lead elsewhere."""
    asked: list[str] = []

    def lookup(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    sender = WebhookSender(allow_private=True, lookup=lookup)
    sender.post(f"http://rebinding.example:{receiver.port}/x", "msg_1", CONTENT, SECRET, datetime.now(UTC))
    assert asked == ["rebinding.example"]
    assert receiver.posts[0].headers["host"] == f"rebinding.example:{receiver.port}"
    sender.close()


def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, sender: WebhookSender
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    fresh = WebhookSender(allow_private=True)
    fresh.post(receiver.url, "msg_1", CONTENT, SECRET, datetime.now(UTC))
    assert len(receiver.posts) == 1
    fresh.close()


def test_names_in_certificates_are_those_of_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is in the URL of the request, the name goes to the TLS layer."""
    import httpx

    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((str(request.url), request.extensions["sni_hostname"], request.headers["host"]))
        return httpx.Response(200)

    sender = WebhookSender(
        allow_private=False, lookup=lambda *_: ["2606:2800:220:1::1"], transport=httpx.MockTransport(answer)
    )
    sender.post("https://hooks.example.com/x", "msg_1", CONTENT, SECRET, datetime.now(UTC))
    assert seen == [("https://[2606:2800:220:1::1]/x", "hooks.example.com", "hooks.example.com")]
    sender.close()
