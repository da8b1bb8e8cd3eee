"""`campanile consume` between real brokers and a real server: counted once, whoever is killed in between."""

from __future__ import annotations

import asyncio
import json
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from confluent_kafka import Consumer, Producer
from nats.js.api import StreamConfig

from campanile.cli.main import main
from campanile.client import Client
from tests.support.kafka import kafka_broker
from tests.support.nats import NatsServer, nats_server
from tests.support.processes import free_ports, scratch_folder
from tests.support.server import Campanile, Credentials, Server, running_server

CAMPAIGN = "68e0c0ffee0000000000000b"
NOW = datetime.now(UTC)
"""The servers here live in the time of this machine."""
Record = tuple[bytes, dict[str, str]]


def event(number: int, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"b{number}", "type": "sent", "time": NOW.isoformat(), "campaign_id": CAMPAIGN,
        "channel": "EMAIL", "user_id": f"u-{number % 700}", **more,
    }  # fmt: skip


def records(*events: dict[str, Any]) -> list[Record]:
    return [(json.dumps(item).encode(), {}) for item in events]


class Desk(ABC):
    """A broker as its producers see it."""

    topic: str
    kills: tuple[int, ...]
    """After how many batches consumers are killed. The group of a killed Kafka member waits for it for seconds."""

    @property
    @abstractmethod
    def flags(self) -> list[str]:
        """How `campanile consume` reaches it."""

    @abstractmethod
    def publish(self, messages: Sequence[Record]) -> None:
        """Write messages with headers to the topic; kept when this returns."""

    @abstractmethod
    def dead(self, count: int) -> list[Record]:
        """The first messages of the topic for dead letters."""


class NatsDesk(Desk):
    kills = (3, 5)

    def __init__(self, server: NatsServer, topic: str) -> None:
        self.server = server
        self.topic = topic
        asyncio.run(self._create())

    @property
    def flags(self) -> list[str]:
        return ["--nats", self.server.url, "--topic", self.topic, "--ack-wait", "2"]

    def publish(self, messages: Sequence[Record]) -> None:
        asyncio.run(self._publish(messages))

    def dead(self, count: int) -> list[Record]:
        return asyncio.run(self._read(f"{self.topic}.dlq", count))

    async def _create(self) -> None:
        client = await nats.connect(self.server.url)
        name = self.topic.replace(".", "-")
        await client.jetstream().add_stream(StreamConfig(name=name, subjects=[self.topic, f"{self.topic}.dlq"]))
        await client.close()

    async def _publish(self, messages: Sequence[Record]) -> None:
        client = await nats.connect(self.server.url)
        stream = client.jetstream()
        for body, headers in messages[:-1]:
            await client.publish(self.topic, body, headers=headers or None)
        body, headers = messages[-1]
        await stream.publish(self.topic, body, headers=headers or None)
        await client.close()

    async def _read(self, topic: str, count: int) -> list[Record]:
        client = await nats.connect(self.server.url)
        subscription = await client.jetstream().pull_subscribe(topic)
        found = await subscription.fetch(count, timeout=5)
        await client.close()
        return [(item.data, dict(item.headers or {})) for item in found]


class KafkaDesk(Desk):
    kills = (4,)

    def __init__(self, servers: str, topic: str, folder: Path) -> None:
        self._servers = servers
        self.topic = topic
        self._config = folder / "kafka.properties"
        self._config.write_text(
            "# a killed member should not keep its partitions for long\n"
            "session.timeout.ms=4000\nheartbeat.interval.ms=500\n"
        )

    @property
    def flags(self) -> list[str]:
        return ["--kafka", self._servers, "--topic", self.topic, "--kafka-config", str(self._config)]

    def publish(self, messages: Sequence[Record]) -> None:
        producer = Producer({"bootstrap.servers": self._servers})
        for number, (body, headers) in enumerate(messages):
            producer.produce(self.topic, body, f"u-{number}", headers=[(name, text) for name, text in headers.items()])
        assert producer.flush(30) == 0

    def dead(self, count: int) -> list[Record]:
        consumer = Consumer({"bootstrap.servers": self._servers, "group.id": "dead", "auto.offset.reset": "earliest"})
        consumer.subscribe([f"{self.topic}.dlq"])
        found = consumer.consume(count, 20)
        consumer.close()
        return [(item.value() or b"", {name: value.decode() for name, value in item.headers() or ()}) for item in found]


