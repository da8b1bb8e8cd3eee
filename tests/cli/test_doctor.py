"""`campanile doctor` and `campanile migrate`."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from campanile.app import build_services
from campanile.cli.doctor import examine
from campanile.cli.main import main
from campanile.clock import FixedClock, SystemClock
from campanile.engine.lock import FolderLock
from campanile.settings import Settings
from campanile.stats.settled.histories import Histories
from tests.campaigns.samples import simple
from tests.support.log import write
from tests.support.processes import free_ports

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(data_folder: Path) -> Settings:
    return Settings(data=str(data_folder / "data"), port=free_ports(1)[0])


def levels(settings: Settings) -> dict[str, tuple[str, str]]:
    return {finding.check: (finding.level, finding.found) for finding in examine(settings, SystemClock())}


def test_a_machine_on_which_nothing_was_started_yet(settings: Settings) -> None:
    found = levels(settings)
    assert list(found) == [
        "settings", "data folder", "disk", "secret key", "clock", "metadata", "events", "rate limits", "report files",
        "reports", "server",
    ]  # fmt: skip
    assert {name for name, (level, _) in found.items() if level != "ok"} <= {"server", "disk"}
    assert found["server"][0] == "warn"
    assert not settings.data_path.exists(), "looking must not make anything"


def test_after_migrating_everything_is_up_to_date(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--data", settings.data, "--json"]) == 0
    applied = json.loads(capsys.readouterr().out)
    assert applied["metadata"]
    assert applied["events"]
    assert main(["migrate", "--data", settings.data]) == 0
    assert capsys.readouterr().out == "metadata: up to date\nevents: up to date\n"
    found = levels(settings)
    assert found["metadata"] == ("ok", f"{settings.data_path / 'metadata.db'}, up to date")
    assert found["events"] == ("ok", f"{settings.data_path / 'engine'}, up to date")


def test_a_folder_in_use_is_left_alone(settings: Settings) -> None:
    lock = FolderLock(settings.data_path / "engine")
    try:
        assert levels(settings)["events"] == (
            "ok", f"{settings.data_path / 'engine'} is in use by process {os.getpid()}, see server below",
        )  # fmt: skip
    finally:
        lock.release()


def test_a_damaged_database_fails(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.data_path.mkdir()
    (settings.data_path / "metadata.db").write_bytes(b"this is no database, whatever its name says" * 100)
    assert main(["doctor", "--data", settings.data, "--json"]) == 1
    findings: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [finding["level"] for finding in findings if finding["check"] == "metadata"] == ["fail"]


def test_a_key_file_that_others_may_read_fails(settings: Settings) -> None:
    settings.data_path.mkdir()
    key = settings.data_path / "secret.key"
    key.write_text("k" * 40)
    key.chmod(0o644)
    level, text = levels(settings)["secret key"]
    assert level == "fail"
    assert "chmod 600" in text


def test_a_folder_that_everybody_may_change_is_a_warning(settings: Settings) -> None:
    settings.data_path.mkdir()
    settings.data_path.chmod(0o777)
    assert stat.S_IMODE(settings.data_path.stat().st_mode) == 0o777
    assert levels(settings)["data folder"][0] == "warn"


def test_a_full_disk_fails(settings: Settings) -> None:
    full = Settings(data=settings.data, port=settings.port, min_free_bytes=2**60)
    assert levels(full)["disk"][0] == "fail"


def test_a_wrong_clock_is_noticed(settings: Settings) -> None:
    def clock_finding(moment: datetime) -> str:
        return next(found.level for found in examine(settings, FixedClock(moment)) if found.check == "clock")

    assert clock_finding(datetime(1970, 1, 2, tzinfo=UTC)) == "fail"
    settings.data_path.mkdir()
    (settings.data_path / "file").write_text("x")
    assert clock_finding(datetime(2025, 6, 1, tzinfo=UTC)) == "warn"
    assert clock_finding(SystemClock().now()) == "ok"


def test_an_unknown_store_fails_without_stopping_the_rest(settings: Settings) -> None:
    found = levels(
        Settings(data=settings.data, port=settings.port, engine_url="mysql://x", limiter_url="memcached://x")
    )
    assert found["events"][0] == "fail"
    assert found["rate limits"][0] == "fail"
    assert found["server"][0] == "warn"


def test_who_makes_reports_and_where_their_files_are(settings: Settings) -> None:
    found = levels(settings)
    assert (found["reports"][0], found["report files"][0]) == ("ok", "ok")
    assert not (settings.data_path / "files").exists(), "looking changes nothing"
    (settings.data_path / "files").mkdir(parents=True)
    assert levels(settings)["report files"] == ("ok", str(settings.data_path / "files"))
    idle = msgspec.structs.replace(settings, report_jobs=0)
    assert levels(idle)["reports"][0] == "warn"
    shared = msgspec.structs.replace(idle, engine_url="clickhouse://127.0.0.1:1/db", files_url="ftp://host/folder")
    found = levels(shared)
    assert found["reports"] == ("ok", "made by workers")
    assert found["report files"][0] == "fail"


def test_people_see_a_table(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data", settings.data]) == 0
    printed = capsys.readouterr().out
    assert "advice" in printed
    assert "start it: campanile serve" in printed


@pytest.mark.slow
def test_settled_answers_are_compared_with_the_log(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    check = "settled answers"

    def verified(**changes: Any) -> tuple[str, str]:
        changed = msgspec.structs.replace(settings, **changes)
        return next(
            (finding.level, finding.found)
            for finding in examine(changed, SystemClock(), verify_cache=True)
            if finding.check == check
        )

    assert verified() == ("ok", "nothing to compare yet")
    services = build_services(settings, SystemClock())
    try:
        services.workspaces.create("Shop", id="w")
        documents = [{"campaign_id": f"{n:024x}", **simple()} for n in (1, 2)]
        report = services.campaigns.import_lines("w", b"\n".join(json.dumps(each).encode() for each in documents))
        assert report.created == 2
        moment = datetime.now(UTC) - timedelta(hours=1)
        events = [
            {"event_id": f"e{user}{kind}", "type": kind, "ts": moment.isoformat(), "campaign_id": f"{1:024x}",
             "channel": "EMAIL", "user_id": f"u{user}"}
            for user in range(5) for kind in ("sent", "open")
        ]  # fmt: skip
        write(services.engine, "w", events)
        assert verified()[1].startswith("not compared: process ")
    finally:
        asyncio.run(services.close())
    assert verified(settled_after=-1.0) == ("warn", "turned off")
    assert verified() == (
        "ok", "4 answers about 1 campaigns, 1 of them also brought up to date from the past, equal those of the log;"
        " 1 others are answered from the log",
    )  # fmt: skip

    def wrong(self: Any, start: int, end: int) -> Any:
        return {cell: pair._replace(unique=pair.unique + 1) for cell, pair in between(self, start, end).items()}

    between = Histories.between
    monkeypatch.setattr(Histories, "between", wrong)
    level, found = verified()
    assert level == "fail"
    assert found.startswith(f"differ from the log: {1:024x} ")
    monkeypatch.setattr(Histories, "between", between)
    monkeypatch.setattr(Histories, "plus", lambda self, other: self)
    assert verified()[0] == "fail", "what came in was not added"
