"""Showing how an import goes, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from campanile.cli.importer.state import Counters
from campanile.cli.output import table

Mode = Literal["auto", "plain", "json", "none"]
PLAIN_SECONDS = 5.0
"""Seconds between two lines of plain progress."""
JSON_SECONDS = 1.0
"""Seconds between two objects of JSON progress."""
TYPES_SHOWN = 30
"""Event types listed in a summary."""


class Display(Protocol):
    """Shows the progress of one file."""

    def update(self, counters: Counters, consumed: int) -> None:
        """Called after each acknowledged batch."""

    def finish(self) -> None: ...


class Meter:
    """Rates of one file since it was started; rows of an earlier run do not count."""

    def __init__(self, name: str, size: int | None, counters: Counters, now: Callable[[], float]) -> None:
        self.name = name
        self.size = size
        self._before = counters.rows
        self._now = now
        self._start = now()

    def measure(self, counters: Counters, consumed: int) -> dict[str, Any]:
        """Everything a display may show."""
        seconds = max(self._now() - self._start, 1e-3)
        percent = min(100.0, 100 * consumed / self.size) if self.size else None
        left = None
        if percent and percent > 0:
            left = round(seconds * (100 - percent) / percent, 1)
        return {
            "file": self.name,
            "rows": counters.rows,
            "accepted": counters.accepted,
            "duplicates": counters.duplicates,
            "rejected": counters.rejected,
            "skipped": counters.skipped,
            "rows_per_second": round((counters.rows - self._before) / seconds),
            "megabytes_per_second": round(consumed / seconds / 1e6, 2),
            "percent": None if percent is None else round(percent, 1),
            "seconds_left": left,
        }


class _Nothing:
    def update(self, counters: Counters, consumed: int) -> None:
        del counters, consumed

    def finish(self) -> None:
        pass


class _Lines:
    """Plain lines or JSON objects, not too many of them."""

    def __init__(self, meter: Meter, console: Console, every: float, as_json: bool, now: Callable[[], float]) -> None:
        self._meter = meter
        self._console = console
        self._every = every
        self._as_json = as_json
        self._now = now
        self._next = now() + (0 if as_json else every)
        self._last: dict[str, Any] | None = None

    def update(self, counters: Counters, consumed: int) -> None:
        self._last = self._meter.measure(counters, consumed)
        if self._now() >= self._next:
            self._write()
            self._next = self._now() + self._every

    def finish(self) -> None:
        if self._last is not None:
            self._write()

    def _write(self) -> None:
        found, self._last = self._last, None
        if found is None:
            return
        if self._as_json:
            self._console.print(msgspec.json.encode(found).decode(), soft_wrap=True)
            return
        percent = "" if found["percent"] is None else f" {found['percent']:.0f} %"
        self._console.print(
            f"{found['file']}:{percent} {found['rows']:,} rows, {found['accepted']:,} accepted, "
            f"{found['duplicates']:,} known, {found['rejected']:,} rejected, {found['rows_per_second']:,} rows/s",
            soft_wrap=True,
        )


class _Bar:
    def __init__(self, meter: Meter, console: Console) -> None:
        self._meter = meter
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[remark]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task(meter.name, total=100, remark="")
        self._bar.start()

    def update(self, counters: Counters, consumed: int) -> None:
        found = self._meter.measure(counters, consumed)
        remark = (
            f"{found['rows']:,} rows, {found['rejected']:,} rejected, {found['rows_per_second']:,}/s, "
            f"{found['megabytes_per_second']:.1f} MB/s"
        )
        self._bar.update(self._task, completed=found["percent"] or 0, remark=remark)

    def finish(self) -> None:
        self._bar.stop()


def display(
    mode: Mode,
    name: str,
    size: int | None,
    counters: Counters,
    console: Console,
    now: Callable[[], float] = time.monotonic,
) -> Display:
    """The display of one file; `auto` is a bar on a terminal and lines elsewhere."""
    meter = Meter(name, size, counters, now)
    if mode == "none":
        return _Nothing()
    if mode == "json":
        return _Lines(meter, console, JSON_SECONDS, True, now)
    if mode == "plain" or not console.is_terminal:
        return _Lines(meter, console, PLAIN_SECONDS, False, now)
    return _Bar(meter, console)


class FileSummary(msgspec.Struct, frozen=True):
    """What came of one file."""

    file: str
    counters: Counters
    resumed_rows: int
    errors: str
    """The error file, empty if there is none."""


def summary(files: list[FileSummary], total: Counters) -> dict[str, Any]:
    """The summary for programs."""
    return {
        "files": [
            {"file": file.file, "resumed_rows": file.resumed_rows, "errors": file.errors, **as_dict(file.counters)}
            for file in files
        ],
        "total": as_dict(total),
    }


def as_dict(counters: Counters) -> dict[str, Any]:
    return {
        "rows": counters.rows,
        "accepted": counters.accepted,
        "duplicates": counters.duplicates,
        "rejected": counters.rejected,
        "skipped": counters.skipped,
        "first_event": counters.first or None,
        "last_event": counters.last or None,
        "types": dict(sorted(counters.types.items())),
    }


def print_summary(console: Console, files: list[FileSummary], total: Counters, warnings: Mapping[str, int]) -> None:
    """The summary for people."""
    names = ("rows", "accepted", "duplicates", "rejected", "skipped")
    rows: list[tuple[object, ...]] = [(file.file, *(getattr(file.counters, name) for name in names)) for file in files]
    if len(files) > 1:
        rows.append(("total", *(getattr(total, name) for name in names)))
    console.print(table(("file", *names), rows))
    if total.first:
        console.print(f"Events from {total.first} to {total.last}")
    kinds = sorted(total.types.items(), key=lambda item: -item[1])
    if kinds:
        console.print("By type: " + ", ".join(f"{name or '(none)'} {count:,}" for name, count in kinds[:TYPES_SHOWN]))
    for name, count in sorted(warnings.items()):
        console.print(f"Warning: {name}, {count:,} times")
    for file in files:
        if file.resumed_rows:
            console.print(f"{file.file}: {file.resumed_rows:,} rows were done by an earlier, interrupted run")
        if file.errors:
            console.print(f"Rejected rows: {file.errors} (mend them and import that file with --preset retry)")
