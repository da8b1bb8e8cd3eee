"""Asking one server for one workspace: headers, retries, rate limits, and errors in words. No input or output here."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from campanile import __version__
from campanile.client.effects import Answer, Request, Send, Steps, Wait
from campanile.client.errors import ClientError, Refused, Unreachable
from campanile.client.retries import RETRIED_STATUSES, RetryPolicy, asked_wait, reset_seconds

JSON = "application/json"
SURELY_UNDONE = frozenset({429, 503})
"""Statuses that say nothing was done."""

Shape = TypeVar("Shape")


class Session:
    """Where and for whom questions are asked, and what the server said of its rate limits."""

    def __init__(self, base_url: str, workspace_id: str, key: str, retry: RetryPolicy) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"the address of a server begins with http:// or https://, not {base_url[:100]!r}")
        self.base_url = base_url.rstrip("/")
        self.workspace_id = workspace_id
        self.key = key
        self.retry = retry
        token = base64.b64encode(f"{workspace_id}:{key}".encode()).decode("ascii")
        self.headers: Mapping[str, str] = {
            "Authorization": f"Basic {token}",
            "MOE-APPKEY": workspace_id,
            "User-Agent": f"campanile/{__version__}",
        }
        self._used_up: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r}, {self.workspace_id!r})"

    def pause(self, budget: str) -> float:
        """Seconds until a budget that is used up is there again; forgotten once they were waited for."""
        until = self._used_up.pop(budget, 0.0)
        return min(self.retry.longest, max(0.0, until - time.monotonic()))

    def note(self, budget: str, answer: Answer) -> None:
        """Remember what an answer says of the budget."""
        if budget and answer.headers.get("x-ratelimit-remaining") == "0":
            seconds = reset_seconds(answer.headers)
            if seconds:
                self._used_up[budget] = time.monotonic() + seconds


def ask(session: Session, request: Request) -> Steps[Answer]:
    """Send a request until it is answered.

    Raises:
        Unreachable: no answer after all attempts. Refused: the server says no.
    """
    attempt = 0
    while True:
        attempt += 1
        if (pause := session.pause(request.budget)) > 0:
            yield Wait(pause)
        asked: float | None = None
        try:
            answer: Answer = yield Send(request)
        except Unreachable as error:
            problem: ClientError = error
            final = error.arrived and not request.repeatable
        else:
            session.note(request.budget, answer)
            if answer.status in request.accepted:
                return answer
            problem, final = refusal(answer), answer.status not in _retried(request)
            asked = asked_wait(answer.status, answer.headers)
        if final or attempt >= session.retry.attempts:
            raise problem
        session.pause(request.budget)  # the wait that follows is for it, too
        yield Wait(session.retry.wait(attempt, asked))


def ask_json(
    session: Session,
    method: str,
    path: str,
    content: object = None,
    *,
    shape: type[Shape],
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    repeatable: bool = True,
    budget: str = "",
) -> Steps[Shape]:
    """One JSON value in, if there is `content`, and one out; an empty answer is an empty object."""
    given, body = dict(headers or {}), b""
    if content is not None:
        body, given["Content-Type"] = msgspec.json.encode(content), JSON
    request = Request(
        method=method, path=path, query=query or {}, headers=given, body=body,
        accepted=frozenset(range(200, 300)), repeatable=repeatable, budget=budget,
    )  # fmt: skip
    answer = yield from ask(session, request)
    return decode(session, answer, shape)


def decode(session: Session, answer: Answer, shape: type[Shape]) -> Shape:
    """The answer as a value.

    Raises:
        Refused: it is an error. Unreachable: it is nothing this API answers.
    """
    try:
        return msgspec.json.decode(answer.body or b"{}", type=shape)
    except msgspec.DecodeError as error:
        if answer.status >= 400:
            raise refusal(answer) from error
        raise Unreachable(f"{session.base_url} gave an answer of an unknown form: {error}") from error


def refusal(answer: Answer) -> Refused:
    """The error an answer stands for."""
    wait = asked_wait(answer.status, answer.headers)
    return Refused(answer.status, explain(answer), retry_after=wait, problems=_problems(answer))


def explain(answer: Answer) -> str:
    """The sentence of an error answer, whichever of the known shapes it has."""
    fallback = answer.reason or "error"
    try:
        body = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return fallback
    if isinstance(body, dict):
        inner = body.get("error")
        if isinstance(inner, dict) and inner.get("message"):
            return str(inner["message"])
        texts = [str(body[name]) for name in ("title", "description", "message") if body.get(name)]
        if texts:
            return ": ".join(texts)
    return fallback


class _Problems(msgspec.Struct):
    errors: Sequence[dict[str, Any]] = ()


def _problems(answer: Answer) -> tuple[str, ...]:
    """The sentences of an error answer that lists several."""
    try:
        found = msgspec.json.decode(answer.body, type=_Problems)
    except msgspec.DecodeError:
        return ()
    return tuple(problem["message"] for problem in found.errors if isinstance(problem.get("message"), str))


def _retried(request: Request) -> frozenset[int]:
    return RETRIED_STATUSES if request.repeatable else SURELY_UNDONE
