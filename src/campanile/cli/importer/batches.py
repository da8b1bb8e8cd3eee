"""Rows gathered into requests, requests sent, answers turned back into rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import msgspec

from campanile.cli.importer.errors import Rejected, masked, to_retry
from campanile.cli.importer.mapping import Converter, Mapped, Skipped
from campanile.cli.importer.sources import BadRow, Position, Row
from campanile.cli.importer.state import Counters
from campanile.client import Client, EventResult, Refused

MAX_BATCH = 10_000
"""Events one request may hold."""
MAX_DAYS = 100
"""UTC days one request may touch."""
BATCH_BYTES = 16 * 1024 * 1024
"""Uncompressed bytes after which a batch is full; the server takes 20 MiB."""
MAX_EVENT_BYTES = 32 * 1024
"""Longest event the server takes; longer ones are not worth sending."""


class Line(msgspec.Struct):
    """One event on its way."""

    row: Row
    event_id: str
    type: str
    body: bytes
    day: date | None
    time: str


class Batch(msgspec.Struct):
    """Consecutive rows of a file that are acknowledged together."""

    lines: list[Line] = []
    rejected: list[Rejected] = []
    skipped: int = 0
    end: Position = Position()
    size: int = 0


class Outcome(msgspec.Struct):
    """What became of a batch."""

    counters: Counters
    rejected: list[Rejected]
    warnings: dict[str, int]
    end: Position
    size: int


def batches(rows: Iterator[Row], converter: Converter, file: str, size: int, *, retry: bool = False) -> Iterator[Batch]:
    """Cut rows into batches of at most `size` events."""
    encoder = msgspec.json.Encoder()
    batch = Batch()
    for row in rows:
        value: dict[str, object] | BadRow = row.value
        if retry and isinstance(value, dict):
            value = to_retry(value)
        made = value if isinstance(value, BadRow) else converter.convert(value, row.number)
        batch.end = row.end
        if isinstance(made, Skipped):
            batch.skipped += 1
        elif isinstance(made, BadRow):
            batch.rejected.append(rejection(file, row, "", made.code, "", made.message))
        else:
            _append(batch, file, row, made, encoder)
        if len(batch.lines) + len(batch.rejected) + batch.skipped >= size or batch.size >= BATCH_BYTES:
            yield batch
            batch = Batch(end=row.end)
    if batch.lines or batch.rejected or batch.skipped:
        yield batch


def _append(batch: Batch, file: str, row: Row, made: Mapped, encoder: msgspec.json.Encoder) -> None:
    event_id = str(made.event.get("event_id") or "")
    try:
        body = encoder.encode(made.event)
    except (TypeError, ValueError) as error:
        batch.rejected.append(rejection(file, row, event_id, "invalid_value", "", f"cannot be sent as JSON: {error}"))
        return
    if len(body) > MAX_EVENT_BYTES:
        batch.rejected.append(rejection(file, row, event_id, "event_too_large", "", "the event is longer than 32 KiB"))
        return
    batch.lines.append(Line(row, event_id, str(made.event.get("type") or ""), body, made.day, made.time))
    batch.size += len(body)


def rejection(file: str, row: Row, event_id: str, code: str, field: str, message: str) -> Rejected:
    raw = None if isinstance(row.value, BadRow) else masked(row.value)
    return Rejected(file, row.number, row.offset, event_id, code, field, message, raw)


def send(client: Client, batch: Batch, file: str, *, dry_run: bool = False) -> Outcome:
    """Send a batch in as many requests as the limits of the server need; `dry_run` only validates.

    Raises:
        ClientError: the server cannot be reached or refuses; some of the batch may have been accepted.
    """
    counters = Counters(
        rows=len(batch.lines) + len(batch.rejected) + batch.skipped,
        rejected=len(batch.rejected),
        skipped=batch.skipped,
    )
    rejected = list(batch.rejected)
    warnings: dict[str, int] = {}
    for lines in by_days(batch.lines):
        for part, answer in _send(client, lines, dry_run):
            counters.accepted += answer.accepted
            counters.duplicates += answer.duplicates
            counters.rejected += answer.rejected
            refused: set[int] = set()
            for problem in answer.errors:
                if 0 <= problem.index < len(part) and problem.index not in refused:
                    refused.add(problem.index)
                    line = part[problem.index]
                    rejected.append(
                        rejection(file, line.row, line.event_id, problem.code, problem.field, problem.message)
                    )
            for warning in answer.warnings:
                name = f"{warning.get('code', '')} {warning.get('field', '')}".strip()
                count = warning.get("count", 1)
                warnings[name] = warnings.get(name, 0) + (count if isinstance(count, int) else 1)
            _count_stored(counters, part, refused)
    rejected.sort(key=lambda row: row.row)
    return Outcome(counters, rejected, warnings, batch.end, batch.size)


def by_days(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Split lines so that no part touches too many days; days that belong together stay together."""
    days = {line.day for line in lines if line.day is not None}
    if len(days) <= MAX_DAYS:
        if lines:
            yield list(lines)
        return
    ordered = sorted(lines, key=lambda line: line.day or date.min)
    part: list[Line] = []
    seen: set[date | None] = set()
    for line in ordered:
        if line.day not in seen and len(seen) == MAX_DAYS:
            yield part
            part, seen = [], set()
        seen.add(line.day)
        part.append(line)
    yield part


def _send(client: Client, lines: list[Line], dry_run: bool) -> Iterator[tuple[list[Line], EventResult]]:
    """One request, or several when it is too large for the server."""
    try:
        body = b"\n".join(line.body for line in lines)
        answer = client.post_events(body, backfill=True, all_errors=True, dry_run=dry_run)
    except Refused as error:
        if error.status != 413 or len(lines) == 1:
            raise
        middle = len(lines) // 2
        yield from _send(client, lines[:middle], dry_run)
        yield from _send(client, lines[middle:], dry_run)
        return
    yield lines, answer


def _count_stored(counters: Counters, lines: Sequence[Line], refused: set[int]) -> None:
    for index, line in enumerate(lines):
        if index in refused:
            continue
        counters.types[line.type] = counters.types.get(line.type, 0) + 1
        if line.time:
            counters.first = min(counters.first, line.time) if counters.first else line.time
            counters.last = max(counters.last, line.time)
