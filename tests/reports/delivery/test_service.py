"""Deliveries end to end: a run ends, a mail server and a web server get to know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from campanile.clock import FixedClock
from campanile.jobs.queue import HOLD
from campanile.jobs.worker import Worker
from campanile.reports.delivery.email import MailServer
from campanile.reports.delivery.messages import Sender
from campanile.reports.delivery.secrets import link_token, webhook_secret
from campanile.reports.delivery.service import DeliveryService
from campanile.reports.delivery.webhook import WebhookSender
from campanile.reports.runs.announcing import DELIVERY_JOB
from campanile.reports.runs.orders import RUN_JOB
from campanile.reports.runs.schemas import Run
from campanile.reports.schemas import EmailDelivery, RestDelivery, WebhookDelivery
from tests.reports.delivery.servers import Mailbox, Receiver, mail_server, web_server
from tests.reports.runs.world import World
from tests.support.metadata import sqlite_metadata
from tests.support.processes import free_ports

pytestmark = pytest.mark.slow

SENDER = Sender(address="reports@example.com", subject="Ready", domain="example.com")
MAIL = EmailDelivery(recipients=("a@example.com", "b@example.com"))


class Post:
    """A world with its post office."""

    def __init__(self, world: World, box: Mailbox, receiver: Receiver, mail_port: int | None) -> None:
        self.world = world
        self.box = box
        self.receiver = receiver
        self.service = DeliveryService(
            world.metadata,
            world.clock,
            world.queue,
            world.workspaces,
            world.store,
            WebhookSender(allow_private=True),
            None if mail_port is None else MailServer("smtp", "127.0.0.1", mail_port),
            SENDER,
            base_url="https://reports.example.com/",
            attachment_bytes=1000,
        )
        world.worker = Worker(world.queue, {RUN_JOB: world.generator.handle, DELIVERY_JOB: self.service.handle})

    def run(self, **spec: Any) -> Run:
        definition = self.world.define(**spec)
        run = self.world.start(definition)
        self.world.work()
        return self.world.run(run)

    def states(self, run: Run) -> list[str]:
        return [delivery.state for delivery in self.world.run(run).deliveries]


@pytest.fixture
def post(_sqlite_template: Path, tmp_path: Path) -> Iterator[Post]:
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0))  # receivers compare time stamps with their own clock
    mail_port, web_port = free_ports(2)
    with (
        sqlite_metadata(_sqlite_template, tmp_path) as metadata,
        mail_server(mail_port) as box,
        web_server(web_port) as receiver,
    ):
        world = World(metadata, clock, tmp_path)
        world.workspace()
        made = Post(world, box, receiver, mail_port)
        yield made
        made.service.close()


def test_everybody_gets_a_message_of_their_own(post: Post) -> None:
    run = post.run(delivery=(RestDelivery(), MAIL, WebhookDelivery(post.receiver.url)))
    assert post.states(run) == ["SENT"] * 3
    assert sorted(found.recipients for found in post.box.mails) == [["a@example.com"], ["b@example.com"]]
    workspace = post.world.workspaces.get("W")
    assert workspace is not None
    assert run.file is not None
    link = f"https://reports.example.com/v1/export/file/{link_token(workspace, run.file.id)}"
    for found in post.box.mails:
        plain = found.message.get_body(("plain",))
        assert plain is not None
        assert re.findall(r"https?://\S+", plain.get_content()) == [link]
        (attached,) = found.message.iter_attachments()
        assert attached.get_content() == post.world.content(run)  # type: ignore[attr-defined]
    (sent,) = post.receiver.posts
    content = Webhook(webhook_secret(workspace)).verify(sent.body, sent.headers)
    assert content == json.loads(sent.body)
    assert content["type"] == "report.finished"
    assert (
        content["data"].items()
        >= {
            "run_id": run.id,
            "status": "SUCCESSFUL",
            "file_name": run.file.name,
            "size": run.file.size,
            "sha256": run.file.sha256,
            "error": None,
        }.items()
    )
    assert [delivery["state"] for delivery in run.document()["deliveries"]] == ["SENT"] * 3


def test_large_files_and_those_that_need_a_login_are_not_attached(post: Post) -> None:
    post.world.rows.batches = {"PUSH": [[(f"campaign {number * 7919}", number) for number in range(2000)]]}
    post.run(name="Large", delivery=(MAIL,))
    post.world.rows.batches = {"PUSH": [[("c1", 1)]]}
    post.run(name="Locked", delivery=(EmailDelivery(recipients=("c@example.com",), require_login=True),))
    assert len(post.box.mails) == 3
    assert [list(found.message.iter_attachments()) for found in post.box.mails] == [[], [], []]


def test_a_mail_is_tried_four_times(post: Post) -> None:
    post.box.answer = lambda address: "451 later" if address.startswith("a") else "250 OK"
    run = post.run(delivery=(MAIL,))
    assert post.states(run) == ["PENDING", "SENT"]
    for minutes in (5, 20, 60):
        post.world.clock.advance(minutes * 60 - 1)
        assert post.world.work() == 0
        post.world.clock.advance(1)
        assert post.world.work() == 1
    assert post.states(run) == ["FAILED", "SENT"]
    assert "451" in post.world.run(run).deliveries[0].note
    assert len(post.box.mails) == 1
    assert post.world.run(run).state == "SUCCESSFUL", "a problem with mails is none of the run"


def test_a_recipient_that_does_not_exist_is_tried_once(post: Post) -> None:
    post.box.answer = lambda _: "550 unknown"
    run = post.run(delivery=(MAIL,))
    assert post.states(run) == ["FAILED", "FAILED"]
    assert post.world.queue.waiting([DELIVERY_JOB]) == 0


def test_webhooks_are_tried_eight_times_within_a_day_under_one_id(post: Post) -> None:
    post.receiver.status = lambda: 503
    run = post.run(delivery=(WebhookDelivery(post.receiver.url),))
    begun = post.world.clock.now()
    for pause in (5, 300, 1800, 7200, 18_000, 21_600, 36_000):
        assert post.states(run) == ["PENDING"]
        post.world.clock.advance(pause)
        assert post.world.work() == 1
    assert post.states(run) == ["FAILED"]
    assert len(post.receiver.posts) == 8
    assert len({sent.headers["webhook-id"] for sent in post.receiver.posts}) == 1
    assert len({sent.headers["webhook-timestamp"] for sent in post.receiver.posts}) == 8
    assert post.world.clock.now() - begun < timedelta(hours=24)


def test_webhooks_tell_of_failures_and_of_nothing(post: Post) -> None:
    post.world.rows.batches = {}
    nothing = post.run(name="Nothing", delivery=(WebhookDelivery(post.receiver.url),))
    post.world.rows.batches = {"PUSH": [[("c1", 1)]]}

    def fail() -> None:
        raise ZeroDivisionError

    post.world.rows.before = fail
    failed = post.run(name="Failing", owner="owner@example.com", delivery=(WebhookDelivery(post.receiver.url), MAIL))
    first, second = (json.loads(sent.body) for sent in post.receiver.posts)
    assert (first["type"], first["data"]["status"], first["data"]["file_name"]) == ("report.no_data", "NO_DATA", None)
    assert (second["type"], second["data"]["error"]["code"]) == ("report.failed", "internal")
    assert [found.recipients for found in post.box.mails] == [["owner@example.com"]]
    assert post.states(nothing) == ["SENT"]
    assert post.states(failed) == ["SENT", "SENT"]


def test_without_a_mail_server_mails_fail_at_once(post: Post) -> None:
    Post(post.world, post.box, post.receiver, None)
    run = post.run(delivery=(MAIL,))
    assert post.states(run) == ["FAILED", "FAILED"]
    assert "no mail server" in post.world.run(run).deliveries[0].note


def test_a_message_about_a_run_that_is_gone_is_dropped(post: Post) -> None:
    post.box.answer = lambda _: "451 later"
    run = post.run(delivery=(MAIL,))
    assert run.definition_id is not None
    post.world.clock.advance(7 * 24 * 3600)
    post.world.runs.purge()
    post.world.clock.advance(90 * 24 * 3600)
    assert post.world.runs.forget(timedelta(days=90)) == 1
    assert post.world.work() == 2
    assert post.world.queue.waiting([DELIVERY_JOB]) == 0


def test_a_delivery_whose_workers_always_die_ends(post: Post) -> None:
    post.world.worker = Worker(post.world.queue, {RUN_JOB: post.world.generator.handle})
    run = post.run(delivery=(EmailDelivery(recipients=("a@example.com",)),))
    for _ in range(4):
        assert post.world.queue.claim([DELIVERY_JOB]) is not None
        post.world.clock.advance(HOLD.total_seconds())
    post.world.worker = Worker(post.world.queue, {DELIVERY_JOB: post.service.handle})
    assert post.world.work() == 1
    assert (post.states(run), post.box.mails) == (["FAILED"], [])