class ConsumerProcess(Campanile):
    """`campanile consume` as a process that can be killed."""

    def __init__(self, folder: Path, server: Server, shop: Credentials, *flags: str) -> None:
        super().__init__(folder)
        self._command = [
            "consume", *flags, "--server", server.url, "--workspace", shop.workspace_id, "--key", shop.ingest_key,
        ]  # fmt: skip

    @property
    def command(self) -> list[str]:
        return self._command

    def ready(self) -> bool:
        return '"ready"' in self.log.read_text()

    def batches(self) -> int:
        """Batches acknowledged so far, over all starts."""
        return self.log.read_text().count('"message": "batch"')

    def wait_for_batches(self, count: int, *, since: int = 0) -> None:
        """Until there are so many batches more than `since`: some may be there before anybody waits for them."""
        self.wait_until(lambda: self.batches() >= since + count)

    def wait_for_word(self, word: str) -> None:
        self.wait_until(lambda: word in self.log.read_text())

    def finish(self) -> int:
        """Wait until it ends by itself; its exit code."""
        assert self._process is not None, "not started"
        return self._process.wait(60)

    def end(self) -> int:
        """Ask it to end as a supervisor does."""
        assert self._process is not None, "not started"
        self._process.send_signal(signal.SIGTERM)
        return self.finish()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with scratch_folder("consume") as folder, running_server(folder / "data", {"min_free_bytes": "0"}) as running:
        yield running


@pytest.fixture
def shop(server: Server) -> Credentials:
    return server.create_workspace("Shop")


@pytest.fixture(scope="module")
def nats_running() -> Iterator[NatsServer]:
    with nats_server() as running:
        yield running


@pytest.fixture(scope="module")
def kafka_running() -> Iterator[str]:
    with kafka_broker() as servers:
        yield servers


