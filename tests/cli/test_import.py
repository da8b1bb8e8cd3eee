"""`campanile import` against a small server of our own: what is sent, remembered, reported, and how it ends."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campanile.cli.importer import state as states
from campanile.cli.importer.mapping import Converter
from campanile.cli.importer.run import FileImport, Plan
from campanile.cli.importer.sources import open_source
from campanile.cli.main import main
from campanile.client import Client, Refused, RetryPolicy, Unreachable
from campanile.errors import InvalidInput
from tests.cli.fake_server import FakeServer, running
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

ROWS = 1_000


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with running() as fake:
        yield fake


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "events.ndjson", [event(number) for number in range(ROWS)])


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}", "type": "click", "time": f"2024-03-{number % 28 + 1:02d}T10:00:00Z",
        "channel": "EMAIL", "campaign_key": "spring", "user_id": f"u{number % 90}", **fields,
    }  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(server: FakeServer, *arguments: object) -> int:
    texts = [str(argument) for argument in arguments]
    return main(["import", *texts, "--workspace", "WS", "--server", server.url, "--key", "secret-key"])


def test_all_rows_arrive_and_are_counted(server: FakeServer, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = file.with_name("summary.json")
    assert run(server, file, "--batch", 300, "--summary", summary) == 0
    assert len(server.events) == ROWS
    assert sorted(len(lines) for _, _, lines in server.requests) == [100, 300, 300, 300]
    assert all(query["import"] == ["true"] for _, query, _ in server.requests)
    total = json.loads(summary.read_text())["total"]
    assert total == {
        "rows": ROWS, "accepted": ROWS, "duplicates": 0, "rejected": 0, "skipped": 0, "types": {"click": ROWS},
        "first_event": "2024-03-01T10:00:00.000Z", "last_event": "2024-03-28T10:00:00.000Z",
    }  # fmt: skip
    printed = capsys.readouterr().out
    assert "1,000" in printed
    assert "Warning: unknown_field colour" in printed
    assert sorted(path.name for path in file.parent.iterdir()) == ["events.ndjson", "summary.json"]


def test_a_second_import_counts_nothing_twice(server: FakeServer, file: Path) -> None:
    for _ in range(2):
        assert run(server, file, "--summary", file.with_name("s.json")) == 0
    assert json.loads(file.with_name("s.json").read_text())["total"]["duplicates"] == ROWS
    assert len(server.events) == ROWS


def test_rows_without_an_id_get_one_from_file_and_place(server: FakeServer, tmp_path: Path) -> None:
    rows = [{name: value for name, value in event(number).items() if name != "event_id"} for number in range(10)]
    for name in ("a.ndjson", "copy-of-a.ndjson"):
        assert run(server, write(tmp_path / name, rows), "--batch", 3) == 0
    assert len(server.events) == 10
    assert all(event_id.startswith("imp:") and len(event_id.split(":")[1]) == 16 for event_id in server.events)
    assert {event_id.split(":")[2] for event_id in server.events} == {str(number) for number in range(1, 11)}


def test_rejected_rows_are_kept_and_can_be_mended(server: FakeServer, tmp_path: Path) -> None:
    rows = [event(number) for number in range(10)]
    del rows[3]["user_id"]
    rows[3]["attributes"] = {"contact": "ada@example.net or +49 170 1234567"}
    path = write(tmp_path / "x.ndjson", rows)
    with path.open("a") as stream:
        stream.write("{broken\n")
    assert run(server, path) == 1
    errors = tmp_path / "x.ndjson.errors.ndjson"
    first, second = (json.loads(line) for line in errors.read_text().splitlines())
    assert (first["row"], first["event_id"], first["code"], first["field"]) == (4, "e3", "missing_field", "user_id")
    assert first["raw"]["attributes"] == {"contact": "*** or ***"}
    assert path.read_bytes()[first["byte_offset"] :].startswith(b'{"event_id": "e3"')
    assert (second["row"], second["code"], second["raw"]) == (11, "invalid_json", None)

    first["raw"]["user_id"] = "u3"
    mended = write(tmp_path / "mended.ndjson", [first])
    assert run(server, mended, "--preset", "retry") == 0
    assert server.events["e3"]["user_id"] == "u3"
    assert len(server.events) == 10


def test_ids_made_from_the_place_survive_mending(server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("type,time,channel,campaign_key,user_id\nclick,2024-03-01T10:00:00Z,EMAIL,k,\n")
    assert run(server, path) == 1
    rejected = json.loads((tmp_path / "x.csv.errors.ndjson").read_text())
    rejected["raw"]["user_id"] = "u1"
    assert run(server, write(tmp_path / "mended.ndjson", [rejected]), "--preset", "retry") == 0
    assert list(server.events) == [rejected["event_id"]]


def test_too_many_rejected_rows_end_it(server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "x.ndjson", [{"type": "click", "event_id": str(number)} for number in range(100)])
    assert run(server, path, "--batch", 10, "--jobs", 1, "--max-errors", 25) == 2
    assert "given up after 30 rejected rows" in capsys.readouterr().err
    assert run(server, path, "--max-errors", "all", "--restart") == 1


def test_tables_with_a_mapping(server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("id", "status", "when", "who", "memo"))
        writer.writerow(("m1", "Opened", "2024-03-01 10:00:00", "u1", "x"))
        writer.writerow(("m2", "Deferred", "2024-03-01 10:00:00", "u1", "x"))
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        "[columns]\nevent_id = {concat = ['id', ':', 'status']}\ntime = 'when'\nuser_id = 'who'\n"
        "type = {column = 'status', map = {Opened = 'open'}, on_unknown = 'skip'}\n"
    )
    flags = ("--map", mapping, "--set", "channel=EMAIL", "--set", "campaign_key=spring", "--timezone", "Asia/Tokyo")
    assert run(server, path, *flags, "--summary", tmp_path / "s.json") == 0
    assert list(server.events.values()) == [
        {"event_id": "m1:Opened", "type": "open", "time": "2024-03-01T01:00:00.000Z", "user_id": "u1",
         "channel": "EMAIL", "campaign_key": "spring"}
    ]  # fmt: skip
    assert json.loads((tmp_path / "s.json").read_text())["total"]["skipped"] == 1
    assert "not imported: memo" in capsys.readouterr().err


def test_requests_touch_a_hundred_days_at_most(server: FakeServer, tmp_path: Path) -> None:
    rows = [event(number, time=f"20{number % 10 + 10}-{number % 12 + 1:02d}-{number % 28 + 1:02d}T00:00:00Z")
            for number in range(2_000)]  # fmt: skip
    assert run(server, write(tmp_path / "x.ndjson", rows)) == 0
    assert len(server.events) == 2_000
    for _, _, lines in server.requests:
        assert len({line["time"][:10] for line in lines}) <= 100


def test_requests_that_are_too_large_are_split(server: FakeServer, file: Path) -> None:
    server.script = lambda _path, lines: (413, {"error": {"message": "too large"}}) if len(lines) > 300 else None
    assert run(server, file) == 0
    assert len(server.events) == ROWS


def test_dry_runs_store_nothing(server: FakeServer, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(server, file, "--dry-run") == 0
    assert server.events == {}
    printed = capsys.readouterr().out
    assert '"event_id":"e4"' in printed
    assert '"event_id":"e5"' not in printed
    assert "1,000 rows looked at, 0 would be rejected" in printed


def test_campaign_files_are_recognised_and_sent_parents_first(server: FakeServer, tmp_path: Path) -> None:
    child = {"campaign_id": "b" * 24, "parent_id": "a" * 24, "basic_details": {"name": "run"}}
    parent = {"campaign_id": "a" * 24, "channel": "EMAIL", "basic_details": {"name": "parent"}}
    nameless = {"campaign_id": "c" * 24, "channel": "EMAIL", "campaign_delivery_type": "ONE_TIME"}
    path = write(tmp_path / "campaigns.ndjson", [child, parent])
    assert run(server, path) == 0
    (request,) = server.requests
    assert request[0] == "/v1/campaigns/import"
    assert request[2] == [parent, child]
    assert run(server, write(path, [parent, nameless])) == 1


def test_campaign_tables(server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "campaigns.csv"
    path.write_text(
        "campaign_id,channel,campaign_delivery_type,basic_details.name,basic_details.tags\n"
        f"{'a' * 24},EMAIL,ONE_TIME,2025,[x|y]\n{'b' * 24},EMAIL,ONE_TIME,Größe,z\n"
    )
    assert run(server, path) == 0
    assert [line["basic_details"] for line in server.requests[0][2]] == [
        {"name": "2025", "tags": ["x", "y"]},
        {"name": "Größe", "tags": ["z"]},
    ]


# Interruptions


PLAN = Plan(batch=100, jobs=1, max_errors=None, errors=None, resume=None)


@contextlib.contextmanager
def importer(server: FakeServer, file: Path, plan: Plan = PLAN, workspace: str = "WS") -> Iterator[FileImport]:
    source = open_source(str(file))
    try:
        with Client(server.url, workspace, "secret-key", retry=RetryPolicy(attempts=1)) as client:
            yield FileImport(source, Converter(None), client, plan)
    finally:
        source.close()


def interrupt(server: FakeServer, file: Path) -> None:
    with pytest.raises(Refused, match="HTTP 503"), importer(server, file) as job:
        job.run()
    server.script = lambda _path, _lines: None


def fail_after(server: FakeServer, requests: int) -> None:
    server.script = lambda _path, _lines: (503, None) if len(server.requests) > requests else None


@pytest.mark.parametrize("broken_at", [0, 1, 4, 9])
def test_an_interrupted_import_goes_on_and_ends_the_same(server: FakeServer, file: Path, broken_at: int) -> None:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for number in (5, 450, 950):
        del rows[number]["user_id"]
    write(file, rows)
    fail_after(server, broken_at)
    interrupt(server, file)
    state = states.load(states.state_path(file))
    assert (state.row if state else 0) == broken_at * 100

    with importer(server, file) as again:
        assert again.resumed_rows == broken_at * 100
        counters = again.run()
    assert (counters.rows, counters.accepted, counters.rejected) == (ROWS, ROWS - 3, 3)
    assert counters.types == {"click": ROWS - 3}
    errors = [
        json.loads(line)["row"] for line in (file.parent / "events.ndjson.errors.ndjson").read_text().splitlines()
    ]
    assert errors == [6, 451, 951]
    assert not states.state_path(file).exists()
    assert len(server.events) == ROWS - 3


def test_what_was_on_its_way_is_sent_again_and_known(server: FakeServer, file: Path) -> None:
    """The server stored the third batch, but its answer was lost."""

    def lose_an_answer(path: str, lines: list[dict[str, Any]]) -> tuple[int, None] | None:
        if len(server.requests) == 3:
            server._take(lines, dry_run=False)
            return 503, None
        return None

    server.script = lose_an_answer
    interrupt(server, file)
    with importer(server, file) as again:
        counters = again.run()
    assert counters.accepted + counters.duplicates == ROWS
    assert counters.duplicates in (100, 200), "the lost batch, and at most the one that was under way beside it"
    assert len(server.events) == ROWS


def test_a_killed_import_goes_on(server: FakeServer, tmp_path: Path) -> None:
    """SIGKILL in the middle: whatever the state file says is true, and the second run completes the first."""
    path = write(tmp_path / "big.ndjson", [event(number) for number in range(5_000)])
    victims: list[subprocess.Popen[bytes]] = []

    def kill_the_sender(_path: str, _lines: list[dict[str, Any]]) -> None:
        if len(server.requests) == 12:
            os.kill(victims[0].pid, signal.SIGKILL)

    server.script = kill_the_sender
    command = [
        str(Path(sys.executable).with_name("campanile")), "import", str(path), "--workspace", "WS", "--server",
        server.url, "--batch", "100", "--progress", "none",
    ]  # fmt: skip
    environment = {**os.environ, "CAMPANILE_KEY": "secret-key"}
    victims.append(subprocess.Popen(command, env=environment))
    assert victims[0].wait(60) == -signal.SIGKILL
    state = states.load(states.state_path(path))
    assert state is not None
    assert 0 < state.row < 5_000
    assert state.counters.accepted <= len(server.events) < 5_000

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"going on after {state.row:,} rows" in done.stderr
    assert len(server.events) == 5_000


def test_ctrl_c_ends_it_at_once_even_while_it_waits(server: FakeServer, file: Path) -> None:
    server.script = lambda _path, _lines: (503, None) if len(server.requests) > 3 else None
    command = [
        str(Path(sys.executable).with_name("campanile")), "import", str(file), "--workspace", "WS", "--server",
        server.url, "--key", "secret-key", "--batch", "100", "--jobs", "1", "--progress", "none",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(server.requests) > 4, process, what="campanile import")
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert error == ""
    state = states.load(states.state_path(file))
    assert state is not None
    assert state.row == 300


def test_a_changed_file_does_not_go_on(server: FakeServer, file: Path) -> None:
    fail_after(server, 2)
    interrupt(server, file)
    with file.open("a") as stream:
        stream.write(json.dumps(event(ROWS)) + "\n")
    says = "changed since its import was interrupted: use --restart"
    with pytest.raises(InvalidInput, match=says), importer(server, file):
        pass
    restart = Plan(batch=100, jobs=1, max_errors=None, errors=None, resume=False)
    with importer(server, file, restart) as job:
        assert job.run().rows == ROWS + 1


def test_another_workspace_or_mapping_does_not_go_on(server: FakeServer, file: Path) -> None:
    fail_after(server, 2)
    interrupt(server, file)
    with pytest.raises(InvalidInput, match="mapping, flags or workspace"), importer(server, file, workspace="OTHER"):
        pass


def test_resume_needs_something_to_go_on_from(
    server: FakeServer, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, file, "--resume") == 2
    assert "no interrupted import" in capsys.readouterr().err


def test_the_state_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.campanile-import.json"
    states.save(path, states.State(fingerprint="a", mapping="b", row=1))

    def crash(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash)
        with pytest.raises(InvalidInput, match="cannot write the state file"):
            states.save(path, states.State(fingerprint="a", mapping="b", row=2))
    kept = states.load(path)
    assert kept is not None
    assert kept.row == 1


@pytest.mark.parametrize("content", ["", "{}", '{"fingerprint":"a","mapping":"b","version":99}'])
def test_a_state_file_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x"
    path.write_text(content)
    with pytest.raises(InvalidInput, match="--restart"):
        states.load(path)


def test_a_server_that_is_gone_is_reported(file: Path) -> None:
    with running() as server:
        pass
    with importer(server, file) as job, pytest.raises(Unreachable):
        job.run()


# Usage


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--batch", "0"], "--batch must be"),
        (["--batch", "x"], "batch"),
        (["--jobs", "99"], "--jobs must be"),
        (["--max-errors", "-1"], "--max-errors"),
        (["--set", "channel"], "FIELD=VALUE"),
        (["--resume", "--restart"], "exclude"),
        (["--format", "xml"], "format"),
        (["--delimiter", ";;"], "one character"),
        (["--nonsense"], "nonsense"),
    ],
)
def test_wrong_usage(file: Path, flags: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["import", str(file), "--workspace", "WS", "--key", "secret-key", *flags])
    error = capsys.readouterr().err
    assert code == 3, error
    assert says in error
    assert error.startswith("campanile: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["import"], 3, "which files"),
        (["import", "no-such-file.csv", "--workspace", "W", "--key", "k"], 2, "there is no file"),
        (["import", "FILE", "--key", "k"], 3, "--workspace"),
        (["import", "FILE", "--workspace", "W"], 3, "--key"),
        (["import", "FILE", "FILE", "--errors", "x", "--workspace", "W", "--key", "some-key"], 3, "--errors"),
    ],
)
def test_what_is_missing_is_named(
    file: Path, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("CAMPANILE_KEY", "CAMPANILE_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    assert main([str(file) if argument == "FILE" else argument for argument in arguments]) == code
    assert says in capsys.readouterr().err
