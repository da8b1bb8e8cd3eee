"""Carrying out runs: files appear complete or not at all; failures are named, tried again, and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import pytest

from campanile.engine import EngineError, QuestionTimeout
from campanile.errors import EngineUnavailable, Unavailable, Unprocessable
from campanile.jobs.queue import HOLD
from campanile.reports.files.store import DiskFull
from campanile.reports.runs import generation
from campanile.reports.runs.generation import code_of
from campanile.reports.runs.orders import RUN_JOB
from campanile.reports.schemas import ChannelSelection, EmailDelivery, FileFormat, RestDelivery, WebhookDelivery
from tests.reports.runs.world import NOW, World

CSV = b"Campaign ID,Sent\nc1,3\nc2,4\n"


def test_a_run_makes_a_file(world: World) -> None:
    run = world.start(world.define())
    assert (run.state, run.progress, run.file, world.notified) == ("QUEUED", 0.0, None, 1)
    assert world.work() == 1
    run = world.run(run)
    assert (run.state, run.progress, run.attempt, run.error) == ("SUCCESSFUL", 1.0, 1, None)
    assert (run.as_of, run.mark, run.finished_at) == (NOW, 1000, NOW)
    assert world.rows.asked == [("W", date(2025, 3, 1), date(2025, 3, 1), 1000)]
    assert world.members(run) == {"Daily_PUSH_20250302.csv": CSV}
    file = run.file
    assert file is not None
    content = world.content(run)
    assert (file.name, file.size, file.sha256) == ("Daily_20250302.zip", len(content), sha256(content).hexdigest())
    assert (file.generated_at, file.expires_at) == (NOW, NOW + timedelta(days=7))
    (part,) = run.parts
    assert (part.channel, part.rows, part.bytes) == ("PUSH", 2, len(CSV))
    assert world.work() == 0
    assert world.queue.waiting([RUN_JOB]) == 0


def test_the_same_version_date_and_mark_give_the_same_bytes(world: World) -> None:
    definition = world.define()
    first, second = world.start(definition), world.start(definition)
    world.work()
    assert world.content(world.run(first)) == world.content(world.run(second))


def test_channels_without_rows_have_no_file_and_the_order_is_that_of_the_selection(world: World) -> None:
    world.rows.batches = {"SMS": [[("c3", 1)]], "PUSH": [[("c1", 3)]]}
    selection = tuple(ChannelSelection(channel) for channel in ("PUSH", "EMAIL", "SMS"))
    run = world.start(world.define(channels=selection))
    world.work()
    assert list(world.members(world.run(run))) == ["Daily_PUSH_20250302.csv", "Daily_SMS_20250302.csv"]


def test_without_rows_there_is_no_file(world: World) -> None:
    world.rows.batches = {}
    run = world.start(world.define())
    world.work()
    run = world.run(run)
    assert (run.state, run.file, run.progress, world.stored()) == ("NO_DATA", None, 1.0, [])


def test_without_rows_there_may_be_headers(world: World) -> None:
    world.rows.batches = {}
    run = world.start(world.define(on_empty="header_only"))
    world.work()
    header = b"Campaign ID,Sent\n"
    assert world.members(world.run(run)) == {"Daily_PUSH_20250302.csv": header, "Daily_EMAIL_20250302.csv": header}


@pytest.mark.parametrize(
    ("compression", "name"),
    [("zip", "Daily_20250302.zip"), ("tar", "Daily_20250302.tar"), ("gz", "Daily_20250302.tar.gz")],
)
def test_other_archives(world: World, compression: Any, name: str) -> None:
    run = world.start(world.define(format=FileFormat(compression=compression)))
    world.work()
    file = world.run(run).file
    assert file is not None
    assert file.name == name
    assert list((world.folder / "scratch").iterdir()) == []


def test_a_manifest_may_be_in_the_archive(world: World) -> None:
    run = world.start(world.define(format=FileFormat(manifest=True)))
    world.work()
    run = world.run(run)
    members = world.members(run)
    assert list(members) == ["Daily_PUSH_20250302.csv", "manifest.json"]
    manifest = json.loads(members["manifest.json"])
    assert manifest == json.loads(json.dumps(manifest))
    assert manifest["run_id"] == run.id
    assert (manifest["as_of"], manifest["mark"]) == ("2025-03-02T05:00:00Z", 1000)
    assert manifest["window"] == {"start": "2025-03-01", "end": "2025-03-01"}
    assert manifest["files"] == [
        {
            "name": "Daily_PUSH_20250302.csv",
            "channel": "PUSH",
            "rows": 2,
            "columns": [
                {"key": "campaign.id", "header": "Campaign ID", "type": "text"},
                {"key": "campaign-stats.sent", "header": "Sent", "type": "integer"},
            ],
            "bytes": len(CSV),
            "sha256": sha256(CSV).hexdigest(),
        }
    ]


def test_a_run_keeps_the_version_it_began_with(world: World) -> None:
    definition = world.define()
    run = world.start(definition)
    with world.metadata.begin() as connection:
        from campanile.reports import repository

        later = repository.find(connection, "W", definition.id, lock=True)
        assert later is not None
        import msgspec

        spec = msgspec.structs.replace(later.spec, format=FileFormat(kind="jsonl"))
        later = msgspec.structs.replace(later, spec=spec, version=2)
        repository.change(connection, later, None)
        repository.add_version(connection, later, "key_1")
    newer = world.start(later)
    world.work()
    assert list(world.members(world.run(run))) == ["Daily_PUSH_20250302.csv"]
    assert list(world.members(world.run(newer))) == ["Daily_PUSH_20250302.jsonl"]


# --- failures


def failing(world: World, *errors: Exception) -> None:
    """Let the next attempts fail, one error each."""
    left = list(errors)

    def fail() -> None:
        if left:
            raise left.pop(0)

    world.rows.before = fail


def test_what_may_get_better_is_tried_three_times(world: World) -> None:
    failing(world, EngineUnavailable("away"), QuestionTimeout("slow"))
    run = world.start(world.define())
    world.work()
    assert (world.run(run).state, world.run(run).attempt, world.stored()) == ("QUEUED", 1, [])
    world.clock.advance(299)
    assert world.work() == 0
    world.clock.advance(1)
    assert world.work() == 1
    assert (world.run(run).state, world.run(run).attempt) == ("QUEUED", 2)
    world.clock.advance(20 * 60)
    assert world.work() == 1
    run = world.run(run)
    assert (run.state, run.attempt, run.mark) == ("SUCCESSFUL", 3, 1002)
    assert run.as_of == NOW + timedelta(minutes=25)
    assert run.file_date == NOW.date()


def test_after_three_attempts_it_is_over(world: World) -> None:
    failing(world, *[EngineUnavailable("away")] * 3)
    run = world.start(world.define())
    for pause in (0, 300, 1200):
        world.clock.advance(pause)
        assert world.work() == 1
    run = world.run(run)
    assert (run.state, run.error, run.attempt, run.file) == ("FAILED", "store_unavailable", 3, None)
    assert (run.document()["error"] or {})["code"] == "store_unavailable"
    assert world.queue.waiting([RUN_JOB]) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [(Unprocessable("a column is gone"), "definition_invalid"), (ZeroDivisionError("a defect"), "internal")],
)
def test_what_does_not_get_better_is_not_tried_again(world: World, error: Exception, code: str) -> None:
    failing(world, error)
    run = world.start(world.define())
    world.work()
    run = world.run(run)
    assert (run.state, run.error, world.stored()) == ("FAILED", code, [])
    assert "defect" not in str(run.document())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineUnavailable(""), "store_unavailable"),
        (Unavailable(""), "store_unavailable"),
        (DiskFull(""), "disk_full"),
        (OSError(28, "No space left on device"), "disk_full"),
        (OSError(5, "Input/output error"), "internal"),
        (QuestionTimeout(""), "query_timeout"),
        (EngineError(""), "internal"),
    ],
)
def test_failures_have_names(error: Exception, code: str) -> None:
    assert code_of(error) == code


def test_limits_fail_loudly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "ROWS", 1)
    rows = world.start(world.define("Rows"))
    world.work()
    monkeypatch.setattr(generation, "ROWS", 2)
    monkeypatch.setattr(generation, "ARCHIVE_BYTES", 50)
    size = world.start(world.define("Size"))
    world.work()
    assert (world.run(rows).error, world.run(size).error) == ("row_limit", "file_too_large")
    assert world.stored() == []


def test_a_run_has_a_deadline(world: World) -> None:
    world.rows.batches = {"PUSH": [[("c1", 1)]] * 3}
    world.rows.before = lambda: world.clock.advance(3 * 3600)
    run = world.start(world.define())
    world.work()
    assert (world.run(run).state, world.run(run).error, world.stored()) == ("FAILED", "deadline_exceeded", [])


def test_progress_is_noted(metadata: Any, clock: Any, tmp_path: Any) -> None:
    seconds = iter(range(0, 1000, 10))
    world = World(metadata, clock, tmp_path, monotonic=lambda: float(next(seconds)))
    world.workspace()
    world.rows.batches = {channel: [[("c1", 1)] * 20_000] * 3 for channel in ("PUSH", "EMAIL")}
    seen: list[tuple[str, float]] = []

    def look() -> None:
        found = world.all_runs()[0]
        seen.append((found.state, found.progress))

    world.rows.before = look
    world.start(world.define())
    world.work()
    assert [state for state, _ in seen] == ["RUNNING"] * 6
    progress = [value for _, value in seen]
    assert progress == sorted(progress)
    assert 0 < progress[2] < 0.475 <= progress[5] < 0.95, "when a batch is made, the one before the last is written"


# --- two workers, crashes, cancellation


def test_a_worker_that_was_given_up_publishes_nothing(world: World) -> None:
    """The first worker hangs in the middle for longer than its hold; the second one takes over and is faster."""
    other = World(world.metadata, world.clock, world.folder)
    taken: list[str] = []

    def hang() -> None:
        if not taken:
            taken.append("once")
            world.clock.advance(HOLD.total_seconds() + 1)
            assert other.queue.claim([RUN_JOB]) is not None

    world.rows.before = hang
    run = world.start(world.define())
    world.work()
    assert (world.run(run).state, world.run(run).file) == ("RUNNING", None)
    assert world.stored() == []
    world.clock.advance(HOLD.total_seconds() + 1)
    assert other.work() == 1
    assert world.run(run).state == "SUCCESSFUL"
    assert len(world.stored()) == 1


def test_a_run_whose_workers_always_die_ends(world: World) -> None:
    run = world.start(world.define())
    for _ in range(3):
        assert world.queue.claim([RUN_JOB]) is not None  # and never heard of again
        world.clock.advance(HOLD.total_seconds())
    assert world.work() == 1
    assert (world.run(run).state, world.run(run).error) == ("FAILED", "internal")


@pytest.mark.parametrize("when", ["waiting", "working"])
def test_a_cancelled_run_leaves_no_file(world: World, when: str) -> None:
    run = world.start(world.define())
    if when == "working":
        world.rows.before = lambda: world.runs.cancel("W", run.id) and None  # type: ignore[func-returns-value]
        world.work()
    else:
        world.runs.cancel("W", run.id)
        assert world.work() == 0
    assert (world.run(run).state, world.run(run).file, world.stored()) == ("CANCELLED", None, [])
    assert world.runs.cancel("W", run.id).state == "CANCELLED"


def test_the_run_of_a_deleted_definition_is_dropped(world: World) -> None:
    definition = world.define()
    run = world.start(definition)
    world.runs.retire("W", definition.id)
    assert (world.work(), world.run(run).state) == (0, "CANCELLED")


# --- deliveries


def deliveries(world: World, run: Any) -> list[tuple[str, str, str, str]]:
    return [(found.type, found.target, found.event, found.state) for found in world.run(run).deliveries]


WEB = WebhookDelivery("https://hooks.example.com/x")
MAIL = EmailDelivery(recipients=("a@example.com", "b@example.com"))


def test_the_end_of_a_run_is_to_be_told(world: World) -> None:
    run = world.start(world.define(delivery=(RestDelivery(), MAIL, WEB)))
    assert deliveries(world, run) == []
    world.work()
    assert deliveries(world, run) == [
        ("email", "a@example.com", "SUCCESSFUL", "PENDING"),
        ("email", "b@example.com", "SUCCESSFUL", "PENDING"),
        ("webhook", "https://hooks.example.com/x", "SUCCESSFUL", "PENDING"),
    ]
    assert world.queue.waiting(["report_delivery"]) == 3


def test_no_data_is_told_as_well(world: World) -> None:
    world.rows.batches = {}
    run = world.start(world.define(delivery=(MAIL, WEB)))
    world.work()
    assert [event for _, _, event, _ in deliveries(world, run)] == ["NO_DATA"] * 3


def test_failures_are_told_to_servers_and_owners_only(world: World) -> None:
    failing(world, ZeroDivisionError())
    run = world.start(world.define(delivery=(MAIL, WEB), owner="owner@example.com"))
    world.work()
    assert deliveries(world, run) == [
        ("webhook", "https://hooks.example.com/x", "FAILED", "PENDING"),
        ("email", "owner@example.com", "FAILED", "PENDING"),
    ]


def test_five_failed_slots_pause_a_definition_and_its_owner_hears_twice(world: World) -> None:
    from campanile.reports import repository

    definition = world.define(owner="owner@example.com")
    world.rows.before = _raise(ZeroDivisionError())
    told = []
    for _ in range(5):
        world.clock.advance(24 * 3600)
        assert world.runs.plan() == 1
        world.work()
        told.append(len(world.all_runs()[-1].deliveries))
    assert told == [1, 0, 0, 0, 1]
    with world.metadata.read() as connection:
        found = repository.find(connection, "W", definition.id)
    assert found is not None
    assert found.state == "PAUSED"
    world.clock.advance(24 * 3600)
    assert world.runs.plan() == 0


def _raise(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail
