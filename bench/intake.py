"""Intake: acknowledged durable events per second over HTTP, against the bare engine insert of the same rows."""

from __future__ import annotations

from tests.support.processes import scratch_folder
from tests.support.server import running_server

from bench.measure import Figure, Measured, Ratio, middle, resident_mebibytes, seconds
from bench.traffic import ask, bodies, load, post_all
from campanile.engine import open_engine
from campanile.settings import Settings

CLIENTS = 5
PER_REQUEST = 2_000
PER_INSERT = 10_000
MEMORY_EVENTS = 10_000_000
MEMORY_PART = 200_000
"""Events made at a time: they exist twice while they are sent."""
OPEN_LIMITS = {"intake_rate": "100000000", "intake_burst": "100000000"}
"""The workspace's rate limit is not what is measured here."""


def run(rounds: int = 5, per_round: int = 100_000) -> Measured:
    """Rounds of HTTP, then engine, each with the same events."""
    ratios, served, raw = [], [], []
    with scratch_folder("bench") as folder:
        engine = open_engine(Settings(data=str(folder / "raw")))
        engine.migrate()
        with running_server(folder / "server", OPEN_LIMITS) as server:
            credentials = server.create_workspace("Bench")
            warm = load(20_000, "warm", per_request=PER_REQUEST, per_insert=PER_INSERT)
            post_all(server.url, credentials, warm.bodies, CLIENTS)
            for table in warm.tables:
                engine._insert("events", table)
            for number in range(rounds):
                work = load(per_round, f"r{number}", per_request=PER_REQUEST, per_insert=PER_INSERT)
                http = seconds(lambda work=work: post_all(server.url, credentials, work.bodies, CLIENTS))  # type: ignore[misc]
                bare = seconds(lambda work=work: [engine._insert("events", table) for table in work.tables])  # type: ignore[misc]
                served.append(per_round / http)
                raw.append(per_round / bare)
                ratios.append(bare / http)
        engine.close()
    what = (
        f"acknowledged durable events/s over HTTP (NDJSON, {CLIENTS} clients, {PER_REQUEST:,} per request)"
        f" ÷ bare engine insert of the same rows ({PER_INSERT:,} per insert, same fsync)"
    )
    detail = f"{middle(served):,.0f} against {middle(raw):,.0f} events/s"
    return Measured((Ratio(what, "≥ 0.5", tuple(ratios), detail),))


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
