"""A worker as a process of its own: `python -m tests.reports.runs.process METADATA_URL FOLDER SECONDS HOLD SIZE`.

Its rows come slowly, one batch in so many `SECONDS`, so that it can be met in the middle of its work. Jobs that fell
silent are given up after `HOLD` seconds. A row has `SIZE` random bytes.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from campanile.clock import SystemClock
from campanile.http.logs import configure_logging
from campanile.jobs import queue, worker
from campanile.jobs.worker import Regular, Worker
from campanile.metadata import open_metadata
from campanile.reports.runs.orders import RUN_JOB
from tests.reports.runs.world import World

BATCHES = 12
LARGE = 40_000
"""Bytes of rows that cannot be compressed, so that parts of an archive reach the store before it is complete."""


def prepare(hold: timedelta) -> None:
    queue.HOLD = hold
    worker.PROLONG = hold / 5
    worker.POLL_SECONDS = 0.05


def rows(size: int) -> dict[str, list[Any]]:
    noise = random.Random(1)
    return {"PUSH": [[(noise.randbytes(size).hex(), number) for _ in range(25)] for number in range(BATCHES)]}


async def work(world: World) -> None:
    regulars = [Regular("plan", 0.05, world.runs.plan)]
    await Worker(world.queue, {RUN_JOB: world.generator.handle}, regulars=regulars).run()


def main(url: str, folder: str, seconds: str, hold: str, size: str) -> None:
    configure_logging("info")
    prepare(timedelta(seconds=float(hold)))
    world = World(open_metadata(url), cast(Any, SystemClock()), Path(folder))
    world.rows.batches = rows(int(size))
    world.rows.before = lambda: time.sleep(float(seconds))
    asyncio.run(work(world))


if __name__ == "__main__":
    main(*sys.argv[1:])
