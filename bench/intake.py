"""Intake: acknowledged durable events per second over HTTP, against the bare engine insert of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa
from tests.support.processes import scratch_folder
from tests.support.server import Credentials, Server, running_server

from bench.measure import Figure, Measured, Ratio, middle, quiet, resident_mebibytes, seconds
from bench.traffic import Load, ask, bodies, load, post_all
from campanile.engine import Engine, open_engine
from campanile.settings import Settings

CLIENTS = 5
PER_REQUEST = 10_000
"""What our own client, import and consumer send, and the most a request may hold."""
PER_SMALL_REQUEST = 2_000
PER_INSERT = 10_000
MEMORY_EVENTS = 10_000_000
MEMORY_PART = 200_000
"""Events made at a time: they exist twice while they are sent."""
OPEN_LIMITS = {"intake_rate": "100000000", "intake_burst": "100000000"}
"""The workspace's rate limit is not what is measured here."""


class _Round(NamedTuple):
    """Seconds for the same events on both sides, each while the other one rests."""

    served: float
    served_in_all: float
    """Until the merges that followed were done."""
    bare: float
    bare_in_all: float


def run(rounds: int = 9, per_round: int = 200_000) -> Measured:
    """Rounds of HTTP, then engine, each with the same events."""
    with scratch_folder("bench") as folder:
        engine = open_engine(Settings(data=str(folder / "raw")))
        engine.migrate()
        with running_server(folder / "server", OPEN_LIMITS) as server:
            credentials = server.create_workspace("Bench")
            large, small = (
                [
                    _round(server, credentials, engine, _load(per_round, f"{per_request}-{number}", per_request))
                    for number in range(-1, rounds)
                ][1:]  # the first one warms up
                for per_request in (PER_REQUEST, PER_SMALL_REQUEST)
            )
        engine.close()
    bare = f"bare engine insert of the same rows ({PER_INSERT:,} per insert, same fsync)"
    served = f"acknowledged durable events/s over HTTP (NDJSON, {CLIENTS} clients,"
    return Measured(
        (
            _ratio(
                f"{served} {PER_REQUEST:,} per request) ÷ {bare}",
                "≥ 0.5",
                per_round,
                [(each.bare, each.served) for each in large],
            ),
            _ratio(
                f"the same, {PER_SMALL_REQUEST:,} per request",
                "–",
                per_round,
                [(each.bare, each.served) for each in small],
            ),
            _ratio(
                f"the same, {PER_REQUEST:,} per request, until the engine of either side has done its merges",
                "–",
                per_round,
                [(each.bare_in_all, each.served_in_all) for each in large],
            ),
        )
    )


def _load(count: int, tag: str, per_request: int) -> Load:
    return load(count, tag, per_request=per_request, per_insert=PER_INSERT)


def _round(server: Server, credentials: Credentials, engine: Engine, work: Load) -> _Round:
    def rested(side: Callable[[], object]) -> tuple[float, float]:
        took = seconds(side)
        return took, took + quiet(server.pid)

    quiet(server.pid)
    served = rested(lambda: post_all(server.url, credentials, work.bodies, CLIENTS))
    bare = rested(lambda: _insert(engine, work.tables))
    return _Round(*served, *bare)


def _insert(engine: Engine, tables: Sequence[pa.Table]) -> None:
    for table in tables:
        engine._insert("events", table)


def _ratio(what: str, aim: str, events: int, rounds: Sequence[tuple[float, float]]) -> Ratio:
    served, bare = (middle(events / took[side] for took in rounds) for side in (1, 0))
    ratios = tuple(bare_took / served_took for bare_took, served_took in rounds)
    return Ratio(what, aim, ratios, f"{served:,.0f} against {bare:,.0f} events/s")


def memory(events: int = MEMORY_EVENTS) -> Measured:
    """Resident memory of a server: idle, after it took `events` over HTTP, and after it answered for them."""
    with scratch_folder("bench") as folder, running_server(folder / "server", OPEN_LIMITS) as server:
        credentials = server.create_workspace("Bench")
        idle = resident_mebibytes(server.pid)
        for sent in range(0, events, MEMORY_PART):
            part = min(MEMORY_PART, events - sent)
            post_all(server.url, credentials, bodies(part, f"m{sent}", per_request=5_000), CLIENTS)
        loaded = resident_mebibytes(server.pid)
        ask(server.url, credentials)
        asked = resident_mebibytes(server.pid)
    return Measured(
        figures=(
            Figure("server, idle", f"{idle} MiB"),
            Figure(f"… after {events:,} events over HTTP", f"{loaded} MiB"),
            Figure("… after a page of all their campaigns, UNIQUE", f"{asked} MiB"),
        )
    )
