"""`campanile import` of one large file, against the bare engine insert of the same rows."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tests.support.processes import scratch_folder
from tests.support.server import Credentials, Server, running_server

from bench.intake import OPEN_LIMITS
from bench.measure import Figure, Measured, Ratio, middle, resident_mebibytes, seconds
from bench.traffic import events, load
from campanile.engine import Engine, open_engine
from campanile.settings import Settings

ROWS = 10_000_000
"""A month of a mid-size sender."""
PART = 200_000
"""Events made at a time."""
COMPARED = 200_000
"""Rows of the round that is compared with the bare insert."""
PER_INSERT = 10_000
SAMPLE_SECONDS = 0.1
"""Between two looks at the memory of a running import."""


def run(rows: int = ROWS, compared: int = COMPARED, rounds: int = 3) -> Measured:
    """Rounds of a small NDJSON file and the bare insert of its events in turn, then one Parquet file of all rows."""
    ratios, imported, raw = [], [], []
    with scratch_folder("bench") as folder:
        engine = open_engine(Settings(data=str(folder / "raw")))
        engine.migrate()
        with running_server(folder / "server", OPEN_LIMITS) as server:
            credentials = server.create_workspace("Bench")
            for number in range(rounds):
                work = load(compared, f"r{number}", per_request=PART, per_insert=PER_INSERT)
                path = folder / f"r{number}.ndjson"
                path.write_bytes(b"\n".join(work.bodies))
                took = seconds(lambda path=path: _import(server, credentials, path))  # type: ignore[misc]
                bare = seconds(lambda tables=work.tables: _insert(engine, tables))  # type: ignore[misc]
                imported.append(compared / took)
                raw.append(compared / bare)
                ratios.append(bare / took)
                path.unlink()
            engine.close()
            large = folder / "large.parquet"
            _write(large, rows)
            idle = resident_mebibytes(server.pid)
            peak = 0

            def whole() -> None:
                nonlocal peak
                peak = _import(server, credentials, large)

            took = seconds(whole)
            loaded = resident_mebibytes(server.pid)
    what = (
        f"rows/s of `campanile import` (NDJSON file of {compared:,}, start of the command included) ÷ bare engine "
        f"insert of the same rows ({PER_INSERT:,} per insert, same fsync)"
    )
    detail = f"{middle(imported):,.0f} against {middle(raw):,.0f} rows/s"
    return Measured(
        (Ratio(what, "–", tuple(ratios), detail),),
        (
            Figure(f"Parquet file of {rows:,} rows", f"{took:,.0f} s, {rows / took:,.0f} rows/s"),
            Figure("… most memory of the import", f"{peak} MiB"),
            Figure("… memory of the server before and after", f"{idle} and {loaded} MiB"),
        ),
    )


def _insert(engine: Engine, tables: list[pa.Table]) -> None:
    for table in tables:
        engine._insert("events", table)


def _import(server: Server, credentials: Credentials, path: Path) -> int:
    """Import one file; the most memory the command took, in MiB."""
    command = [
        str(Path(sys.executable).with_name("campanile")), "import", str(path), "--server", server.url,
        "--workspace", credentials.workspace_id, "--key", credentials.ingest_key, "--progress", "none",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:  # what the system says of an ended process would include ours, which started it
        with contextlib.suppress(OSError, StopIteration):
            peak = max(peak, resident_mebibytes(process.pid))
        time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise RuntimeError(f"the import ended with status {process.returncode}")
    return peak


def _write(path: Path, rows: int) -> None:
    """A Parquet file of events, made in parts."""
    schema = pa.Table.from_pylist(events(1, "large")).schema
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, PART):
            part = events(min(PART, rows - start), f"large{start}")
            writer.write_table(pa.Table.from_pylist(part, schema))
