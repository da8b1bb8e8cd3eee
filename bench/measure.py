"""Timing and ratios."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import msgspec

QUIET_SECONDS = 0.5
"""So long must processes rest to count as quiet."""
QUIET_LOAD = 0.25
"""Part of one processor that a resting server and engine may use for what they do all the time."""


class Ratio(msgspec.Struct, frozen=True):
    """One measured ratio."""

    what: str
    aim: str
    ratios: tuple[float, ...]
    """One per round; the two sides of a round were measured right after each other."""
    detail: str
    """The absolute figures behind it, for orientation only."""

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)


class Figure(msgspec.Struct, frozen=True):
    """A number that is no ratio, such as memory."""

    what: str
    value: str


class Measured(msgspec.Struct, frozen=True):
    """What one section measured, and where and when."""

    ratios: tuple[Ratio, ...] = ()
    figures: tuple[Figure, ...] = ()
    date: str = ""
    revision: str = ""
    machine: str = ""
    versions: str = ""


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def middle(values: Iterable[float]) -> float:
    return statistics.median(values)


def quiet(*pids: int, longest: float = 60.0) -> float:
    """Wait until these processes and this one do next to nothing; the seconds that took."""
    started = now = time.perf_counter()
    busy_until, spent = now, _processor_seconds(pids)
    while now - busy_until < QUIET_SECONDS and now - started < longest:
        time.sleep(QUIET_SECONDS / 5)
        before, spent = spent, _processor_seconds(pids)
        last, now = now, time.perf_counter()
        if spent - before > QUIET_LOAD * (now - last):
            busy_until = now
    return busy_until - started


def _processor_seconds(pids: Iterable[int]) -> float:
    each = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return time.process_time() + sum(int(stat[11]) + int(stat[12]) for stat in each) / os.sysconf("SC_CLK_TCK")


def resident_mebibytes(pid: int) -> int:
    """Memory of a process and its children as the operating system counts it."""
    pids = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):  # a child belongs to the thread that started it
        with contextlib.suppress(OSError):  # the thread has ended
            pids.extend(map(int, children.read_text().split()))
    return sum(_resident_kibibytes(each) for each in pids) // 1024


def _resident_kibibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)  # 0: it has just ended


def machine() -> str:
    """What was measured on."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    gibibytes = round(int(memory.split()[1]) / 1024 / 1024)
    return f"{len(names)} × {names[0] if names else platform.machine()}, {gibibytes} GiB, Linux {platform.release()}"


def versions() -> str:
    packages = ["campanile", "chdb-core", "granian", "litestar", "msgspec", "pyarrow"]
    return ", ".join(f"{name} {version(name)}" for name in packages) + f", Python {platform.python_version()}"


def revision() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
