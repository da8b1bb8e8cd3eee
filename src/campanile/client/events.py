"""Sending events: in batches, compressed, repeated safely, with a verdict for every event (ingest contract 1)."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from campanile.client.effects import Request, Steps
from campanile.client.errors import ClientError, Refused, SendingStopped
from campanile.client.schemas import EventProblem, EventResult
from campanile.client.session import Session, ask, decode

PATH = "/v1/events"
FUNNEL_PATH = "/v1/funnel"
NDJSON = "application/x-ndjson"
BATCH_EVENTS = 10_000
"""Events of one request; the most the server takes."""
BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of one request before compression: below the 5 MiB the server takes on the wire, even if nothing shrinks."""
BATCH_DAYS = 33
"""Days, as events write them, of one request. The server takes 100 UTC days; one written day touches up to three."""
MILLISECONDS_FROM = 1e11
"""Times that are numbers are milliseconds since 1970 from here on, and seconds below."""
MAX_ERRORS_PER_REQUEST = 10_000
"""The most problems the server lists in one answer."""
GZIP_LEVEL = 3
"""Events shrink to a tenth here; higher levels cost time and save little."""
MAX_COMPRESSION = 90
"""Times a body may shrink; the server takes more than 100 for an attack, so such a body is sent as it is."""
ANSWERED = frozenset({200, 207, 422})
"""Statuses with a verdict per event."""
TOO_LARGE = 413


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was not taken, and why. Mend it and send it again."""

    index: int
    """Position among the events that were sent, from 0."""
    event: Mapping[str, Any]
    code: str
    field: str = ""
    message: str = ""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of events: received = accepted + duplicates + rejected. What is accepted is stored and counted."""

    received: int = 0
    accepted: int = 0
    duplicates: int = 0
    """Events the server had already; that is no error."""
    rejected: int = 0
    rejections: tuple[Rejection, ...] = ()
    requests: int = 0


class _Batch(msgspec.Struct):
    """Events of one request."""

    start: int
    """Position of the first one."""
    lines: list[bytes] = []
    size: int = 0
    days: set[object] = set()


def send_events(
    session: Session,
    events: Iterable[Mapping[str, Any]],
    *,
    idempotency_key: str = "",
    backfill: bool = False,
    dry_run: bool = False,
) -> Steps[Sent]:
    """Send any number of events; those of an iterator are taken as they are needed.

    Each event counts once by its `event_id`, however often it is sent. Requests are repeated with the same bytes under
    the same `Idempotency-Key`, which also names events without an id. With `idempotency_key` these names stay the same
    when the same events are sent again, in the same order, within 24 hours.

    Args:
        backfill: lift the age limit of live events, for history.
        dry_run: only judge; nothing is stored.

    Raises:
        SendingStopped: the server said no or could not be reached; `sent` says what was answered before.
        TypeError: an event holds something JSON has not.
    """
    prefix = idempotency_key or secrets.token_hex(16)
    sent = Sent()
    for number, batch in enumerate(_batches(events)):
        pending = [(batch, f"{prefix}-{number}")]
        while pending:
            part, key = pending.pop()
            try:
                answer = yield from post_events(
                    session, b"\n".join(part.lines), idempotency_key=key, backfill=backfill, dry_run=dry_run,
                    all_errors=True,
                )  # fmt: skip
            except Refused as error:
                if error.status == TOO_LARGE and len(part.lines) > 1:
                    pending += _halves(part, key)
                    continue
                raise _stopped(error, sent) from error
            except ClientError as error:
                raise _stopped(error, sent) from error
            sent = _add(sent, part, answer)
    return sent


