"""Works on the jobs of a queue, inside a server or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio
import anyio.lowlevel
import msgspec
import structlog

from campanile.errors import CampanileError
from campanile.jobs.queue import PROLONG, HoldLost, Job, Queue

POLL_SECONDS = 1.0
"""Pause before the queue is asked again when nothing was due."""
AFTER_FAILURE_SECONDS = 5.0
"""Pause after the queue could not be asked, or a regular task failed."""

Handler = Callable[[Job], Awaitable[None]]
"""Does one job and finishes or postpones it. It is cancelled when the job is lost."""

_log = structlog.get_logger("campanile.jobs")


class Regular(msgspec.Struct, frozen=True):
    """Something to be done every now and then by each worker; it must not matter how many do it."""

    name: str
    seconds: float
    call: Callable[[], object]
    """Runs in a thread."""


class Worker:
    """Claims jobs and runs their handlers, several at a time.

    Args:
        handlers: kind of job → what does it.
        parallel: jobs worked on at the same time.
    """

    def __init__(
        self,
        queue: Queue,
        handlers: Mapping[str, Handler],
        *,
        regulars: Sequence[Regular] = (),
        parallel: int = 2,
    ) -> None:
        self._queue = queue
        self._handlers = dict(handlers)
        self._regulars = tuple(regulars)
        self._parallel = parallel
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to work in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self.run(), name="jobs")

    async def stop(self) -> None:
        """Give back what is being worked on and end. May be called without `start`."""
        self._loop = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def notify(self) -> None:
        """There may be something to do. From any thread, and also while nobody works."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closing
                loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Work until cancelled."""
        async with anyio.create_task_group() as group:
            for regular in self._regulars:
                group.start_soon(self._regularly, regular)
            for _ in range(self._parallel):
                group.start_soon(self._work)

    async def drain(self) -> int:
        """Do everything that is due now, one job after the other; how many there were."""
        done = 0
        while (job := await self._claim()) is not None:
            await self._do(job)
            done += 1
        return done

    async def _work(self) -> None:
        while True:
            pause = POLL_SECONDS
            try:
                job = await self._claim()
            except CampanileError as error:
                _log.warning("queue_unavailable", error=error.error_type)
                job, pause = None, AFTER_FAILURE_SECONDS
            except Exception as error:  # nobody would notice that the work has ended for good
                _log.error("queue_failed", exc_info=error)
                job, pause = None, AFTER_FAILURE_SECONDS
            if job is not None:
                await self._do(job)
                continue
            self._wake.clear()
            with anyio.move_on_after(pause):
                await self._wake.wait()

    async def _claim(self) -> Job | None:
        job: Job | None = None
        with anyio.CancelScope(shield=True):  # a job that was claimed must not be forgotten
            job = await anyio.to_thread.run_sync(self._queue.claim, list(self._handlers))
        if job is not None:
            _log.debug("job_begun", kind=job.kind, key=job.key, attempt=job.attempts)
        return job

    async def _do(self, job: Job) -> None:
        """Run the handler, with signs of life beside it. What it raises ends here: the job comes up again."""
        fields = {"kind": job.kind, "key": job.key, "attempt": job.attempts}
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep, job, group.cancel_scope)
                await anyio.lowlevel.checkpoint()  # nothing is begun once the worker is to end
                await self._handlers[job.kind](job)
                group.cancel_scope.cancel()
        except asyncio.CancelledError:
            await self._give_back(job, failed=False)
            raise
        except ExceptionGroup as raised:
            if raised.split(HoldLost)[1] is None:
                _log.warning("job_lost", **fields)
            else:
                _log.error("job_failed", **fields, exc_info=raised)
                await self._give_back(job, failed=True)

    async def _keep(self, job: Job, scope: anyio.CancelScope) -> None:
        while True:
            await anyio.sleep(PROLONG.total_seconds())
            try:
                await anyio.to_thread.run_sync(self._queue.prolong, job)
            except HoldLost:
                if not scope.cancel_called:
                    _log.warning("job_lost", kind=job.kind, key=job.key, attempt=job.attempts)
                    scope.cancel()
                return
            except CampanileError as error:  # the handler will find out whether the job is still ours
                _log.warning("queue_unavailable", error=error.error_type)

    async def _give_back(self, job: Job, *, failed: bool) -> None:
        def put_back() -> None:
            with contextlib.suppress(HoldLost, CampanileError):  # otherwise it is free when the hold ends
                self._queue.give_back(job, failed=failed)

        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(put_back)

    async def _regularly(self, regular: Regular) -> None:
        while True:
            pause = regular.seconds
            try:
                await anyio.to_thread.run_sync(regular.call)
            except Exception as error:  # one that failed must not end the others
                _log.error("regular_task_failed", task=regular.name, exc_info=error)
                pause = max(pause, AFTER_FAILURE_SECONDS)
            await anyio.sleep(pause)
