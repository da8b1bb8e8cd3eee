"""Two server processes on one cluster, one PostgreSQL and one Redis behave as one server."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import NamedTuple

import httpx
import pytest

from tests.support.clickhouse import ClusterInfo, clickhouse_cluster
from tests.support.postgres import postgres_database
from tests.support.redis import redis_server
from tests.support.server import Credentials, Server
from tests.support.traffic import Reader, Sender

pytestmark = pytest.mark.slow

EVENTS = 500
"""Events per request."""
REQUESTS = 20
KILLS = 6


class Pair(NamedTuple):
    """Both processes and a workspace."""

    servers: tuple[Server, Server]
    credentials: Credentials
    cluster: ClusterInfo


@pytest.fixture(name="pair", scope="module")
def _pair(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        cluster = stack.enter_context(clickhouse_cluster())
        shared = {
            "engine_url": cluster.url,
            "metadata_url": stack.enter_context(postgres_database(postgres_url)),
            "limiter_url": stack.enter_context(redis_server()),
            "secret_key": "a key of thirty-two characters or more",
            "min_free_bytes": "0",
        }
        servers = Server(folder / "first", shared), Server(folder / "second", shared)
        for server in servers:
            stack.callback(server.stop)
            server.start()
        credentials = servers[0].create_workspace("Two processes")
        servers[0].run("workspace", "set", credentials.workspace_id, "rate_limit=1000000")
        yield Pair(servers, credentials, cluster)


def test_the_same_events_through_both_count_once(pair: Pair) -> None:
    """Both processes get every request, at the same time and in another order."""
    campaign = "68e0c0ffee00000000000e01"
    with ExitStack() as stack:
        senders = [
            stack.enter_context(closing(Sender(server.url, pair.credentials, campaign, "twice")))
            for server in pair.servers
        ]
        reader = stack.enter_context(closing(Reader(pair.servers[0].url, pair.credentials, campaign)))
        dice = random.Random(7)
        batches = [[f"twice-{request}-{number}" for number in range(EVENTS)] for request in range(REQUESTS)]
        orders = [dice.sample(batches, REQUESTS) for _ in senders]
        threads = [
            threading.Thread(target=_post_all, args=(sender, order))
            for sender, order in zip(senders, orders, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(sender.acknowledged) for sender in senders] == [EVENTS * REQUESTS] * 2
        assert reader.performance("TOTAL")["sent"] == EVENTS * REQUESTS
        assert reader.performance("UNIQUE")["sent"] == EVENTS * REQUESTS
        assert sum(sender.accepted for sender in senders) == EVENTS * REQUESTS, "each event was new to one of them only"


def test_what_one_acknowledged_the_other_shows(pair: Pair) -> None:
    campaign = "68e0c0ffee00000000000e02"
    first, second = pair.servers
    with ExitStack() as stack:
        sender = stack.enter_context(closing(Sender(first.url, pair.credentials, campaign, "seen")))
        reader = stack.enter_context(closing(Reader(second.url, pair.credentials, campaign)))
        for _ in range(REQUESTS):
            assert sender.send(EVENTS)
            assert reader.count() == len(sender.acknowledged)


def test_one_may_die_while_the_other_takes_over(pair: Pair) -> None:
    """A client whose process was killed repeats its requests at the other process."""
    campaign = "68e0c0ffee00000000000e03"
    dice = random.Random(11)
    with ExitStack() as stack:
        sender = stack.enter_context(closing(Sender(pair.servers[0].url, pair.credentials, campaign, "moved")))
        reader = stack.enter_context(closing(Reader(pair.servers[0].url, pair.credentials, campaign)))
        for kill in range(KILLS):
            dying, living = pair.servers[kill % 2], pair.servers[1 - kill % 2]
            sender.address(dying.url)
            thread = threading.Thread(target=sender.send_until, args=(threading.Event(), [EVENTS] * 1000))
            thread.start()
            thread.join(dice.uniform(0.05, 0.5))
            dying.kill()
            thread.join()
            sender.address(living.url)
            assert sender.resend()
            reader.address(living.url)
            assert reader.performance("TOTAL")["sent"] == len(sender.sent)
            assert reader.performance("UNIQUE")["sent"] == len(sender.sent)
            dying.start()
        rows = pair.cluster.run(
            f"SELECT uniqExact(event_id) FROM campanile.events_local WHERE campaign_id = '{campaign}'"
        )
        assert sum(int(count) for count in rows) == len(sender.sent)


class Merger(Sender):
    """Posts merges instead: of the users of events into the users of the first few of them."""

    PEOPLE = 5

    def _event(self, event_id: str) -> dict[str, str]:
        name, _, number = event_id.rpartition("-")
        return {
            "event_id": f"merge-{event_id}",
            "type": "user_merge",
            "time": super()._event(event_id)["time"],
            "from_user_id": f"user-{event_id}",
            "to_user_id": f"user-{name}-{int(number) % self.PEOPLE}",
        }


def test_users_are_merged_by_one_while_the_other_takes_their_events(pair: Pair) -> None:
    """Some before their events, some after; the merging process dies again and again."""
    campaign = "68e0c0ffee00000000000e04"
    batches = [[f"people-{number}" for number in range(20 * part, 20 * part + 20)] for part in range(KILLS)]
    dice = random.Random(13)
    with ExitStack() as stack:
        sender = stack.enter_context(closing(Sender(pair.servers[0].url, pair.credentials, campaign, "people")))
        merger = stack.enter_context(closing(Merger(pair.servers[1].url, pair.credentials, campaign, "people")))
        reader = stack.enter_context(closing(Reader(pair.servers[0].url, pair.credentials, campaign)))
        assert sender.post([f"people-{number}" for number in range(Merger.PEOPLE)])
        for batch in batches:
            rows = [name for name in batch if int(name.rpartition("-")[2]) >= Merger.PEOPLE]
            threads = [threading.Thread(target=_post_all, args=(who, [rows])) for who in (sender, merger)]
            for thread in threads:
                thread.start()
            threads[1].join(dice.uniform(0.02, 0.2))
            pair.servers[1].kill()
            for thread in threads:
                thread.join()
            pair.servers[1].start()
            assert merger.resend()
            reader.address(dice.choice(pair.servers).url)
            assert reader.performance("TOTAL")["sent"] == len(sender.acknowledged) == len(sender.sent)
            assert reader.performance("UNIQUE")["sent"] == Merger.PEOPLE
        assert sender.post(["people-again"])
        assert reader.performance("UNIQUE")["sent"] == Merger.PEOPLE + 1


def test_the_rate_limit_is_one(pair: Pair) -> None:
    """Exactly the allowed number of requests passes, whichever process they come to."""
    limit = 30
    credentials = pair.servers[0].create_workspace("Limited")
    pair.servers[0].run("workspace", "set", credentials.workspace_id, f"rate_limit={limit}")
    statuses: list[int] = []

    def ask(server: Server) -> None:
        with httpx.Client(auth=(credentials.workspace_id, credentials.report_key)) as client:
            for _ in range(limit):
                answer = client.post(
                    f"{server.url}/core-services/v1/campaign-stats",
                    content=b"{}",
                    headers={"MOE-APPKEY": credentials.workspace_id, "Content-Type": "application/json"},
                )
                statuses.append(answer.status_code)

    threads = [threading.Thread(target=ask, args=(server,)) for server in pair.servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [400] * limit + [429] * limit


def _post_all(sender: Sender, batches: list[list[str]]) -> None:
    for batch in batches:
        sender.post(batch)
