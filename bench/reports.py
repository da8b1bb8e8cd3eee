"""Reports: whole files against the engine's own export, spreadsheets against the bare library, and a large one."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import xlsxwriter
from tests.reports.files import export
from tests.reports.past import Register, rows_service, spec_of
from tests.support.log import campaign_of, workspace_of
from tests.support.processes import scratch_folder

from bench.measure import Figure, Measured, Ratio, middle, seconds
from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine, open_engine
from campanile.kit.ahead import ahead
from campanile.kit.heap import keep_what_there_is
from campanile.kit.times import Window, window
from campanile.reports.files.archive import ArchiveWriter
from campanile.reports.files.store import open_store
from campanile.reports.files.writing import SheetWriter
from campanile.reports.files.xlsx_process import XlsxProcess
from campanile.reports.schemas import FileFormat, Splits
from campanile.settings import Settings

WORKSPACE = "w"
DAYS = 30
FIRST = date(2025, 3, 1)
START = datetime(2025, 3, 1, tzinfo=UTC)
SEQUENCE = 2
"""After everything that is written here."""
TYPES = {
    "attempted": "attempted",
    "sent": "sent",
    "delivered": "delivered",
    "open": "opens",
    "click": "clicks",
    "hard_bounce": "hard_bounces",
    "soft_bounce": "soft_bounces",
}
"""Events by the words of columns."""
UNIQUES = ("sent", "delivered", "opens", "clicks", "hard_bounces", "soft_bounces")

FILL = """INSERT INTO campanile.events
(workspace_id, campaign_id, type, ts, user_id, event_key, sequence, received_at, channel, platform, instance_id,
    variation, event_id)
SELECT '{workspace}', leftPad(lower(hex(1 + c)), 24, '0') AS campaign, kind,
    toDateTime64('{start}', 3, 'UTC') + INTERVAL d DAY + INTERVAL (cityHash64(c, d, u) % 86000) SECOND,
    concat('customer-', toString(cityHash64(c, u) % 1000000)), reinterpretAsUInt128(sipHash128(c, d, u, kind)), 1,
    now64(3), 'EMAIL', 'EMAIL', campaign, concat('variation_', toString(1 + u % {variations})),
    concat(toString(c), '-', toString(d), '-', toString(u), '-', kind)
