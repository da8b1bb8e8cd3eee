"""Performing the effects of questions over httpx: once blocking, once async. No other module here waits or reads."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import httpx

from campanile.client.effects import Answer, Effect, Emit, Open, Read, Request, Send, Steps, Stream, Wait, Work
from campanile.client.errors import ClientError, Unreachable
from campanile.client.session import Session

CONNECT_SECONDS = 10.0
"""Seconds to connect; an answer may take longer."""

P = ParamSpec("P")
Result = TypeVar("Result")
Item = TypeVar("Item")

_FAILURES = (ClientError, OSError, ValueError)
"""What performing an effect may raise; the question decides what becomes of it."""


class _Course(Generic[Result]):
    """How far a question has come: `effect` is what it wants next, None when `result` is there."""

    result: Result

    def __init__(self, steps: Generator[Effect | Emit[Any], Any, Result]) -> None:
        self._steps = steps
        self.effect: Effect | Emit[Any] | None = None
        self.go_on(None)

    def go_on(self, value: object) -> None:
        self._step(lambda: self._steps.send(value))

    def fail(self, error: Exception) -> None:
        self._step(lambda: self._steps.throw(error))

    def end(self) -> None:
        """Give up, so that the question lets go of what it holds."""
        self._steps.close()

    def _step(self, step: Callable[[], Effect | Emit[Any]]) -> None:
        try:
            self.effect = step()
        except StopIteration as done:
            self.effect, self.result = None, done.value


class BlockingDriver:
    """Asks questions and waits for their answers. Thread-safe."""

    def __init__(self, session: Session, timeout: float, transport: httpx.BaseTransport | None) -> None:
        self.session = session
        self._http = httpx.Client(base_url=session.base_url, timeout=_timeout(timeout), transport=transport)

    def close(self) -> None:
        self._http.close()

    def run(self, steps: Steps[Result]) -> Result:
        course = _Course(steps)
        for _ in self._items(course):
            raise TypeError("a question with one answer hands out no items")
        return course.result

    def items(self, steps: Stream[Item]) -> Iterator[Item]:
        return self._items(_Course(steps))

    def _items(self, course: _Course[Any]) -> Iterator[Any]:
        exchange = _BlockingExchange(self.session, self._http)
        try:
            while (effect := course.effect) is not None:
                if isinstance(effect, Emit):
                    yield effect.item
                    course.go_on(None)
                    continue
                try:
                    value = exchange.perform(effect)
                except _FAILURES as error:
                    course.fail(error)
                else:
                    course.go_on(value)
        finally:
            exchange.close()
            course.end()


class _BlockingExchange:
    """The effects of one question; at most one answer is open at a time."""

    def __init__(self, session: Session, http: httpx.Client) -> None:
        self._session = session
        self._http = http
        self._open: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def perform(self, effect: Effect) -> object:
        if isinstance(effect, Wait):
            self._session.retry.sleep(effect.seconds)
            return None
        if isinstance(effect, Work):
            return effect.action()
        try:
            if isinstance(effect, Read):
                return next(self._chunks, b"")
            return self._send(effect)
        except httpx.RequestError as error:
            raise _unreachable(self._session, error) from error

    def _send(self, effect: Send | Open) -> Answer:
        self.close()
        request = _request(self._http, self._session, effect.request)
        stream = isinstance(effect, Open)
        response = self._http.send(request, stream=stream)
        if stream and response.is_success:
            self._open, self._chunks = response, response.iter_raw()
            return _head(response)
        return _whole(response, response.read())

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class AsyncDriver:
    """Asks questions on an event loop."""

    def __init__(self, session: Session, timeout: float, transport: httpx.AsyncBaseTransport | None) -> None:
        self.session = session
        self._http = httpx.AsyncClient(base_url=session.base_url, timeout=_timeout(timeout), transport=transport)

    async def close(self) -> None:
        await self._http.aclose()

    async def run(self, steps: Steps[Result]) -> Result:
        course = _Course(steps)
        async for _ in self._items(course):
            raise TypeError("a question with one answer hands out no items")
        return course.result

    def items(self, steps: Stream[Item]) -> AsyncIterator[Item]:
        return self._items(_Course(steps))

    async def _items(self, course: _Course[Any]) -> AsyncIterator[Any]:
        exchange = _AsyncExchange(self.session, self._http)
        try:
            while (effect := course.effect) is not None:
                if isinstance(effect, Emit):
                    yield effect.item
                    course.go_on(None)
                    continue
                try:
                    value = await exchange.perform(effect)
                except _FAILURES as error:
                    course.fail(error)
                else:
                    course.go_on(value)
        finally:
            await exchange.close()
            course.end()


class _AsyncExchange:
    """The effects of one question; at most one answer is open at a time."""

    def __init__(self, session: Session, http: httpx.AsyncClient) -> None:
        self._session = session
        self._http = http
        self._open: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def perform(self, effect: Effect) -> object:
        if isinstance(effect, Wait):
            await self._session.retry.async_sleep(effect.seconds)
            return None
        if isinstance(effect, Work):
            from anyio import to_thread  # httpx brings it; blocking callers need not load it

            return await to_thread.run_sync(effect.action)
        try:
            if isinstance(effect, Read):
                return b"" if self._chunks is None else await anext(self._chunks, b"")
            return await self._send(effect)
        except httpx.RequestError as error:
            raise _unreachable(self._session, error) from error

    async def _send(self, effect: Send | Open) -> Answer:
        await self.close()
        request = _request(self._http, self._session, effect.request)
        stream = isinstance(effect, Open)
        response = await self._http.send(request, stream=stream)
        if stream and response.is_success:
            self._open, self._chunks = response, response.aiter_raw()
            return _head(response)
        return _whole(response, await response.aread())

    async def close(self) -> None:
        if self._open is not None:
            await self._open.aclose()
            self._open = None


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


def _request(http: httpx.Client | httpx.AsyncClient, session: Session, request: Request) -> httpx.Request:
    headers = {**session.headers, **request.headers}
    return http.build_request(request.method, request.path, params=request.query, headers=headers, content=request.body)


def _head(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.reason_phrase, response.headers)


def _whole(response: httpx.Response, body: bytes) -> Answer:
    return Answer(response.status_code, response.reason_phrase, response.headers, body)


def _unreachable(session: Session, error: httpx.RequestError) -> Unreachable:
    surely_not = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    text = str(error) or type(error).__name__
    return Unreachable(f"cannot reach {session.base_url}: {text}", arrived=not surely_not)


Driver = TypeVar("Driver", BlockingDriver, AsyncDriver)


class Asking(Generic[Driver]):
    """Whatever has questions as methods."""

    def __init__(self, driver: Driver) -> None:
        self._driver: Driver = driver

    @property
    def base_url(self) -> str:
        """Of the server that is asked."""
        return self._driver.session.base_url

    @property
    def workspace_id(self) -> str:
        """Of the workspace that is asked about."""
        return self._driver.session.workspace_id


class Blocking(Asking[BlockingDriver]):
    """Questions that are asked with blocking calls."""


class Awaiting(Asking[AsyncDriver]):
    """Questions that are asked with `await`."""


def blocking(question: Callable[Concatenate[Session, P], Steps[Result]]) -> Callable[Concatenate[Blocking, P], Result]:
    """A question as a method of the blocking client."""
    return _method(question, BlockingDriver.run)


def blocking_items(
    question: Callable[Concatenate[Session, P], Stream[Item]],
) -> Callable[Concatenate[Blocking, P], Iterator[Item]]:
    """A question with many answers as a method of the blocking client."""
    return _method(question, BlockingDriver.items)


def awaiting(
    question: Callable[Concatenate[Session, P], Steps[Result]],
) -> Callable[Concatenate[Awaiting, P], Awaitable[Result]]:
    """A question as a method of the async client."""
    return _method(question, AsyncDriver.run)


def awaiting_items(
    question: Callable[Concatenate[Session, P], Stream[Item]],
) -> Callable[Concatenate[Awaiting, P], AsyncIterator[Item]]:
    """A question with many answers as a method of the async client."""
    return _method(question, AsyncDriver.items)


def _method(question: Callable[..., Any], perform: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Ask the question by a way of the driver; the four above say what types that gives."""

    @functools.wraps(question)
    def ask(client: Asking[Any], /, *args: Any, **kwargs: Any) -> Any:
        driver = client._driver
        return perform(driver, question(driver.session, *args, **kwargs))

    return ask
