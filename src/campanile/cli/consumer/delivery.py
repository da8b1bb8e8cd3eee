"""Messages become lines of requests, answers become verdicts on messages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from campanile.cli.consumer.messages import DeadLetter, Message
from campanile.cli.importer.batches import BATCH_BYTES, MAX_EVENT_BYTES
from campanile.cli.importer.mapping import Converter, Skipped
from campanile.cli.importer.sources import BadRow
from campanile.client import Client, ClientError, EventResult, Refused, RetryPolicy, Unreachable
from campanile.client.retries import RETRIED_STATUSES
from campanile.errors import CampanileError

Kind = Literal["events", "funnel"]

MAX_RECORD_BYTES: dict[Kind, int] = {"events": MAX_EVENT_BYTES, "funnel": BATCH_BYTES}
"""Longest message worth sending. Events are bounded by the server; snapshots only by the request."""
FOR_GOOD = frozenset({401, 403, 404, 405, 415})
"""Answers that no other message would change: the command was called with the wrong server, key or workspace."""
ANOTHER_REQUEST = "too_many_days"
"""Verdict on an event that is fine in a request of its own: the request touched too many days."""

Pause = Callable[[str, float], Awaitable[None]]
"""Told why, and how many seconds, to wait; raises when the consumer is to end."""


class Stopped(Exception):
    """The consumer was asked to end while a batch waited for the server; the batch is not acknowledged."""


class ServerRefused(CampanileError):
    """The server refuses this consumer, whatever it sends."""

    type = "server_failed"


class Verdicts(msgspec.Struct):
    """What became of a batch: messages = accepted + duplicates + skipped + dead."""

    accepted: int = 0
    duplicates: int = 0
    skipped: int = 0
    """Left out by the mapping."""
    dead: list[DeadLetter] = []


class Line(NamedTuple):
    message: Message
    body: bytes


class Delivery:
    """Sends messages through a server until each has a verdict."""

    def __init__(
        self,
        client: Client,
        *,
        kind: Kind = "events",
        converter: Converter | None = None,
        backfill: bool = False,
        policy: RetryPolicy | None = None,
    ) -> None:
        """`client` should not retry by itself; `converter` makes events of other JSON."""
        self._client = client
        self._kind = kind
        self._converter = converter
        self._backfill = backfill
        self._policy = policy or RetryPolicy()

    async def deliver(self, messages: Sequence[Message], pause: Pause) -> Verdicts:
        """Send a batch; what the server said yes to is stored durably when this returns.

        `pause` is called between attempts while the server is not ready.

        Raises:
            ServerRefused: key, workspace or server is wrong. Whatever `pause` raises.
        """
        verdicts = Verdicts()
        todo: deque[list[Line]] = deque(self._requests(messages, verdicts))
        while todo:
            lines = todo.popleft()
            try:
                answer = await self._post(lines, pause)
            except Refused as error:
                if error.status in FOR_GOOD:
                    raise ServerRefused(f"the server refuses this consumer: {error}") from error
                if len(lines) == 1:
                    verdicts.dead.append(DeadLetter(lines[0].message, f"http_{error.status}", "", error.message))
                else:
                    middle = len(lines) // 2
                    todo.extendleft((lines[middle:], lines[:middle]))
                continue
            again = self._judge(lines, answer, verdicts)
            if again:
                todo.appendleft(again)
        return verdicts

    def _requests(self, messages: Sequence[Message], verdicts: Verdicts) -> list[list[Line]]:
        requests: list[list[Line]] = []
        size = 0
        for message in messages:
            made = self._line(message)
            if isinstance(made, DeadLetter):
                verdicts.dead.append(made)
            elif isinstance(made, Skipped):
                verdicts.skipped += 1
            else:
                if not requests or size + len(made.body) > BATCH_BYTES:
                    requests.append([])
                    size = 0
                requests[-1].append(made)
                size += len(made.body) + 1
        return requests

    def _line(self, message: Message) -> Line | DeadLetter | Skipped:
        named = message.header("workspace")
        if named and named != self._client.workspace_id:
            return DeadLetter(message, "wrong_workspace", "workspace", "the header names another workspace")
        body = message.body
        if self._converter is not None:
            made = self._converted(message, self._converter)
            if not isinstance(made, bytes):
                return made
            body = made
        # JSON allows line breaks between its tokens only, where a space means the same.
        body = body.replace(b"\n", b" ").replace(b"\r", b" ").strip()
        if not body:
            return DeadLetter(message, "empty_message", "", "the message has no content")
        if len(body) > MAX_RECORD_BYTES[self._kind]:
            return DeadLetter(message, "event_too_large", "", "the message is longer than the server takes")
        return Line(message, body)

    def _converted(self, message: Message, converter: Converter) -> bytes | DeadLetter | Skipped:
        try:
            value: Any = msgspec.json.decode(message.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return DeadLetter(message, "invalid_json", "", "the message is not valid JSON")
        if not isinstance(value, dict):
            return DeadLetter(message, "not_an_object", "", "the message is not a JSON object")
        made = converter.convert(value, 0)
        if isinstance(made, Skipped):
            return made
        if isinstance(made, BadRow):
            return DeadLetter(message, made.code, "", made.message)
        if made.event.get("event_id") in (None, ""):
            made.event["event_id"] = message.id
        try:
            return msgspec.json.encode(made.event)
        except (TypeError, ValueError) as error:
            return DeadLetter(message, "invalid_value", "", f"cannot be sent as JSON: {error}")

    def _judge(self, lines: list[Line], answer: EventResult, verdicts: Verdicts) -> list[Line]:
        """Enter an answer into the verdicts; returns the lines that belong into another request."""
        verdicts.accepted += answer.accepted
        verdicts.duplicates += answer.duplicates
        again: list[Line] = []
        for problem in answer.errors:
            line = lines[problem.index]
            if problem.code == ANOTHER_REQUEST and answer.rejected < len(lines):
                again.append(line)
            else:
                verdicts.dead.append(
                    DeadLetter(line.message, problem.code, problem.field, problem.message, problem.event_id)
                )
        return again

    async def _post(self, lines: Sequence[Line], pause: Pause) -> EventResult:
        """One request, repeated until the server has an answer to it."""
        body = b"\n".join(line.body for line in lines)
        attempt = 0
        while True:
            attempt += 1
            try:
                return await asyncio.to_thread(self._send, body)
            except Unreachable as error:
                problem: ClientError = error
                asked = None
            except Refused as error:
                if error.status not in RETRIED_STATUSES:
                    raise
                problem, asked = error, error.retry_after
            await pause(str(problem), self._policy.wait(attempt, asked))

    def _send(self, body: bytes) -> EventResult:
        if self._kind == "funnel":
            return self._client.post_funnel(body, all_errors=True)
        return self._client.post_events(body, backfill=self._backfill, all_errors=True)
