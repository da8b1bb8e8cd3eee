"""`campanile doctor`."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
from cyclopts import Parameter

from campanile.cli.options import Config, Data, Json, settings_of
from campanile.cli.output import print_json, stdout, table
from campanile.clock import Clock, SystemClock
from campanile.engine import open_engine
from campanile.engine.lock import lock_holder
from campanile.errors import CampanileError
from campanile.http.rate_limit import open_limiter
from campanile.kit.times import is_timezone
from campanile.metadata import open_metadata, pending
from campanile.reports.files.store import open_store
from campanile.settings import Settings
from campanile.stats.verify import Verified, verify
from campanile.workspaces.secrets import KEY_FILE, load_master_key

ASK_SECONDS = 5.0
"""Time the server has to answer."""
ROOMY_FACTOR = 5
"""Free space below so many times the refusing threshold is worth a warning."""
CLOCK_SLACK = timedelta(minutes=2)
"""How far ahead of our clock a file may be dated."""
SQLITE_MAGIC = b"SQLite format 3\0"
OLDEST_SANE = datetime(2025, 1, 1, tzinfo=UTC)

SAMPLE = 20
"""Campaigns of each workspace that are computed twice."""
SHOWN = 3
"""Differences that are named."""

Level = Literal["ok", "warn", "fail"]


VerifyCache = Annotated[
    bool,
    Parameter(
        negative="",
        help="Also answer about some campaigns twice, from integers and from the log, and compare. With the embedded"
        " store, the server must be stopped.",
    ),
]


class Finding(NamedTuple):
    """One line of the report."""

    check: str
    level: Level
    found: str
    advice: str = ""


def doctor(*, verify_cache: VerifyCache = False, json: Json = False, data: Data = None, config: Config = None) -> int:
    """Check everything a server needs and say what to do; works beside a running server.

    Exit codes: 0 nothing fails (warnings may), 1 something fails, 2 the settings cannot be read.
    """
    settings = settings_of(config, data=data)
    clock = SystemClock()
    findings = list(examine(settings, clock, verify_cache=verify_cache))
    if json:
        print_json([finding._asdict() for finding in findings])
    else:
        stdout().print(table(Finding._fields, findings))
    return 1 if any(finding.level == "fail" for finding in findings) else 0


def examine(settings: Settings, clock: Clock, *, verify_cache: bool = False) -> Iterator[Finding]:
    """All findings, from the disk up to the server."""
    yield Finding(
        "settings", "ok", f"data in {settings.data_path}, {settings.http_server} on {settings.resolved_base_url}"
    )
    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("data folder", lambda: _folder(settings)),
        ("disk", lambda: _disk(settings)),
        ("secret key", lambda: _secret(settings)),
        ("clock", lambda: _clock(settings, clock)),
        ("metadata", lambda: _metadata(settings)),
        ("events", lambda: _engine(settings)),
        ("rate limits", lambda: _limiter(settings, clock)),
        ("report files", lambda: _files(settings)),
        ("reports", lambda: _reports(settings)),
        ("server", lambda: _server(settings)),
        *((("settled answers", lambda: _settled(settings, clock)),) if verify_cache else ()),
    )
    for name, check in checks:
        try:
            yield from check()
        except CampanileError as error:
            yield Finding(name, "fail", error.message)
        except OSError as error:
            yield Finding(name, "fail", f"{error.strerror or error}")


def _folder(settings: Settings) -> Iterator[Finding]:
    path = settings.data_path
    if not path.exists():
        parent = next(folder for folder in path.parents if folder.exists())
        if os.access(parent, os.W_OK):
            yield Finding("data folder", "ok", f"{path} does not exist yet; the first start makes it")
        else:
            yield Finding("data folder", "fail", f"{path} cannot be made in {parent}", "change --data or permissions")
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data folder", "fail", f"{path} cannot be written", "run as its owner, or change its owner")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IWOTH:
        yield Finding("data folder", "warn", f"{path} can be written by everybody", f"chmod o-w {path}")
    else:
        yield Finding("data folder", "ok", f"{path}, mode {mode:o}")


def _disk(settings: Settings) -> Iterator[Finding]:
    path = settings.data_path
    usage = shutil.disk_usage(next(folder for folder in (path, *path.parents) if folder.exists()))
    found = f"{usage.free / 2**30:.1f} GiB free of {usage.total / 2**30:.1f} GiB"
    if usage.free < settings.min_free_bytes:
        yield Finding("disk", "fail", found, "writes are refused (503): free some space or lower min_free_bytes")
    elif usage.free < ROOMY_FACTOR * settings.min_free_bytes:
        yield Finding("disk", "warn", found, f"writes are refused below {settings.min_free_bytes / 2**30:.1f} GiB")
    else:
        yield Finding("disk", "ok", found)


def _secret(settings: Settings) -> Iterator[Finding]:
    path = settings.data_path / KEY_FILE
    if not settings.secret_key and not path.exists():
        yield Finding("secret key", "ok", f"none yet; the first start makes {path}")
        return
    load_master_key(settings)
    where = "CAMPANILE_SECRET_KEY or the settings file" if settings.secret_key else str(path)
    yield Finding("secret key", "ok", where, "" if settings.secret_key else "keep a copy: stored keys need it")


def _clock(settings: Settings, clock: Clock) -> Iterator[Finding]:
    now = clock.now()
    if now < OLDEST_SANE:
        yield Finding("clock", "fail", f"{now:%Y-%m-%d %H:%M:%S} UTC", "set the clock of this machine")
    elif not is_timezone("Europe/Berlin"):
        yield Finding("clock", "fail", "no time zone data", "install the package tzdata")
    elif (newest := _newest(settings.data_path)) > now + CLOCK_SLACK:
        yield Finding(
            "clock", "warn", f"files of {newest:%Y-%m-%d %H:%M:%S} UTC, now {now:%Y-%m-%d %H:%M:%S}", "check the clock"
        )
    else:
        yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _newest(folder: Path) -> datetime:
    times = [entry.stat().st_mtime for entry in folder.iterdir()] if folder.is_dir() else []
    return datetime.fromtimestamp(max(times, default=0.0), UTC)


def _metadata(settings: Settings) -> Iterator[Finding]:
    address = settings.resolved_metadata_url
    url = urlsplit(address)
    shown = f"{url.scheme}://{url.hostname}{url.path}"
    if url.scheme == "sqlite":
        shown = address.removeprefix("sqlite:///")
        if not Path(shown).expanduser().exists():
            yield Finding("metadata", "ok", f"{shown} does not exist yet; the first start makes it")
            return
        with Path(shown).expanduser().open("rb") as stream:
            if stream.read(len(SQLITE_MAGIC)) not in (SQLITE_MAGIC, b""):
                yield Finding("metadata", "fail", f"{shown} is not an SQLite database", "restore it from a backup")
                return
    metadata = open_metadata(address)
    try:
        missing = pending(metadata.engine)
    finally:
        metadata.close()
    yield _schema("metadata", shown, missing)


def _schema(name: str, where: str, missing: list[str]) -> Finding:
    if missing:
        return Finding(name, "warn", f"{where}: {len(missing)} migrations to come", "campanile migrate, or just start")
    return Finding(name, "ok", f"{where}, up to date")


def _engine(settings: Settings) -> Iterator[Finding]:
    url = urlsplit(settings.resolved_engine_url)
    embedded = url.scheme == "chdb"
    where = url.path if embedded else f"{url.scheme}://{url.hostname}"
    if embedded:
        folder = Path(url.path)
        if not folder.exists():
            yield Finding("events", "ok", f"{folder} does not exist yet; the first start makes it")
            return
        holder = lock_holder(folder)
        if holder is not None:
            yield Finding("events", "ok", f"{folder} is in use by process {holder}, see server below")
            return
    engine = open_engine(settings)
    try:
        engine.ping()
        missing = engine.pending_migrations()
    finally:
        engine.close()
    yield _schema("events", where, missing)


def _limiter(settings: Settings, clock: Clock) -> Iterator[Finding]:
    url = urlsplit(settings.limiter_url)
    limiter = open_limiter(settings.limiter_url, clock)
    asyncio.run(limiter.peek("doctor", 1))  # a store that cannot be reached shows when it is asked
    state = limiter.check()
    where = "in memory of each process" if url.scheme == "memory" else f"{url.scheme}://{url.hostname}"
    if state is None:
        yield Finding("rate limits", "ok", where)
    else:
        yield Finding("rate limits", "warn", f"{where}: {state}", "counted per process until it is back")


def _files(settings: Settings) -> Iterator[Finding]:
    url = urlsplit(settings.resolved_files_url)
    folder = Path(unquote(url.path))
    if url.scheme == "file" and not folder.exists():
        yield Finding("report files", "ok", f"{folder} does not exist yet; the first start makes it")
        return
    open_store(settings.resolved_files_url).check()
    yield Finding("report files", "ok", str(folder) if url.scheme == "file" else f"{url.scheme}://{url.netloc}")


def _reports(settings: Settings) -> Iterator[Finding]:
    jobs = settings.report_jobs
    if jobs > 0:
        yield Finding("reports", "ok", f"made by the server, {jobs} at the same time")
    elif settings.resolved_engine_url.startswith("chdb"):
        yield Finding(
            "reports", "warn", "nobody makes them", "set CAMPANILE_REPORT_JOBS: the embedded store allows no workers"
        )
    else:
        yield Finding("reports", "ok", "made by workers", "start at least one: campanile worker")


def _server(settings: Settings) -> Iterator[Finding]:
    address = settings.resolved_base_url
    try:
        answer = httpx.get(f"{address}/readyz", timeout=ASK_SECONDS)
    except httpx.HTTPError:
        yield Finding("server", "warn", f"none answers at {address}", "start it: campanile serve")
        return
    if answer.status_code == 200:
        yield Finding("server", "ok", f"{address} is ready")
    else:
        yield Finding("server", "fail", f"{address} answers {answer.status_code}: {answer.text[:200]}", "see its log")


def _settled(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Answers from integers against answers from the log."""
    check = "settled answers"
    holder = lock_holder(settings.data_path / "engine") if settings.resolved_engine_url.startswith("chdb") else None
    if holder is not None:
        yield Finding(check, "warn", f"not compared: process {holder} uses the store", "stop the server meanwhile")
        return
    if not settings.data_path.exists():
        yield Finding(check, "ok", "nothing to compare yet")
        return
    if settings.settled_after < 0:
        yield Finding(check, "warn", "turned off", "set CAMPANILE_SETTLED_AFTER to 0 or more")
        return
    found = asyncio.run(_verified(settings, clock))
    differing = [name for each in found for name in each.differing]
    if differing:
        yield Finding(check, "fail", f"differ from the log: {', '.join(differing[:SHOWN])}", "please report this")
        return
    campaigns, compared = sum(each.settled for each in found), sum(each.compared for each in found)
    others, grown = sum(each.others for each in found), sum(each.grown for each in found)
    note = f"; {others} others are answered from the log" if others else ""
    also = f", {grown} of them also brought up to date from the past," if grown else ""
    yield Finding(check, "ok", f"{compared} answers about {campaigns} campaigns{also} equal those of the log{note}")


async def _verified(settings: Settings, clock: Clock) -> list[Verified]:
    """A sample of every workspace."""
    from campanile.app import build_services  # a whole server

    chance = random.Random()  # noqa: S311  which campaigns are looked at is no secret
    # With the store to ourselves nothing can be under way that would have to be waited for.
    after = 0.0 if settings.resolved_engine_url.startswith("chdb") else settings.settled_after
    services = build_services(msgspec.structs.replace(settings, report_jobs=0, settled_after=after), clock)
    try:
        found = []
        for workspace in services.workspaces.list():
            listed = services.campaigns.order(workspace.id).listed
            chosen = chance.sample(listed, min(len(listed), SAMPLE))
            campaigns = list(services.campaigns.get_many(workspace.id, chosen).values())
            today = clock.now().date()
            found.append(await verify(services.numbers, services.settle_all, workspace, campaigns, today, chance))
        return found
    finally:
        await services.close()