@pytest.fixture(params=["nats", "kafka"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    topic = f"{request.node.originalname}.{request.param}"
    if request.param == "nats":
        return NatsDesk(request.getfixturevalue("nats_running"), topic)
    return KafkaDesk(request.getfixturevalue("kafka_running"), topic, tmp_path)


def run(folder: Path, server: Server, shop: Credentials, desk: Desk, *flags: str) -> tuple[int, dict[str, Any]]:
    """One consumer until nothing is left: its exit code and totals."""
    process = ConsumerProcess(folder, server, shop, *desk.flags, "--once", *flags)
    process.start()
    code = process.finish()
    totals = json.loads(process.log.read_text().splitlines()[-1])
    return code, {name: totals.get(name) for name in ("messages", "accepted", "duplicates", "dead")}


def counted(server: Server, shop: Credentials) -> dict[str, int]:
    """The campaign's `sent` by metric type."""
    found = {}
    days = {"start_date": str((NOW - timedelta(days=1)).date()), "end_date": str((NOW + timedelta(days=1)).date())}
    with Client(server.url, shop.workspace_id, shop.report_key) as client:
        for kind in ("TOTAL", "UNIQUE"):
            page = client.stats_page(campaign_ids=[CAMPAIGN], metric_type=kind, **days)
            node = page.data[CAMPAIGN][0]["platforms"]["EMAIL"]["locales"]["all_locales"]["variations"]
            found[kind] = node["all_variations"]["performance_stats"]["sent"]
    return found


@pytest.mark.slow
def test_good_messages_count_and_bad_ones_are_put_aside(
    server: Server, shop: Credentials, desk: Desk, tmp_path: Path
) -> None:
    bad = [(b"{broken", {"trace": "t1"}), (json.dumps(event(2, type="unheard of")).encode(), {})]
    foreign = [(json.dumps(event(3)).encode(), {"workspace": "WANOTHER"})]
    named = [(json.dumps(event(4)).encode(), {"workspace": shop.workspace_id})]
    desk.publish([*bad, *records(*(event(number) for number in range(10, 310))), *foreign, *named])
    code, totals = run(tmp_path / "one", server, shop, desk, "--dead-letters", f"{desk.topic}.dlq", "--batch", "100")
    assert (code, totals) == (1, {"messages": 304, "accepted": 301, "duplicates": 0, "dead": 3})
    assert counted(server, shop) == {"TOTAL": 301, "UNIQUE": 301}
    dead = {headers["code"]: (body, headers) for body, headers in desk.dead(3)}
    assert sorted(dead) == ["invalid_json", "unknown_type", "wrong_workspace"]
    body, headers = dead["invalid_json"]
    assert (body, headers["trace"], headers["source_topic"]) == (b"{broken", "t1", desk.topic)
    assert dead["unknown_type"][1]["field"] == "type"
    code, totals = run(tmp_path / "two", server, shop, desk, "--group", "again", "--errors", str(tmp_path / "errors"))
    assert (code, totals["duplicates"], totals["dead"]) == (1, 301, 3)


@pytest.mark.slow
def test_killed_consumers_and_servers_lose_nothing_and_count_nothing_twice(
    server: Server, shop: Credentials, desk: Desk, tmp_path: Path
) -> None:
    count = 3000
    desk.publish(records(*(event(number) for number in range(count))))
    flags = ("--batch", "50", "--errors", str(tmp_path / "errors"))
    process = ConsumerProcess(tmp_path / "killed", server, shop, *desk.flags, *flags)
    done = 0
    for batches in desk.kills:
        process.start()
        process.wait_for_batches(batches, since=done)
        process.kill()
        done = process.batches()
    process.start()
    process.wait_for_batches(2, since=done)
    server.kill()
    done = process.batches()
    server.start()
    process.wait_for_batches(5, since=done)
    assert process.end() == 0
    assert process.batches() < count / 50, "everything was read before the last kill: the test proves little"
    code, totals = run(tmp_path / "last", server, shop, desk, *flags)
    assert (code, totals["dead"]) == (0, 0)
    assert counted(server, shop) == {"TOTAL": count, "UNIQUE": 700}


@pytest.mark.slow
def test_who_is_asked_to_end_leaves_nothing_behind(
    server: Server, shop: Credentials, desk: Desk, tmp_path: Path
) -> None:
    desk.publish(records(*(event(number) for number in range(20))))
    (port,) = free_ports(1)
    flags = ("--errors", str(tmp_path / "errors"), "--metrics-port", str(port))
    process = ConsumerProcess(tmp_path / "ended", server, shop, *desk.flags, *flags)
    process.start()
    process.wait_for_batches(1)
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'consume_messages_total{result="accepted"}' in metrics
    assert process.end() == 0
    *_, stopped, totals = process.log.read_text().splitlines()
    assert '"message": "stopped"' in stopped
    assert json.loads(totals)["accepted"] == 20
    code, left = run(tmp_path / "next", server, shop, desk, "--errors", str(tmp_path / "errors"))
    assert (code, left["messages"]) == (0, 0)
    assert counted(server, shop)["TOTAL"] == 20


@pytest.mark.slow
def test_a_broker_that_comes_back_is_read_on(
    server: Server, shop: Credentials, nats_running: NatsServer, tmp_path: Path
) -> None:
    desk = NatsDesk(nats_running, "back.again")
    desk.publish(records(event(1)))
    process = ConsumerProcess(tmp_path / "waiting", server, shop, *desk.flags, "--errors", str(tmp_path / "errors"))
    process.start()
    process.wait_for_batches(1)
    nats_running.stop()
    process.wait_for_word("broker_not_ready")
    nats_running.start()
    desk.publish(records(event(2)))
    process.wait_for_batches(1, since=1)
    assert process.end() == 0
    assert counted(server, shop)["TOTAL"] == 2


@pytest.mark.slow
def test_counts_come_by_broker_too(server: Server, shop: Credentials, nats_running: NatsServer, tmp_path: Path) -> None:
    desk = NatsDesk(nats_running, "counts")
    snapshot = {
        "snapshot_id": "s1", "campaign_id": CAMPAIGN, "channel": "EMAIL", "date": str(NOW.date()),
        "as_of": NOW.isoformat(), "performance": {"sent": 1234},
    }  # fmt: skip
    desk.publish(records(snapshot, {**snapshot, "snapshot_id": "s2", "date": "yesterday"}))
    code, totals = run(
        tmp_path / "counts", server, shop, desk, "--kind", "funnel", "--errors", str(tmp_path / "errors")
    )
    assert (code, totals["accepted"], totals["dead"]) == (1, 1, 1)
    assert counted(server, shop)["TOTAL"] == 1234


@pytest.mark.slow
def test_a_wrong_key_ends_at_once_and_acknowledges_nothing(
    server: Server, shop: Credentials, nats_running: NatsServer, tmp_path: Path
) -> None:
    desk = NatsDesk(nats_running, "wrong.key")
    desk.publish(records(event(1)))
    wrong = ConsumerProcess(tmp_path / "wrong", server, shop._replace(ingest_key="cmpi_no"), *desk.flags, "--once",
                            "--errors", str(tmp_path / "errors"))  # fmt: skip
    wrong.start()
    assert wrong.finish() == 2
    assert "the server refuses this consumer" in wrong.log.read_text()
    _, totals = run(tmp_path / "right", server, shop, desk, "--errors", str(tmp_path / "errors"))
    assert totals["accepted"] == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "either --kafka or --nats"),
        (("--kafka", "k:1", "--nats", "nats://n:1"), "either --kafka or --nats"),
        (("--kafka", "k:1", "--batch", "0"), "--batch"),
        (("--nats", "nats://n:1", "--ack-wait", "0"), "--ack-wait"),
        (("--kafka", "k:1", "--dead-letters", "x", "--errors", "y"), "exclude each other"),
        (("--kafka", "k:1", "--kind", "funnel", "--backfill"), "for events"),
        (("--kafka", "k:1", "--set", "channel"), "FIELD=VALUE"),
        (("--kafka", "k:1"), "which workspace"),
    ],
)
def test_wrong_calls(flags: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["consume", *flags]) == 3
    assert words in capsys.readouterr().err


def test_settings_of_the_library_are_checked_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "kafka.properties"
    for text, words in (("no.such.thing=1", "no.such.thing"), ("nonsense", "line 1"), (None, "cannot read")):
        config.unlink(missing_ok=True)
        if text is not None:
            config.write_text(text)
        assert main(["consume", "--kafka", "k:1", "--kafka-config", str(config)]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--nats", "--kafka"])
def test_a_broker_that_is_not_there_is_named_and_a_signal_ends_the_waiting(
    server: Server, shop: Credentials, flag: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}" if flag == "--kafka" else f"nats://127.0.0.1:{port}"
    process = ConsumerProcess(tmp_path / "alone", server, shop, flag, address, "--errors", str(tmp_path / "errors"))
    process.start()
    process.wait_for_word("broker_not_ready")
    assert process.end() == 0
