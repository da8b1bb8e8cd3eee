"""Acknowledged means visible: under load, the first answer after an acknowledgement already holds the events."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.server import Credentials, Server, running_server
from tests.support.traffic import Reader, Sender

pytestmark = pytest.mark.slow

SENDERS = 4
BATCH = 250
"""Events per request."""
RATE = 5000
"""Events per second over all senders."""
SECONDS = 20
ANSWERS = SENDERS * 20
"""Least number of answers that must have been compared for the test to mean something."""


def test_every_acknowledged_event_is_in_the_next_answer(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", {"min_free_bytes": "0"}) as server:
        credentials = server.create_workspace("Visibility test")
        server.run("workspace", "set", credentials.workspace_id, "rate_limit=1000000")
        barrier = threading.Barrier(SENDERS)
        with ThreadPoolExecutor(SENDERS) as pool:
            runs = [pool.submit(_send_and_look, server, credentials, barrier, number) for number in range(SENDERS)]
            compared = [run.result() for run in runs]
    answers = sum(len(pairs) for pairs in compared)
    missing = [(acknowledged, seen) for pairs in compared for acknowledged, seen in pairs if acknowledged != seen]
    assert missing == []
    assert answers >= ANSWERS


def _send_and_look(
    server: Server, credentials: Credentials, barrier: threading.Barrier, number: int
) -> list[tuple[int, int]]:
    """Send batches at a steady pace to a campaign of this thread; after each one, pairs of (acknowledged, counted)."""
    campaign = f"68e0c0ffee00000000000c{number:02x}"
    sender = Sender(server.url, credentials, campaign, f"v{number}")
    reader = Reader(server.url, credentials, campaign)
    pairs: list[tuple[int, int]] = []
    pace = BATCH * SENDERS / RATE
    barrier.wait()
    start = time.monotonic()
    try:
        while (elapsed := time.monotonic() - start) < SECONDS:
            time.sleep(max(0.0, len(pairs) * pace - elapsed))
            assert sender.send(BATCH), sender.refusals[-1:]
            pairs.append((len(sender.acknowledged), reader.count()))
    finally:
        sender.close()
        reader.close()
    return pairs
