"""`campanile campaigns search` against a small server of our own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from campanile.cli.main import main
from tests.cli.fake_server import FakeServer, running


def row(number: int) -> dict[str, Any]:
    return {
        "campaign_id": f"{number:024x}", "channel": "EMAIL", "campaign_delivery_type": "ONE_TIME", "status": "Sent",
        "created_at": "2025-10-01 08:00:00", "basic_details": {"name": f"=Letter {number}", "tags": ["a", "b"]},
    }  # fmt: skip


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Has 40 campaigns, the last of which registered itself and has neither name nor type."""
    everything = [*map(row, range(39)), {"campaign_id": "f" * 24, "channel": "SMS", "status": "Active"}]

    def answer(path: str, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        (body,) = lines
        assert path == "/core-services/v1/campaigns/search"
        start = (body["page"] - 1) * body["limit"]
        return 200, everything[start : start + body["limit"]]

    with running() as fake:
        fake.script = answer
        yield fake


def run(server: FakeServer, *arguments: str) -> int:
    return main(
        ["campaigns", "search", *arguments, "--base-url", server.url, "--workspace", "WS", "--key", "report-key"]
    )


def test_pages_are_asked_for_as_far_as_they_are_needed(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(server, "--format", "json") == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 40
    assert captured.err == ""
    assert [lines[0]["page"] for _, _, lines in server.requests] == [1, 2, 3]
    server.requests.clear()
    assert run(server, "--format", "json", "--limit", "15") == 0
    captured = capsys.readouterr()
    assert [found["campaign_id"] for found in json.loads(captured.out)] == [f"{number:024x}" for number in range(15)]
    assert "more than 15" in captured.err
    assert len(server.requests) == 2


def test_conditions_are_those_of_the_api(server: FakeServer) -> None:
    conditions = "--channel EMAIL SMS --type PERIODIC --status ACTIVE --tag a --id 1 --created-from 2025-10-01"
    assert run(server, "letter", *conditions.split(), "--children", "--archived", "--limit", "1") == 0
    (body,) = server.requests[0][2]
    assert body["campaign_fields"] == {
        "name": "letter", "ids": ["1"], "channels": ["EMAIL", "SMS"], "delivery_type": ["PERIODIC"],
        "status": ["ACTIVE"], "tags": ["a"], "created_date": {"from_date": "2025-10-01"},
    }  # fmt: skip
    assert (body["include_child_campaigns"], body["include_archive_campaigns"]) == (True, True)


def test_people_get_a_table_and_programs_csv(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(server) == 0
    printed = capsys.readouterr().out
    assert "=Letter 3" in printed
    assert "f" * 24 in printed
    assert run(server, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert (rows[0]["name"], rows[0]["type"], rows[0]["tags"]) == ("'=Letter 0", "ONE_TIME", "a, b")
    assert (rows[39]["campaign_id"], rows[39]["name"], rows[39]["type"]) == ("f" * 24, "", "")


def test_nothing_is_found(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.script = lambda _path, _lines: (200, [])
    assert run(server, "x") == 0
    assert "No campaign is like that." in capsys.readouterr().out


@pytest.mark.parametrize("limit", ["0", "10001"])
def test_a_limit_that_makes_no_sense(server: FakeServer, limit: str) -> None:
    assert run(server, "--limit", limit) == 3
    assert server.requests == []
