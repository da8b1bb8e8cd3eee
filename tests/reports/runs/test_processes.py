"""Real workers that race, hang and die: one run per slot, one file per run, and never half of one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest

from campanile.clock import SystemClock
from campanile.jobs.schedule import Schedule
from campanile.metadata import Metadata
from campanile.reports.runs import repository
from campanile.reports.runs.schemas import Run
from tests.reports.runs.process import BATCHES, LARGE, rows
from tests.reports.runs.world import COLUMNS, World
from tests.support.processes import DIE_WITH_PARENT, stop, wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
NOW_ONCE = Schedule(kind="once", time_zone="UTC")
SECONDS = 120
"""A loaded machine takes its time."""


class Crew:
    """Workers over one database and one folder."""

    def __init__(self, metadata: Metadata, folder: Path) -> None:
        self.hold, self.size = 1.5, LARGE
        self.world = World(metadata, cast(Any, SystemClock()), folder)
        self.world.workspace()
        self.folder = folder
        self.url = metadata.engine.url.render_as_string(hide_password=False)
        self.processes: list[subprocess.Popen[bytes]] = []

    def hire(self, seconds_per_batch: float = 0.0) -> subprocess.Popen[bytes]:
        with (self.folder / "workers.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    *DIE_WITH_PARENT,
                    sys.executable,
                    "-m",
                    "tests.reports.runs.process",
                    self.url,
                    str(self.folder),
                    str(seconds_per_batch),
                    str(self.hold),
                    str(self.size),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        self.processes.append(process)
        return process

    def until(self, condition: Callable[[list[Run]], bool], what: str) -> list[Run]:
        wait_until(lambda: condition(self.world.all_runs()), seconds=SECONDS, what=what)
        return self.world.all_runs()

    def until_over(self, count: int) -> list[Run]:
        return self.until(lambda runs: len(runs) == count and all(run.final for run in runs), "all runs")

    def check_files(self, runs: list[Run]) -> None:
        """Every file that has a name is complete and right; the others have none."""
        header = ",".join(column.header for column in COLUMNS)
        lines = [header] + [f"{text},{number}" for batch in rows(self.size)["PUSH"] for text, number in batch]
        expected = ("\n".join(lines) + "\n").encode()
        for run in runs:
            if run.state == "SUCCESSFUL":
                assert list(self.world.members(run).values()) == [expected]
                assert run.file is not None
                assert sha256(self.world.content(run)).hexdigest() == run.file.sha256
            else:
                assert run.file is None
        named = {run.file.id for run in runs if run.file is not None}
        left = {name for name in self.world.stored() if name not in named}
        if left:  # of killed workers; they are swept up
            os.sync()
            self.world.store.sweep(datetime.now(UTC) + timedelta(days=1), self._known)
            assert set(self.world.stored()) == named

    def _known(self, ids: Any) -> set[str]:
        with self.world.metadata.read() as connection:
            return repository.known_files(connection, list(ids))


@pytest.fixture
def crew(metadata: Metadata, tmp_path: Path) -> Iterator[Crew]:
    made = Crew(metadata, tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
        stop(process)


def test_workers_that_race_make_one_run_and_one_file_per_slot(crew: Crew) -> None:
    crew.hold, crew.size = 60, 40  # nobody is to be given up because the machine is busy
    for _ in range(3):
        crew.hire()
    for number in range(10):
        crew.world.define(f"Report {number}", schedule=NOW_ONCE)
    runs = crew.until_over(10)
    assert len(crew.world.all_runs()) == 10
    assert {run.state for run in runs} == {"SUCCESSFUL"}
    assert {run.attempt for run in runs} == {1}
    assert len({run.definition_id for run in runs}) == 10
    assert len(crew.world.stored()) == 10
    crew.check_files(runs)


def test_the_run_of_a_killed_worker_is_done_by_another(crew: Crew) -> None:
    first = crew.hire(0.25)
    crew.world.define(schedule=NOW_ONCE)
    crew.until(lambda runs: bool(runs) and runs[0].state == "RUNNING", "the run to begin")
    wait_until(lambda: bool(crew.world.stored()), seconds=SECONDS, what="the first bytes in the store")
    first.kill()
    first.wait()
    (run,) = crew.world.all_runs()
    assert (run.state, run.file) == ("RUNNING", None)
    assert all("#" in name for name in crew.world.stored()), "what is there has no name yet"
    crew.hire()
    (run,) = crew.until_over(1)
    assert (run.state, run.attempt) == ("SUCCESSFUL", 2)
    crew.check_files([run])


def test_a_worker_that_wakes_up_too_late_publishes_nothing(crew: Crew) -> None:
    sleeper = crew.hire(0.25)
    crew.world.define(schedule=NOW_ONCE)
    crew.until(lambda runs: bool(runs) and runs[0].state == "RUNNING", "the run to begin")
    wait_until(lambda: bool(crew.world.stored()), seconds=SECONDS, what="the first bytes in the store")
    sleeper.send_signal(signal.SIGSTOP)
    crew.hire()
    (run,) = crew.until_over(1)
    assert run.state == "SUCCESSFUL"
    assert run.file is not None
    log = crew.folder / "workers.log"
    sleeper.send_signal(signal.SIGCONT)
    wait_until(lambda: b"job_lost" in log.read_bytes(), sleeper, seconds=SECONDS, what="the sleeper to notice")
    time.sleep(0.25 * BATCHES)  # long enough to finish, if it did not care
    (after,) = crew.world.all_runs()
    assert after.file == run.file
    assert crew.world.stored() == [run.file.id]
    crew.check_files([after])


def test_workers_that_are_killed_again_and_again(crew: Crew) -> None:
    """Whatever the moment: a run ends with a whole file, or without any once three attempts died."""
    chance = random.Random(7)
    for number in range(6):
        crew.world.define(f"Report {number}", schedule=NOW_ONCE)
    for _ in range(5):
        process = crew.hire(0.02)
        wait_until(
            lambda: any(run.state == "RUNNING" for run in crew.world.all_runs()),
            process,
            seconds=SECONDS,
            what="some work",
        )
        time.sleep(chance.random() * 0.6)
        process.kill()
        process.wait()
        crew.check_files(crew.world.all_runs())
    crew.hire()
    runs = crew.until_over(6)
    assert {run.state for run in runs} <= {"SUCCESSFUL", "FAILED"}
    assert all(run.attempt >= 3 for run in runs if run.state == "FAILED")
    assert any(run.state == "SUCCESSFUL" for run in runs)
    crew.check_files(runs)
