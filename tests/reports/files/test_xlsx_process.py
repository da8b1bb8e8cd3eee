"""The process that writes spreadsheets: the same bytes, and nothing of it left whatever happens."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from campanile.reports.files.archive import ArchiveWriter
from campanile.reports.files.xlsx import XlsxFile
from campanile.reports.files.xlsx_process import WriterDied, XlsxProcess
from campanile.reports.schemas import FileFormat
from campanile.reports.sheet import Row
from tests.reports.files.tables import COLUMNS, ROWS, archived, column, sheet
from tests.reports.files.test_archive import Shelf, writer
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

WIDE: list[Row] = [(f"text {number}" * 20,) for number in range(2_000)]
"""Rows that do not fit into a pipe."""


def written(kind: Any, *batches: Sequence[Row]) -> tuple[bytes, list[int]]:
    """The file, and the room after each batch."""
    target = io.BytesIO()
    columns = COLUMNS if len(batches[0][0]) > 1 else (column("text"),)
    file = kind(columns, target, "json", most_rows=5_000)
    rooms = [file.room]
    for batch in batches:
        file.write(batch)
        rooms.append(file.room)
    file.close()
    return target.getvalue(), rooms


@pytest.mark.parametrize("batches", [(ROWS, ROWS[:1]), (WIDE, WIDE[:7], WIDE)])
def test_it_writes_what_the_same_code_writes_here(batches: tuple[Sequence[Row], ...]) -> None:
    assert written(XlsxProcess, *batches) == written(XlsxFile, *batches)


def test_rows_are_taken_while_others_are_written() -> None:
    """What was written stays with the process until somebody asks, so neither side waits for the other for ever."""
    target = io.BytesIO()
    file = XlsxProcess((column("text"),), target, "literal")
    for _ in range(20):
        file.write(WIDE)
    file.close()
    assert file.truncated == 0
    again = io.BytesIO()
    here = XlsxFile((column("text"),), again, "literal")
    here.write(WIDE * 20)
    here.close()
    assert target.getvalue() == again.getvalue()


def process_of(file: XlsxProcess) -> subprocess.Popen[bytes]:
    return file._process


def test_an_abandoned_file_leaves_no_process() -> None:
    target = io.BytesIO()
    file = XlsxProcess((column("text"),), target, "literal")
    file.write(WIDE)
    before = target.getvalue()
    file.abandon()
    assert process_of(file).poll() is not None
    assert target.getvalue() == before
    file.abandon()


def test_a_killed_process_is_a_failure_and_no_file(tmp_path: Path) -> None:
    shelf = Shelf()

    def batches() -> Any:
        yield WIDE
        (child,) = children()
        os.kill(child, signal.SIGKILL)
        yield WIDE

    with (
        pytest.raises(WriterDied, match="status -9"),
        ArchiveWriter(shelf.put, "zip", folder=tmp_path, limit=10**9) as archive,
    ):
        writer(archive, FileFormat(kind="xlsx"), most_rows=10**6).write(sheet("PUSH", [column("text")], batches()))
    assert shelf.kept is None
    assert children() == []


def test_a_failure_of_the_rows_ends_the_process(tmp_path: Path) -> None:
    def batches() -> Any:
        yield WIDE
        assert len(children()) == 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        archived(
            lambda archive: writer(archive, FileFormat(kind="xlsx"), most_rows=10**6).write(
                sheet("PUSH", [column("text")], batches())
            ),
            tmp_path,
        )
    assert children() == []


def children() -> list[int]:
    """Processes that the thread of the test started and that have not ended."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(child) for child in text.split() if b"xlsx_process" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_it_ends_when_whoever_asked_is_killed(tmp_path: Path) -> None:
    script = (
        "import io, sys, time\n"
        "from campanile.reports.files.xlsx_process import XlsxProcess\n"
        "from campanile.reports.sheet import Column\n"
        "file = XlsxProcess((Column('k', 'H', 'text', 0),), io.BytesIO(), 'literal')\n"
        "file.write([('a',)])\n"
        "file.room\n"
        "print(file._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not Path(f"/proc/{child}").exists() or _is_zombie(child), what="its end")


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
