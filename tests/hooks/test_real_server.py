"""Webhooks at a real server that is killed, cannot write, and starts again: counted once, and no address is kept."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from campanile.client import Client
from tests.hooks.reports import ADDRESS, AGENT, HOST, NUMBER, QUERY, reported
from tests.hooks.served import AUTH_TOKEN, BASE_URL, PASSWORD, SECRETS, SIGNING_KEY, signed_delivery
from tests.intake.worlds import CAMPAIGN
from tests.support.engines import stored_texts
from tests.support.processes import read_only, wait_until
from tests.support.server import Credentials, Server

pytestmark = pytest.mark.slow

KINDS = {
    "sendgrid": ["processed", "delivered", "open", "spamreport"],
    "mailgun": ["accepted", "delivered", "opened", "complained"],
    "postmark": ["delivered"],
    "twilio": ["sent", "delivered"],
    "whatsapp": ["sent", "delivered", "read"],
}
"""Without Amazon, whose signatures need Amazon's certificates."""
HOUSES = {"EMAIL": ("sendgrid", "mailgun", "postmark"), "SMS": ("twilio",), "WHATSAPP": ("whatsapp",)}
"""A workspace per channel: its providers report about one campaign."""
MESSAGES = 12
PER_MESSAGE = {
    "EMAIL": {"sent": 3, "delivered": 3, "opened": 2, "complaint": 2},
    "SMS": {"sent": 1, "delivered": 1},
    "WHATSAPP": {"sent": 1, "delivered": 1, "read": 1},
}
"""What the reports of all providers of a channel about one message each count."""
LATE = 2
"""Further messages, reported while the store is down."""
KILLS = 2


class Delivery(NamedTuple):
    """One report, ready to be posted any number of times."""

    provider: str
    message: int
    url: str
    body: bytes
    headers: dict[str, str]


class World:
    """A server, its workspaces and hooks, and every delivery of the test."""

    def __init__(self, data: Path) -> None:
        self.server = Server(data, {"min_free_bytes": "0", "base_url": BASE_URL}, privileged=False)
        self.houses: dict[str, Credentials] = {
            channel: self.server.create_workspace(channel.capitalize()) for channel in HOUSES
        }
        self.dice = random.Random(20260318)
        self.server.start()
        now = datetime.now(UTC)
        self.days = {
            "start_date": str((now - timedelta(days=1)).date()),
            "end_date": str((now + timedelta(days=1)).date()),
        }
        made = [delivery for channel in HOUSES for delivery in self._deliveries(channel, now)]
        self.deliveries = [delivery for delivery in made if delivery.message < MESSAGES]
        self.late = [delivery for delivery in made if delivery.message >= MESSAGES]

    def _deliveries(self, channel: str, now: datetime) -> Iterator[Delivery]:
        house = self.houses[channel]
        with Client(self.server.url, house.workspace_id, house.manage_key) as client:
            for provider in HOUSES[channel]:
                path = httpx.URL(client.hooks.create(provider, secret=SECRETS[provider])["url"]).path
                for number in range(MESSAGES + LATE):
                    for kind in KINDS[provider]:
                        content = reported(provider, kind, message=f"m-{number}", at=int(now.timestamp()) - 60)
                        yield self.delivery(provider, path, content, now, number)

    @staticmethod
    def delivery(provider: str, path: str, content: Any, now: datetime, message: int = 0) -> Delivery:
        url = path + (f"?{QUERY[provider]}" if provider in QUERY else "")
        return Delivery(provider, message, url, *signed_delivery(provider, content, url, now))

    def post(self, delivery: Delivery, client: httpx.Client) -> bool:
        """Whether it was acknowledged."""
        try:
            answer = client.post(self.server.url + delivery.url, content=delivery.body, headers=delivery.headers)
        except httpx.TransportError:
            return False
        assert answer.status_code < 300 or answer.status_code >= 500, answer.text
        return answer.status_code < 300

    def numbers(self) -> dict[str, dict[str, int]]:
        return {channel: self._numbers(channel) for channel in HOUSES}

    def _numbers(self, channel: str) -> dict[str, int]:
        house = self.houses[channel]
        with Client(self.server.url, house.workspace_id, house.report_key) as client:
            page = client.stats_page(campaign_ids=[CAMPAIGN], **self.days)
        locales = page.data[CAMPAIGN][0]["platforms"][channel]["locales"]
        stats = locales["all_locales"]["variations"]["all_variations"]["performance_stats"]
        return {name: stats[name] for name in PER_MESSAGE[channel]}

    def parcels(self) -> list[Path]:
        return list((self.server.data / "spool").glob("*.parcel"))

    def traces(self) -> list[tuple[str, str]]:
        """Everything personal or secret found in files of the server and in what its store holds."""
        marks = (ADDRESS, NUMBER, HOST, AGENT, PASSWORD, AUTH_TOKEN, SIGNING_KEY, *self._keys())
        files = [path for path in (*self.server.data.rglob("*"), self.server.log) if path.is_file()]
        assert len(files) > 10
        return [(path.name, mark) for path in files for mark in marks if mark.encode() in path.read_bytes()]

    def _keys(self) -> Iterator[str]:
        for house in self.houses.values():
            yield from (house.ingest_key, house.manage_key, house.report_key)


