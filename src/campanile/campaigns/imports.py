"""Bulk import of campaign documents, one JSON object per line (campaign specification 9.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Literal

import msgspec

from campanile.campaigns import vocabulary
from campanile.campaigns.document import canonical, respell
from campanile.campaigns.schemas import ImportMode, ImportReport, LineFailure
from campanile.campaigns.shelf import Shelf, write_document
from campanile.errors import CampanileError, PayloadTooLarge, Problem
from campanile.metadata import Connection, Metadata

BODY_BYTES = 64 * 1024 * 1024
"""Size of an import, unpacked."""
LINES = 100_000
"""Lines of an import, blank ones included."""
LINE_BYTES = 1024 * 1024
"""Size of one document: also the limit of a PUT."""
LINES_PER_TRANSACTION = 1000
ERRORS = 1000
"""Failed lines listed in the report; the others are only counted."""

_BOM = b"\xef\xbb\xbf"


class _Ids(msgspec.Struct):
    """The members of a line that say in which order lines must be written."""

    campaign_id: Any = None
    id: Any = None
    _id: Any = None
    parent_id: Any = None
    parent_campaign_id: Any = None


class _Line(msgspec.Struct, frozen=True):
    number: int
    text: bytes
    campaign_id: str
    parent_id: str | None


class _GivenUp(Exception):
    """Rolls a transaction back."""


def import_lines(
    metadata: Metadata,
    workspace_id: str,
    body: bytes,
    *,
    now: datetime,
    mode: ImportMode,
    abort_on_error: bool,
    dry_run: bool,
) -> ImportReport:
    """Write every line in transactions of 1000; with `abort_on_error` all or none, with `dry_run` none.

    Raises:
        PayloadTooLarge: too many lines, or one is too long; nothing was written.
        NotFound: no such workspace.
    """
    writer = _Writer(workspace_id, now, mode)
    lines = writer.ordered(body)
    if abort_on_error or dry_run:
        try:
            with metadata.begin() as connection:
                for chunk in _chunks(lines):
                    writer.write(connection, chunk)
                if dry_run or writer.failures:
                    raise _GivenUp
        except _GivenUp:
            return writer.report(aborted=abort_on_error and bool(writer.failures))
    else:
        for chunk in _chunks(lines):
            with metadata.begin() as connection:
                writer.write(connection, chunk)
    return writer.report(aborted=False)


class _Writer:
    """Counts what becomes of the lines."""

    def __init__(self, workspace_id: str, now: datetime, mode: ImportMode) -> None:
        self._workspace_id = workspace_id
        self._now = now
        self._mode = mode
        self._counts: Counter[str] = Counter()
        self.failures: list[LineFailure] = []

    def ordered(self, body: bytes) -> list[_Line]:
        """The lines in an order in which parents stand before their children; lines of one campaign keep theirs."""
        lines: list[_Line] = []
        children: set[str] = set()
        for number, text in _split(body):
            self._counts["total"] += 1
            ids = _ids(text)
            if ids is None:
                self._fail(number, None, (Problem("json", "the line is not a JSON object", "body"),))
                continue
            given = next((name for name in (ids.campaign_id, ids.id, ids._id) if name is not None), None)
            parent = next((name for name in (ids.parent_id, ids.parent_campaign_id) if name is not None), None)
            campaign_id = vocabulary.campaign_id(given) if isinstance(given, str) else None
            if campaign_id is None:
                self._fail(number, given if isinstance(given, str) else None, _problems_without_id(text))
                continue
            parent_id = vocabulary.campaign_id(parent) if isinstance(parent, str) else None
            lines.append(_Line(number, text, campaign_id, parent_id))
            if parent is not None:
                children.add(campaign_id)
        lines.sort(key=lambda line: line.campaign_id in children)
        return lines

    def write(self, connection: Connection, lines: list[_Line]) -> None:
        shelf = Shelf(connection, self._workspace_id)
        ids = {name for line in lines for name in (line.campaign_id, line.parent_id) if name is not None}
        shelf.fetch(ids, future_children=[line.campaign_id for line in lines if line.parent_id is not None])
        # A child on the shelf may have a parent that no line names.
        shelf.fetch({item.record.parent_id for name in ids if (item := shelf.get(name)) and item.record.parent_id})
        for line in lines:
            try:
                self._counts[self._write_line(shelf, line)] += 1
            except CampanileError as error:
                self._fail(line.number, line.campaign_id, error.problems)
        shelf.save()

    def _write_line(self, shelf: Shelf, line: _Line) -> Literal["created", "updated", "unchanged", "skipped"]:
        before = shelf.get(line.campaign_id)
        raw = _document(line.text)
        base = before.document if before is not None and self._mode == "merge" else None
        document, _ = respell(raw, base)
        document, problems = canonical(document)
        if problems:
            raise _Refused(problems[0].message, problems=tuple(problems))
        if before is not None and self._mode == "skip":
            return "skipped"
        return write_document(shelf, document, source="import", now=self._now).result

    def _fail(self, number: int, campaign_id: str | None, problems: tuple[Problem, ...]) -> None:
        details = tuple({"type": item.type, "message": item.message, "attribute": item.attribute} for item in problems)
        first = problems[0]
        self.failures.append(LineFailure(number, campaign_id, first.type, first.message, first.attribute, details))

    def report(self, *, aborted: bool) -> ImportReport:
        self.failures.sort(key=lambda failure: failure.line)
        counts = Counter({"total": self._counts["total"]}) if aborted else self._counts
        return ImportReport(
            total=counts["total"],
            created=counts["created"],
            updated=counts["updated"],
            unchanged=counts["unchanged"],
            skipped=counts["skipped"],
            failed=len(self.failures),
            errors=tuple(self.failures[:ERRORS]),
            errors_truncated=len(self.failures) > ERRORS,
            aborted=aborted,
        )


class _Refused(CampanileError):
    """A line whose fields are wrong."""

    status = 400


def _split(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, numbered from 1 with the blank ones."""
    if len(body) > BODY_BYTES:
        raise PayloadTooLarge(f"an import may have at most {BODY_BYTES} bytes", type="too_large")
    lines = body.removeprefix(_BOM).split(b"\n")
    if len(lines) > LINES + 1 or (len(lines) == LINES + 1 and lines[-1].strip()):
        raise PayloadTooLarge(f"an import may have at most {LINES} lines", type="too_many_lines")
    if any(len(line) > LINE_BYTES for line in lines):
        raise PayloadTooLarge(f"a line may have at most {LINE_BYTES} bytes", type="too_large")
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text:
            yield number, text


def _ids(text: bytes) -> _Ids | None:
    try:
        return _read_ids(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


_read_ids = msgspec.json.Decoder(_Ids).decode


def _document(text: bytes) -> dict[str, Any]:
    try:
        document: dict[str, Any] = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _Refused("the line is not a JSON object", type="json", attribute="body") from error
    return document


def _problems_without_id(text: bytes) -> tuple[Problem, ...]:
    """Everything wrong with a line whose id is missing or malformed."""
    try:
        document, _ = respell(_document(text))
    except _Refused as refused:
        return refused.problems
    _, problems = canonical(document)
    if "campaign_id" not in document:
        problems.insert(0, Problem("required", "campaign_id is required", "campaign_id"))
    return tuple(problems)


def _chunks(lines: list[_Line]) -> Iterator[list[_Line]]:
    iterator = iter(lines)
    while chunk := list(islice(iterator, LINES_PER_TRANSACTION)):
        yield chunk
