"""`kill -9` at random points: what was acknowledged stays and counts once, and no repair is needed."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from tests.support.engines import stored_event_ids
from tests.support.server import Server
from tests.support.traffic import Reader, Sender

pytestmark = pytest.mark.slow

ROUNDS = 50
SENDERS = 4
BATCH = 200
"""Largest batch, in events."""
SAME = 1000
"""Events in the request that everybody sends."""
LIFE_SECONDS = 0.8
"""Longest time from the first request of a round to the kill."""
CAMPAIGN = "68e0c0ffee0000000000000a"


def test_acknowledged_events_survive_and_count_once(tmp_path: Path) -> None:
    """Fifty kills in one data folder, under concurrent writers that send unanswered batches again after the restart."""
    dice = random.Random(20260318)
    server = Server(tmp_path / "data", {"min_free_bytes": "0"})
    credentials = server.create_workspace("Kill test")
    senders = [Sender(server.url, credentials, CAMPAIGN, f"s{number}") for number in range(SENDERS)]
    reader = Reader(server.url, credentials, CAMPAIGN)
    resent = 0
    try:
        for round_number in range(ROUNDS):
            server.start()
            acknowledged = sum(len(sender.acknowledged) for sender in senders)
            sent = sum(len(sender.sent) for sender in senders)
            counted = reader.count()
            assert acknowledged <= counted <= sent, f"after kill {round_number}"
            resent += sum(len(sender.open) for sender in senders)
            _live_and_die(server, senders, dice)
        server.start()
        assert [sender.resend() for sender in senders] == [True] * SENDERS
        sent = sum(len(sender.sent) for sender in senders)
        assert sum(len(sender.acknowledged) for sender in senders) == sent
        assert reader.performance("TOTAL")["sent"] == sent
        assert reader.performance("UNIQUE")["sent"] == sent
        server.stop()
        assert set(stored_event_ids(server.data)) == set.union(*(sender.sent for sender in senders))
    finally:
        server.kill()
        reader.close()
        for sender in senders:
            sender.close()
    assert resent >= ROUNDS / 5, "the kills hardly ever hit a request: the test proves little"


def test_one_request_in_parallel_and_through_kills_counts_once(tmp_path: Path) -> None:
    """Ten clients send the same request at once; the server is killed three times before all have an answer."""
    server = Server(tmp_path / "data", {"min_free_bytes": "0"})
    credentials = server.create_workspace("Kill test")
    senders = [Sender(server.url, credentials, CAMPAIGN, "same") for _ in range(10)]
    reader = Reader(server.url, credentials, CAMPAIGN)
    try:
        for seconds in (0.02, 0.05, 0.1):
            server.start()
            threads = [threading.Thread(target=_repeat_or_send, args=(sender,)) for sender in senders]
            for thread in threads:
                thread.start()
            threading.Event().wait(seconds)
            server.kill()
            for thread in threads:
                thread.join()
        server.start()
        assert all([_repeat_or_send(sender) for sender in senders])  # noqa: C419 - every sender, whatever the first got
        assert reader.performance("TOTAL")["sent"] == SAME
        assert reader.performance("UNIQUE")["sent"] == SAME
    finally:
        server.kill()
        reader.close()
        for sender in senders:
            sender.close()


def _repeat_or_send(sender: Sender) -> bool:
    return sender.resend() if sender.sent else sender.send(SAME)


def _live_and_die(server: Server, senders: list[Sender], dice: random.Random) -> None:
    """Let every sender first repeat what got no answer, then send on, and kill the server in the middle of it."""
    stop = threading.Event()
    threads = []
    for sender in senders:
        sizes = [dice.choice((1, dice.randint(1, BATCH))) for _ in range(1000)]
        threads.append(threading.Thread(target=_repeat_and_send, args=(sender, stop, sizes)))
    for thread in threads:
        thread.start()
    stop.wait(dice.uniform(0, LIFE_SECONDS))
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()


def _repeat_and_send(sender: Sender, stop: threading.Event, sizes: list[int]) -> None:
    if sender.resend():
        sender.send_until(stop, sizes)
