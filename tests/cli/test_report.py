"""`campanile report …` against the real routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from campanile.cli import connection, report
from campanile.cli.connection import ServerFailed
from campanile.cli.main import main
from campanile.cli.options import FATAL, OK, PROBLEMS, USAGE
from campanile.client import Client, ClientError, RetryPolicy
from campanile.clock import FixedClock
from tests.reports.samples import DEFINITION, NOW
from tests.reports.shops import open_shop
from tests.reports.test_routes import Desk
from tests.support.metadata import sqlite_metadata

pytestmark = pytest.mark.slow

Command = Callable[..., int]


@pytest.fixture
def desk(_sqlite_template: Path, tmp_path: Path) -> Iterator[Desk]:
    with sqlite_metadata(_sqlite_template, tmp_path) as metadata:
        desk = Desk(open_shop(metadata, FixedClock(NOW)))
        with desk.client, capture_logs():  # the server's log does not belong to the output of the command
            yield desk


@pytest.fixture
def command(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `campanile report …` as the owner; what it reaches is the desk."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/v1/report-runs/"):
            return httpx.Response(200, json=runs.pop(0))
        path = request.url.raw_path.decode()
        kept = {name: value for name, value in request.headers.items() if name != "host"}
        response = desk.client.request(request.method, path, content=request.content, headers=kept)
        return httpx.Response(response.status_code, content=response.content, headers=dict(response.headers))

    @contextmanager
    def connect(server: str, workspace: str, key: str) -> Iterator[Client]:
        owner = desk.shop.owner
        retry = RetryPolicy(attempts=1)
        transport = httpx.MockTransport(answer)
        try:
            with Client(
                "http://server.example", owner.workspace.id, owner.manage_key, retry=retry, transport=transport
            ) as client:
                yield client
        except ClientError as error:
            raise ServerFailed(str(error)) from error

    runs: list[dict[str, Any]] = [
        {"id": "run-1", "status": "RUNNING"},
        {"id": "run-1", "status": "SUCCESSFUL", "file_name": "Daily_20250305.zip", "size": 12345,
         "expires_at": "2025-03-12T12:00:00Z", "warnings": [{"code": "x", "message": "Take care."}]},
        {"id": "run-2", "status": "FAILED", "error": {"code": "row_limit", "message": "Too many rows."}},
    ]  # fmt: skip
    monkeypatch.setattr(connection, "connect", connect)
    monkeypatch.setattr(report, "POLL_SECONDS", 0)
    desk.shop.runs.start = lambda definition, *, file_date, window, trigger, by: (  # type: ignore[method-assign]
        desk.shop.runs.calls.append((file_date, window)) or {"id": "run-1", "status": "QUEUED"}  # type: ignore[func-returns-value]
    )
    return lambda *arguments: main(["report", *arguments])


def definitions(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.ask("GET", "/v1/reports").json()["reports"]
    return found


def test_the_shortest_way_to_a_report(command: Command, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("create", "My report") == OK
    (made,) = definitions(desk)
    assert made["name"] == "My report"
    assert made["schedule"] == {"type": "once", "time_zone": "Asia/Kolkata", "at": "asap"}
    assert made["selection"]["date_range"] == {"type": "rolling", "preset": "last_7_days"}
    assert len(made["selection"]["scopes"]) == 12
    assert made["delivery"]["rest_api"] is True
    printed = capsys.readouterr().out
    assert made["id"] in printed
    assert "files     My_report_YYYYMMDD.zip, csv" in printed


def test_everything_that_flags_say(command: Command, desk: Desk) -> None:
    flags = [
        "--channel", "email", "push", "--from", "2025-01-01", "--to", "2025-01-31", "--split", "date", "child",
        "--schedule", "weekly", "--time", "05:00", "--weekday", "mon", "Thursday", "--time-zone", "Asia/Shanghai",
        "--format", "xlsx", "--email", "ops@example.com", "--campaign", "a" * 24, "--draft",
    ]  # fmt: skip
    assert command("create", "Weekly", *flags) == OK
    (made,) = definitions(desk)
    assert made["state"] == "DRAFT"
    assert [scope["channel"] for scope in made["selection"]["scopes"]] == ["PUSH", "EMAIL"]
    assert made["selection"]["date_range"] == {"type": "absolute", "start": "2025-01-01", "end": "2025-01-31"}
    assert made["selection"]["campaigns"] == {"mode": "manual", "ids": ["a" * 24]}
    assert made["content"]["split"] == {"date": True, "child": True, "variation": False, "locale": False}
    assert {name: made["schedule"][name] for name in ("type", "time", "weekdays", "time_zone")} == {
        "type": "weekly",
        "time": "05:00",
        "weekdays": [1, 4],
        "time_zone": "Asia/Shanghai",
    }
    assert made["format"]["type"] == "xlsx"
    assert made["delivery"]["email"]["recipients"] == ["ops@example.com"]


def test_a_definition_in_a_file(command: Command, desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "definition.json"
    path.write_text(json.dumps(DEFINITION))
    assert command("create", "--definition", str(path)) == OK
    desk.shop.clock.advance(1)
    monthly = ["--schedule", "monthly", "--time", "06:00", "--day", "31"]
    assert command("create", "Other", "--definition", str(path), *monthly) == OK
    other, first = definitions(desk)
    assert (first["name"], first["schedule"]["type"]) == ("Daily campaigns T-1", "daily")
    assert (other["name"], other["schedule"]["type"], other["schedule"]["day"]) == ("Other", "monthly", 31)


def test_a_shown_definition_can_be_stored_again(
    command: Command, desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("create", "One", "--channel", "SMS", "--schedule", "daily", "--time", "06:00")
    capsys.readouterr()
    assert command("show", "one", "--json") == OK
    path = tmp_path / "one.json"
    path.write_text(capsys.readouterr().out)
    desk.shop.clock.advance(1)
    assert command("create", "Two", "--definition", str(path)) == OK
    two, one = definitions(desk)
    for name in ("selection", "schedule", "format", "delivery"):
        assert two[name] == one[name]


def test_a_dry_run(command: Command, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("create", "Daily", "--schedule", "daily", "--time", "06:00", "--dry-run") == OK
    printed = capsys.readouterr()
    assert "Daily (not stored), active" in printed.out
    assert "next run  2025-03-06T06:00:00+05:30" in printed.out
    assert definitions(desk) == []


def test_warnings_go_to_the_other_stream(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("create", "All push", "--time-zone", "America/New_York") == OK
    printed = capsys.readouterr()
    assert "campanile: The name holds the channel PUSH" in printed.err
    assert "campanile: The schedule is in America/New_York" in printed.err


def test_all_problems_are_printed(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("create", "1", "--channel", "PAGER") == FATAL
    printed = capsys.readouterr().err
    assert "2 problems: name must have" in printed
    assert "selection.scopes[0].channel must be one of" in printed
    assert command("create", "1", "--channel", "SMS") == FATAL
    assert "name must have" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ["--period", "yesterday", "--from", "2025-01-01", "--to", "2025-01-02"],
        ["--from", "2025-01-01"],
        ["--time", "06:00"],
        ["--schedule", "daily"],
        ["--schedule", "weekly", "--time", "06:00", "--weekday", "someday"],
        ["--definition", "nowhere.json"],
        ["--definition", "/dev/null"],
    ],
)
def test_flags_that_make_no_sense(command: Command, flags: list[str]) -> None:
    assert command("create", "X", *flags) == USAGE


def test_list_show_and_delete(command: Command, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    command("create", "Daily one", "--schedule", "daily", "--time", "06:00")
    desk.shop.clock.advance(1)
    command("create", "Once")
    made = definitions(desk)[1]
    desk.shop.runs.newest[made["id"]] = {"id": "r", "status": "SUCCESSFUL", "file_date": "20250305"}
    capsys.readouterr()
    assert command("list", "--json") == OK
    assert [found["name"] for found in json.loads(capsys.readouterr().out)] == ["Once", "Daily one"]
    assert command("list", "--text", "daily") == OK
    printed = capsys.readouterr().out
    assert "Daily one" in printed
    assert "Once" not in printed
    for name in (made["id"], "Daily one", "daily_ONE"):
        assert command("show", name) == OK
        printed = capsys.readouterr().out
        assert "schedule  daily 06:00 Asia/Kolkata" in printed
        assert "last run  successful 20250305" in printed
    assert command("show", "Daily two") == FATAL
    assert "no report called Daily two" in capsys.readouterr().err
    assert command("delete", "Daily one") == OK
    assert [found["name"] for found in definitions(desk)] == ["Once"]


def test_run_and_wait(command: Command, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    command("create", "Daily")
    capsys.readouterr()
    assert command("run", "Daily") == OK
    assert capsys.readouterr().out.strip() == "Run run-1 is queued."
    assert command("run", "Daily", "--wait") == OK
    printed = capsys.readouterr()
    assert "Run run-1 is successful." in printed.out
    assert "File: Daily_20250305.zip, 12,345 bytes" in printed.out
    assert "Take care." in printed.err
    assert command("run", "Daily", "--wait") == PROBLEMS
    assert "Too many rows." in capsys.readouterr().out


def test_run_for_other_days(command: Command, desk: Desk) -> None:
    command("create", "Daily")
    days = ["--from", "2025-01-01", "--to", "2025-01-31"]
    assert command("run", "Daily", "--file-date", "2025-03-01", *days, "--json") == OK
    assert desk.shop.runs.calls == [(date(2025, 3, 1), (date(2025, 1, 1), date(2025, 1, 31)))]
    assert command("run", "Daily", "--from", "2025-01-01") == USAGE
