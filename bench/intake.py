"""Intake: acknowledged durable events per second over HTTP, against the bare engine insert of the same rows."""

from __future__ import annotations

from pathlib import Path

from tests.support.processes import scratch_folder
from tests.support.server import running_server

from bench.measure import Figure, Ratio, middle, resident_mebibytes, seconds
from bench.traffic import load, post_all
from campanile.engine import open_engine
from campanile.settings import Settings

CLIENTS = 5
PER_REQUEST = 2_000
PER_INSERT = 10_000
OPEN_LIMITS = {"intake_rate": "100000000", "intake_burst": "100000000"}
"""The workspace's rate limit is not what is measured here."""


def run(rounds: int = 5, per_round: int = 100_000, until: int = 0) -> tuple[list[Ratio], list[Figure]]:
    """Rounds of HTTP, then engine. `until` > 0 then goes on over HTTP to that many events and reads the memory."""
    command = "python -m bench intake"
    ratios, served, raw = [], [], []
    with scratch_folder("bench") as folder:
        engine = open_engine(Settings(data=str(folder / "raw")))
        engine.migrate()
        with running_server(folder / "server", OPEN_LIMITS) as server:
            credentials = server.create_workspace("Bench")
            idle = resident_mebibytes(server.pid)
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
            sent = 20_000 + rounds * per_round
            part = 200_000
            while sent < until:
                work = load(part, f"m{sent}", per_request=5_000, per_insert=part)
                post_all(server.url, credentials, work.bodies, CLIENTS)
                sent += part
            loaded = resident_mebibytes(server.pid)
        engine.close()
    detail = f"{middle(served):,.0f} against {middle(raw):,.0f} events/s"
    return (
        [
            Ratio(
                f"acknowledged durable events/s over HTTP (NDJSON, {CLIENTS} clients, {PER_REQUEST:,} per request)"
                f" ÷ bare engine insert of the same rows ({PER_INSERT:,} per insert, same fsync)",
                "≥ 0.5",
                tuple(ratios),
                detail,
                command,
            )
        ],
        [
            Figure("resident memory of the server, idle", f"{idle} MiB", command),
            Figure(f"… after {sent:,} events", f"{loaded} MiB", command),
        ],
    )


if __name__ == "__main__":
    print(run(), Path.cwd())