def post_events(
    session: Session,
    ndjson: bytes,
    *,
    idempotency_key: str = "",
    backfill: bool = False,
    dry_run: bool = False,
    all_errors: bool = False,
) -> Steps[EventResult]:
    """One request of the events API: one JSON object per line. Safe to repeat by the events' `event_id`.

    `backfill` lifts the age limit of live events for imports of history; `dry_run` only validates;
    `all_errors` asks for every problem instead of the first hundred.
    """
    query: dict[str, str] = {}
    if backfill:
        query["import"] = "true"
    if dry_run:
        query["dry_run"] = "true"
    if all_errors:
        query["max_errors"] = str(MAX_ERRORS_PER_REQUEST)
    once = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    answer = yield from ask(session, ndjson_request(PATH, ndjson, query, once, accepted=ANSWERED))
    return decode(session, answer, EventResult)


def post_funnel(session: Session, ndjson: bytes, *, all_errors: bool = False) -> Steps[EventResult]:
    """Counts of senders that know no users, one snapshot per line. Safe to repeat by their `snapshot_id`."""
    query = {"max_errors": str(MAX_ERRORS_PER_REQUEST)} if all_errors else {}
    answer = yield from ask(session, ndjson_request(FUNNEL_PATH, ndjson, query, {}, accepted=ANSWERED))
    return decode(session, answer, EventResult)


def ndjson_request(
    path: str, ndjson: bytes, query: Mapping[str, str], headers: Mapping[str, str], *, accepted: frozenset[int]
) -> Request:
    """A request with lines, compressed if that helps and the server will not take it for an attack."""
    given = {**headers, "Content-Type": NDJSON}
    body = gzip.compress(ndjson, GZIP_LEVEL, mtime=0)
    if len(body) < len(ndjson) < len(body) * MAX_COMPRESSION:
        given["Content-Encoding"] = "gzip"
    else:
        body = ndjson
    return Request(method="POST", path=path, query=query, headers=given, body=body, accepted=accepted)


def _batches(events: Iterable[Mapping[str, Any]]) -> Iterator[_Batch]:
    encoder = msgspec.json.Encoder()
    batch = _Batch(start=0)
    for index, event in enumerate(events):
        line, day = encoder.encode(event), _day(event.get("time", event.get("ts")))
        full = len(batch.lines) >= BATCH_EVENTS or batch.size + len(line) + 1 > BATCH_BYTES
        if batch.lines and (full or (day not in batch.days and len(batch.days) >= BATCH_DAYS)):
            yield batch
            batch = _Batch(start=index)
        batch.lines.append(line)
        batch.size += len(line) + 1
        batch.days.add(day)
    if batch.lines:
        yield batch


def _day(time: object) -> object:
    """What stands for the day of an event; the server looks closer."""
    if isinstance(time, int | float):
        return time // (86_400_000 if time >= MILLISECONDS_FROM else 86_400)
    return str(time)[:10]


def _halves(batch: _Batch, key: str) -> list[tuple[_Batch, str]]:
    """Two smaller requests, the first one last, as a stack has it."""
    middle = len(batch.lines) // 2
    first = _Batch(start=batch.start, lines=batch.lines[:middle])
    second = _Batch(start=batch.start + middle, lines=batch.lines[middle:])
    return [(second, f"{key}b"), (first, f"{key}a")]


def _add(sent: Sent, batch: _Batch, answer: EventResult) -> Sent:
    found = tuple(_rejection(batch, problem) for problem in answer.errors if 0 <= problem.index < len(batch.lines))
    return Sent(
        received=sent.received + answer.received,
        accepted=sent.accepted + answer.accepted,
        duplicates=sent.duplicates + answer.duplicates,
        rejected=sent.rejected + answer.rejected,
        rejections=sent.rejections + found,
        requests=sent.requests + 1,
    )


def _rejection(batch: _Batch, problem: EventProblem) -> Rejection:
    event = msgspec.json.decode(batch.lines[problem.index])
    return Rejection(
        index=batch.start + problem.index, event=event, code=problem.code, field=problem.field, message=problem.message
    )


def _stopped(error: ClientError, sent: Sent) -> SendingStopped:
    return SendingStopped(f"{error}; {sent.received:,} events were answered before", sent)