def expected(messages: int) -> dict[str, dict[str, int]]:
    """The numbers after every report about so many messages."""
    return {channel: {name: count * messages for name, count in each.items()} for channel, each in PER_MESSAGE.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("hooks") / "data")
    yield made
    made.server.kill()


def _until_killed(world: World, deliveries: list[Delivery]) -> list[Delivery]:
    """Post deliveries from two threads, kill the server in between; those without an answer."""
    left: list[Delivery] = []
    started = threading.Event()

    def send(part: list[Delivery]) -> None:
        with httpx.Client(timeout=30) as client:
            for delivery in part:
                started.set()
                if not world.post(delivery, client):
                    left.append(delivery)

    threads = [threading.Thread(target=send, args=(deliveries[number::2],)) for number in range(2)]
    for thread in threads:
        thread.start()
    started.wait(10)
    time.sleep(world.dice.uniform(0.05, 0.4))  # when the power fails is up to chance
    world.server.kill()
    for thread in threads:
        thread.join()
    return left


def test_killed_at_any_moment_everything_counts_once(world: World) -> None:
    open_deliveries = world.deliveries[:]
    world.dice.shuffle(open_deliveries)
    interrupted = 0
    for _ in range(KILLS):
        again = world.dice.sample(world.deliveries, 10)
        left = _until_killed(world, [*again, *open_deliveries])
        interrupted += bool(left)
        open_deliveries = [delivery for delivery in open_deliveries if delivery in left]
        world.server.start()
    with httpx.Client(timeout=30) as client:
        assert all([world.post(delivery, client) for delivery in [*open_deliveries, *world.deliveries]])  # noqa: C419
    assert interrupted, "no kill hit a delivery: the test proves little"
    assert world.numbers() == expected(MESSAGES)


def test_while_the_store_is_down_deliveries_wait_on_disk_through_a_kill(world: World) -> None:
    """Runs after the other, on its numbers."""
    now = datetime.now(UTC)
    path = next(delivery.url for delivery in world.deliveries if delivery.provider == "sendgrid")
    bad = {**reported("sendgrid", "bounce")[0], "reason": f"550 <{ADDRESS}> {HOST} +{NUMBER}", "timestamp": 1}
    strange = [bad, {"event": ADDRESS}, {"event": "open", ADDRESS: NUMBER, "useragent": AGENT}]
    with httpx.Client(timeout=30) as client:
        with read_only(world.server.data / "engine"):
            assert all([world.post(delivery, client) for delivery in [*world.late, *world.late]])  # noqa: C419
            assert world.parcels()
            assert world.traces() == []
            world.server.kill()
        world.server.start()
        assert world.post(world.delivery("sendgrid", path, strange, now), client)
    wait_until(lambda: not world.parcels(), what="the replay of spooled deliveries")
    assert world.numbers() == expected(MESSAGES + LATE)
    house = world.houses["EMAIL"]
    with Client(world.server.url, house.workspace_id, house.manage_key) as client_of_house:
        letters = client_of_house.hooks.dead_letters()
    assert len(letters) == len(strange) - 1, "what has no type we know is ignored"
    assert not any(mark in repr(letters) for mark in (ADDRESS, NUMBER, HOST, AGENT))
    world.server.stop()
    assert world.traces() == []
    texts = stored_texts(world.server.data)  # the files of the store are compressed
    assert f"m-{MESSAGES}" in texts
    assert not any(mark in texts for mark in (ADDRESS, NUMBER, HOST, AGENT, PASSWORD))
