"""Running the application in this process on granian or uvicorn: start, readiness, orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import structlog

from campanile.errors import ConfigurationError
from campanile.kit.heap import keep_what_there_is
from campanile.settings import Settings

HEADER_BYTES = 16 * 1024
"""Longest block of request headers; beyond: 431."""
BUFFER_BYTES = 64 * 1024
"""Unread bytes the HTTP library keeps per connection; headers that do not fit end the connection."""
HEADER_SECONDS = 10
"""Time for a client to send its request headers."""
KEEP_ALIVE_SECONDS = 75
"""Idle time after which a kept connection is closed."""
BACKLOG = 1024
"""Connections waiting to be accepted, and requests worked on at a time."""
DRAIN_SECONDS = 25.0
"""Time for running requests to finish after the first signal; supervisors usually kill after 30."""
LISTEN_SECONDS = 30.0
"""Time for the HTTP server to start listening."""

_GRANIAN_LOG: dict[str, Any] = {
    "handlers": {
        name: {"formatter": "generic", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
        for name in ("console", "access")
    }
}
"""The library logs to standard output by default, where answers of commands belong."""

Companion = Callable[[], Awaitable[None]]
"""Work that goes along with a ready server; the server ends when it ends."""


class Application(Protocol):
    """An ASGI application whose start and end are a context, such as a Litestar application."""

    def lifespan(self) -> AbstractAsyncContextManager[Any]: ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class HeaderLimit:
    """Refuses requests whose headers are too long, before the application sees them."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if (
            scope["type"] == "http"
            and sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > HEADER_BYTES
        ):
            await send({"type": "http.response.start", "status": 431, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)


class HttpServer(Protocol):
    """What we need of a server library."""

    async def serve(self) -> None:
        """Accept requests until stopped; return when the running ones are done."""

    def stop(self) -> None:
        """Ask `serve` to end. May be called again."""


def run_server(app: Application, settings: Settings, companion: Companion | None = None) -> None:
    """Serve until SIGTERM or SIGINT, or until the companion is done; running requests are finished first.

    Raises:
        ConfigurationError: the address cannot be listened on, or the application cannot start.
    """
    check_address(settings)
    asyncio.run(_run(app, settings, companion))


async def _run(app: Application, settings: Settings, companion: Companion | None) -> None:
    log = structlog.get_logger("campanile.server")
    async with app.lifespan():
        limited = HeaderLimit(app)
        server: HttpServer = (_Uvicorn if settings.http_server == "uvicorn" else _Granian)(limited, settings)
        stopping = asyncio.Event()
        with stop_signals(stopping):
            serving = asyncio.create_task(server.serve())
            waiting = asyncio.create_task(stopping.wait())
            tasks: set[asyncio.Task[None] | asyncio.Task[bool]] = {serving, waiting}
            try:
                await _listening(settings, serving, waiting)
                if not stopping.is_set():
                    keep_what_there_is()
                    log.info("ready", url=settings.resolved_base_url, data=settings.data, server=settings.http_server)
                if companion is not None:
                    tasks.add(asyncio.create_task(_as_task(companion)))
                finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                log.info("stopping")
                server.stop()
                await asyncio.wait({serving}, timeout=DRAIN_SECONDS)
                for task in tasks - {serving}:
                    task.cancel()
                if not serving.done():
                    log.warning("requests_cut_off", seconds=DRAIN_SECONDS)
                    serving.cancel()
            early = serving in finished and not stopping.is_set()
            for task in finished:
                task.result()
            if early:
                raise ConfigurationError("the HTTP server ended unexpectedly")
    log.info("stopped")


async def _as_task(companion: Companion) -> None:
    await companion()


@contextlib.contextmanager
def stop_signals(stopping: asyncio.Event) -> Iterator[None]:
    """Both signals ask for an orderly end; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        stopping.set()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def check_address(settings: Settings) -> None:
    """
    Raises:
        ConfigurationError: unknown HTTP server, or the address cannot be listened on; says what to do.
    """
    if settings.http_server not in ("granian", "uvicorn"):
        raise ConfigurationError(f"http_server must be granian or uvicorn, not {settings.http_server!r}")
    if not 1 <= settings.port <= 65_535:
        raise ConfigurationError(f"port must be a number from 1 to 65535, not {settings.port}")
    # granian shares ports between processes, so it would not notice that another server listens there.
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"cannot listen on {settings.host}:{settings.port}: {reason}; choose another port with --port"
        ) from error


async def _listening(settings: Settings, serving: asyncio.Task[None], waiting: asyncio.Task[bool]) -> None:
    """Wait until a connection is accepted, the server gives up, or a signal arrives."""
    host = _own_address(settings.host)
    deadline = asyncio.get_running_loop().time() + LISTEN_SECONDS
    while not serving.done() and not waiting.done():
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, settings.port)
            writer.close()
            return
        if asyncio.get_running_loop().time() > deadline:
            raise ConfigurationError(f"the HTTP server does not listen on {settings.host}:{settings.port}")
        await asyncio.wait({serving, waiting}, timeout=0.02, return_when=asyncio.FIRST_COMPLETED)


def _own_address(host: str) -> str:
    """An address at which a server bound to `host` answers this process."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            return "::1" if address.version == 6 else "127.0.0.1"
    return host


class _Granian:
    """granian inside this process: one worker, no child process that could outlive us or hold the data folder."""

    def __init__(self, app: HeaderLimit, settings: Settings) -> None:
        from granian.constants import HTTPModes, Interfaces
        from granian.http import HTTP1Settings
        from granian.log import LogLevels
        from granian.server.embed import Server

        self._server: Any = Server(
            app,
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            http1_settings=HTTP1Settings(
                header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=BUFFER_BYTES, pipeline_flush=True
            ),
            log_level=LogLevels.error,
            log_dictconfig=_GRANIAN_LOG,
        )

    async def serve(self) -> None:
        await self._server.serve()

    def stop(self) -> None:
        self._server.stop()


class _Uvicorn:
    def __init__(self, app: HeaderLimit, settings: Settings) -> None:
        import uvicorn

        class Server(uvicorn.Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield  # signals are handled by `stop_signals`, the same way for both libraries

        self._server = Server(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # whom to believe is `trusted_proxies`, for both libraries
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                h11_max_incomplete_event_size=BUFFER_BYTES,
            )
        )

    async def serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit as error:  # how uvicorn says that it cannot start
            raise ConfigurationError("uvicorn cannot start, see the log") from error

    def stop(self) -> None:
        self._server.should_exit = True
