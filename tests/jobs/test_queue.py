"""The queue on both databases: who gets which job, and that a job has one holder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from campanile.clock import FixedClock
from campanile.jobs.queue import HOLD, HoldLost, Job, Queue
from campanile.metadata import Metadata
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService

KIND = "sweep"
SECOND = timedelta(seconds=1)


@pytest.fixture(name="queue")
def _queue(metadata: Metadata, clock: FixedClock) -> Queue:
    workspaces = WorkspaceService(metadata, MasterKey("a master key of at least 32 characters"), clock)
    for name in ("A", "B"):
        workspaces.create(name, id=name)
    return Queue(metadata, clock, owner="test", at_once={KIND: 2})


def add(queue: Queue, metadata: Metadata, clock: FixedClock, key: str, **changes: object) -> bool:
    options = {"due_at": clock.now(), **changes}
    clock.advance(0.001)  # jobs of one lane are told apart by their age
    with metadata.begin() as connection:
        return queue.add(connection, KIND, key, **options)  # type: ignore[arg-type]


def claimed(queue: Queue) -> Job:
    job = queue.claim([KIND])
    assert job is not None
    return job


def finish(queue: Queue, job: Job) -> None:
    with queue.holding(job) as connection:
        queue.finish(connection, job)


def test_a_job_is_given_to_one_worker(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "one")
    job = claimed(queue)
    assert (job.kind, job.key, job.attempts, job.fence) == (KIND, "one", 1, 1)
    assert queue.claim([KIND]) is None
    assert queue.waiting([KIND]) == 1
    finish(queue, job)
    assert queue.waiting([KIND]) == 0


def test_the_same_work_is_queued_once(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    assert add(queue, metadata, clock, "one")
    assert not add(queue, metadata, clock, "one")
    finish(queue, claimed(queue))
    assert add(queue, metadata, clock, "one")


def test_jobs_wait_until_they_are_due_and_come_in_order(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "later", due_at=clock.now() + 60 * SECOND)
    add(queue, metadata, clock, "first", due_at=clock.now() - 2 * SECOND)
    add(queue, metadata, clock, "second", due_at=clock.now() - SECOND)
    assert [claimed(queue).key, claimed(queue).key] == ["first", "second"]
    assert queue.claim([KIND]) is None
    clock.advance(60)
    assert claimed(queue).key in ("first", "later")


def test_other_kinds_are_left_alone(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "one")
    assert queue.claim(["mail"]) is None


def test_the_job_of_a_silent_worker_goes_to_another(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "one")
    silent = claimed(queue)
    clock.advance(HOLD.total_seconds() - 0.001)
    assert queue.claim([KIND]) is None
    clock.advance(0.001)
    second = claimed(queue)
    assert (second.attempts, second.fence) == (2, 2)
    with pytest.raises(HoldLost):
        queue.prolong(silent)
    with pytest.raises(HoldLost):
        finish(queue, silent)
    finish(queue, second)


def test_signs_of_life_keep_a_job(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "one")
    job = claimed(queue)
    for _ in range(5):
        clock.advance(HOLD.total_seconds() / 2)
        queue.prolong(job)
        assert queue.claim([KIND]) is None
    finish(queue, job)


def test_a_holder_may_be_slow_as_long_as_nobody_else_came(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "one")
    job = claimed(queue)
    clock.advance(10 * HOLD.total_seconds())
    finish(queue, job)


def test_what_happens_in_a_lost_hold_is_undone(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "one")
    job = claimed(queue)
    with pytest.raises(RuntimeError), queue.holding(job) as connection:
        queue.finish(connection, job)
        raise RuntimeError("the result could not be written")
    assert queue.waiting([KIND]) == 1
    finish(queue, job)


@pytest.mark.parametrize("counted", [True, False])
def test_a_postponed_job_comes_back(queue: Queue, metadata: Metadata, clock: FixedClock, counted: bool) -> None:
    add(queue, metadata, clock, "one")
    job = claimed(queue)
    with queue.holding(job) as connection:
        queue.postpone(connection, job, clock.now() + 300 * SECOND, counted=counted)
    with pytest.raises(HoldLost):
        finish(queue, job)
    assert queue.claim([KIND]) is None
    clock.advance(300)
    assert claimed(queue).attempts == 1 + counted


def test_unexpected_failures_make_longer_and_longer_pauses(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "one")
    for pause in (5, 10, 20):
        queue.give_back(claimed(queue), failed=True)
        clock.advance(pause - 0.001)
        assert queue.claim([KIND]) is None
        clock.advance(0.001)
    queue.give_back(claimed(queue), failed=False)
    assert claimed(queue).attempts == 4


def test_a_withdrawn_job_is_lost(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "one")
    job = claimed(queue)
    with metadata.begin() as connection:
        assert queue.withdraw(connection, KIND, "one")
        assert not queue.withdraw(connection, KIND, "one")
    with pytest.raises(HoldLost):
        finish(queue, job)


def test_a_waiting_job_can_be_hastened(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "one", due_at=clock.now() + 300 * SECOND)
    with metadata.begin() as connection:
        assert queue.hasten(connection, KIND, "one")
        assert not queue.hasten(connection, KIND, "two")
    assert claimed(queue).key == "one"


def test_a_lane_has_one_job_at_a_time_and_keeps_its_order(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    add(queue, metadata, clock, "older", lane="report", due_at=clock.now() + 10 * SECOND)
    add(queue, metadata, clock, "newer", lane="report")
    add(queue, metadata, clock, "other", lane="another")
    assert claimed(queue).key == "other"
    assert queue.claim([KIND]) is None  # the newer one waits for the older one, which is not due
    clock.advance(10)
    older = claimed(queue)
    assert (older.key, queue.claim([KIND])) == ("older", None)
    finish(queue, older)
    assert claimed(queue).key == "newer"


def test_one_workspace_does_not_take_all_workers(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    for number in range(3):
        add(queue, metadata, clock, f"A{number}", workspace_id="A")
    add(queue, metadata, clock, "B0", workspace_id="B")
    first, second, third = claimed(queue), claimed(queue), claimed(queue)
    assert [first.key, second.key, third.key] == ["A0", "A1", "B0"]
    assert queue.claim([KIND]) is None
    finish(queue, second)
    assert claimed(queue).key == "A2"


def test_many_workers_share_the_jobs_and_none_is_done_twice(
    queue: Queue, metadata: Metadata, clock: FixedClock
) -> None:
    for number in range(40):
        add(queue, metadata, clock, str(number), lane=f"lane {number % 7}", workspace_id="AB"[number % 2])

    def work(_: int) -> list[str]:
        done = []
        while queue.waiting([KIND]):
            job = queue.claim([KIND])
            if job is not None:
                done.append(job.key)
                finish(queue, job)
        return done

    with ThreadPoolExecutor(6) as pool:
        done = [key for keys in pool.map(work, range(6)) for key in keys]
    assert sorted(done, key=int) == [str(number) for number in range(40)]
    for lane in range(7):
        order = [int(key) for key in done if int(key) % 7 == lane]
        assert len(order) == len(set(order))


def test_the_limit_of_a_workspace_holds_under_competition(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    for number in range(12):
        add(queue, metadata, clock, str(number), workspace_id="A")
    with ThreadPoolExecutor(6) as pool:
        held = [job for job in pool.map(lambda _: queue.claim([KIND]), range(12)) if job is not None]
    assert len(held) == 2