FROM
(
    SELECT intDiv(number, {days} * {users}) AS c, intDiv(number % ({days} * {users}), {users}) AS d,
        number % {users} AS u
    FROM numbers({first} * {days} * {users}, {campaigns} * {days} * {users})
)
ARRAY JOIN arrayConcat(['attempted', 'sent', 'delivered'], u % 3 = 0 ? ['open'] : [], u % 6 = 0 ? ['click'] : [])
    AS kind"""

EXPORT = """SELECT campaign_id, toDate(ts, 'UTC') AS day, {columns}
FROM campanile.events FINAL
WHERE workspace_id = '{workspace}' AND ts >= '{first}' AND ts < '{after}'
GROUP BY campaign_id, day ORDER BY campaign_id, day"""


def run(
    *, rounds: int = 5, campaigns: int = 10_000, users: int = 10, spreadsheet: int = 50_000, large: int = 10_000
) -> Measured:
    """Ratios first, over an engine in this process; then the large report, in a process of its own."""
    with scratch_folder("bench") as folder:
        engine = open_engine(Settings(data=str(folder / "data")))
        engine.migrate()
        _fill(engine, campaigns, users, variations=1)
        keep_what_there_is()  # as a server does
        ratios = [
            _against_engine(engine, folder, rounds, campaigns, users, kind, form)
            for kind, form in (("csv", "CSVWithNames"), ("parquet", "Parquet"))
        ]
        engine.close()
    ratios.append(_spreadsheet(rounds, spreadsheet))
    return Measured(tuple(ratios), _large(large))


# --- whole files


def _columns() -> tuple[str, ...]:
    """Of a report that says what one statement of the engine can say."""
    counts = [f"campaign-stats.{word}" for word in TYPES.values()]
    return ("campaign.id", *counts, *(f"campaign-stats.unique_{word}" for word in UNIQUES))


def _statement() -> str:
    names = {word: kind for kind, word in TYPES.items()}
    columns = [f"countIf(type = '{kind}') AS {word}" for kind, word in TYPES.items()]
    columns += [f"uniqExactIf(user_key, type = '{names[word]}') AS unique_{word}" for word in UNIQUES]
    return EXPORT.format(
        columns=", ".join(columns), workspace=WORKSPACE, first=FIRST, after=FIRST + timedelta(days=DAYS)
    )


def _against_engine(
    engine: Engine, folder: Path, rounds: int, campaigns: int, users: int, kind: Any, form: str
) -> Ratio:
    report = _Report(engine, folder, campaigns, Splits(date=True), {"EMAIL": _columns()})
    expected = campaigns * DAYS
    ours, theirs = [], []
    for number in range(rounds + 1):
        made = seconds(lambda: _expect(report.write(kind), expected))
        bare = seconds(lambda: _bare(engine, form))
        if number:  # the first round warms both
            ours.append(expected / made)
            theirs.append(expected / bare)
    what = (
        f"{kind.upper() if kind == 'csv' else 'Parquet'}: rows/s of a report by day from the log into a stored archive "
        f"({len(_columns()) + 1} columns, {users * 7 // 2:,} events per row) ÷ one statement of the engine that counts "
        f"the same and answers with `FORMAT {form}`"
    )
    detail = f"{middle(ours):,.0f} against {middle(theirs):,.0f} rows/s"
    return Ratio(what, "≥ 0.5", tuple(a / b for a, b in zip(ours, theirs, strict=True)), detail)


def _expect(rows: int, expected: int) -> None:
    assert rows == expected, (rows, expected)


def _bare(engine: Engine, form: str) -> None:
    with engine._write() as client:  # type: ignore[attr-defined]
        assert len(client.raw_query(_statement(), fmt=form)) > 1000


class _Report:
    """A report over the campaigns that were filled in, written as a run writes it."""

    def __init__(self, engine: Engine, folder: Path, campaigns: int, splits: Splits, columns: Any) -> None:
        self._rows = rows_service(engine, Register(_campaigns(campaigns)))
        self._store = open_store((folder / "files").as_uri())
        self._folder = folder
        self._spec = spec_of(["EMAIL"], splits, columns=columns)
        self.size = 0

    def write(self, kind: Any) -> int:
        """Make the archive; the number of rows."""
        with ArchiveWriter(
            lambda chunks: self._store.put("0123456789abcdef", chunks), "zip", folder=self._folder, limit=2**40
        ) as archive:
            writer = SheetWriter(
                archive,
                FileFormat(kind=kind),
                stem="Bench",
                file_date=FIRST,
                facts={},
                most_rows=2**40,
                watch=lambda _: None,
            )
            for sheet in self._rows.sheets(workspace_of(WORKSPACE, {}), self._spec, _window(), SEQUENCE):
                writer.write(msgspec.structs.replace(sheet, batches=ahead(sheet.batches)))
        self.size = archive.size
        return writer.rows


def _window() -> Window:
    return window(FIRST, FIRST + timedelta(days=DAYS - 1), "UTC")


def _campaigns(count: int) -> Iterator[Campaign]:
    for number in range(1, count + 1):
        made = campaign_of({"campaign_id": f"{number:024x}", "channel": "EMAIL", "delivery_type": "ONE_TIME"})
        yield msgspec.structs.replace(made, sent_time=START + timedelta(seconds=number))


def _fill(engine: Engine, campaigns: int, users: int, *, variations: int) -> None:
    at_once = max(1, 1_000_000 // (DAYS * users))
    with engine._write() as client:  # type: ignore[attr-defined]
        for first in range(0, campaigns, at_once):
            client.command(
                FILL.format(
                    workspace=WORKSPACE,
                    start=f"{FIRST} 00:00:00",
                    days=DAYS,
                    users=users,
                    first=first,
                    campaigns=min(at_once, campaigns - first),
                    variations=variations,
                )
            )
        client.command("OPTIMIZE TABLE campanile.events FINAL")


# --- spreadsheets


def _spreadsheet(rounds: int, rows: int) -> Ratio:
    columns = export.columns_of(20)
    batches = list(export.batches(columns, rows))
    ours, theirs = [], []
    for number in range(rounds + 1):
        made = seconds(lambda: _ours(columns, batches))
        bare = seconds(lambda: _library(columns, batches))
        if number:
            ours.append(rows * len(columns) / made)
            theirs.append(rows * len(columns) / bare)
    return Ratio(
        f"XLSX: cells/s ({rows:,} rows × {len(columns)}) through our writing process ÷ bare XlsxWriter "
        "(`constant_memory`) in one process, rows ready",
        "≥ 1.0",
        tuple(a / b for a, b in zip(ours, theirs, strict=True)),
        f"{middle(ours):,.0f} against {middle(theirs):,.0f} cells/s",
    )


def _ours(columns: Any, batches: Any) -> None:
    target = io.BytesIO()
    file = XlsxProcess(columns, target, "literal")
    for batch in batches:
        file.write(batch)
    file.close()
    assert len(target.getvalue()) > 1000


def _library(columns: Any, batches: Any) -> None:
    """The same cells, as the manual of the library says."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"constant_memory": True, "remove_timezone": True})
    sheet = book.add_worksheet("sheet1")
    codes = {"date": "yyyy-mm-dd", "datetime": "yyyy-mm-dd hh:mm:ss", "percent": "0.00", "currency": "0.00"}
    forms = [book.add_format({"num_format": codes.get(column.type, "@")}) for column in columns]
    writers: dict[str, Callable[..., Any]] = {
        "text": sheet.write_string,
        "date": sheet.write_datetime,
        "datetime": sheet.write_datetime,
    }
    kinds = [(place, writers.get(column.type, sheet.write_number)) for place, column in enumerate(columns)]
    for place, column in enumerate(columns):
        sheet.write_string(0, place, column.header)
    number = 0
    for batch in batches:
        for row in batch:
            number += 1
            for place, write in kinds:
                write(number, place, row[place], forms[place])
    book.close()
    assert len(target.getvalue()) > 1000


# --- a large report


def _large(campaigns: int) -> tuple[Figure, ...]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.reports", str(campaigns)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    facts = json.loads(done.stdout)
    name = f"report of {campaigns:,} campaigns × {DAYS} days × 2 variations, {facts['columns']} columns"
    return (
        Figure(f"{name}: rows", f"{facts['rows']:,}"),
        Figure("… time from the log to the stored archive (CSV, zip)", f"{facts['seconds']:.0f} s"),
        Figure("… size of the archive", f"{facts['megabytes']:.1f} MB"),
        Figure("… memory of the process with its engine, before", f"{facts['before']} MiB"),
        Figure("… at most while it was made", f"{facts['peak']} MiB"),
    )


def large(campaigns: int) -> dict[str, Any]:
    """Make the report; resident memory in MiB. The engine works in this process."""
    with scratch_folder("bench") as folder:
        engine = open_engine(Settings(data=str(folder / "data")))
        engine.migrate()
        _fill(engine, campaigns, users=6, variations=2)
        splits = Splits(date=True, variation=True)
        _Report(engine, folder, min(campaigns, 100), splits, {}).write("csv")
        keep_what_there_is()
        report = _Report(engine, folder, campaigns, splits, {})
        before = export.resident_kibibytes("VmRSS") // 1024
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins here
        started = time.perf_counter()
        rows = report.write("csv")
        taken = time.perf_counter() - started
        peak = export.resident_kibibytes("VmHWM") // 1024
        sheet = next(iter(report._rows.sheets(workspace_of(WORKSPACE, {}), report._spec, _window(), SEQUENCE)))
        engine.close()
    return {
        "rows": rows,
        "seconds": taken,
        "columns": len(sheet.columns),
        "megabytes": report.size / 1e6,
        "before": before,
        "peak": peak,
        "processor_seconds": resource.getrusage(resource.RUSAGE_SELF).ru_utime,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(large(int(sys.argv[1]))))
