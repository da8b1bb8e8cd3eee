"""Large exports are complete, and take little memory however many rows there are."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.reports.files.export import FILE, columns_of
from tests.support.processes import scratch_folder

pytestmark = pytest.mark.slow

MOST_MEBIBYTES = 300
HELPER_MEBIBYTES = 150
"""Of a process that writes a spreadsheet, all in all."""


def export(kind: str, rows: int, columns: int, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.reports.files.export", kind, str(rows), str(columns), str(folder)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    facts: dict[str, Any] = json.loads(done.stdout)
    assert (facts["rows"], facts["parts"], facts["warnings"]) == (rows, [rows], 0)
    assert facts["grown_mebibytes"] < MOST_MEBIBYTES, facts
    return facts


def lines_of(package: zipfile.ZipFile) -> tuple[int, bytes]:
    """Lines of the only member, and the last one."""
    (name,) = package.namelist()
    count, last = 0, b""
    with package.open(name) as member:
        for line in io.BufferedReader(member, 1024 * 1024):  # type: ignore[arg-type]
            count += 1
            last = line
    return count, last


def test_a_million_lines() -> None:
    with scratch_folder("export") as folder:
        export("csv", 1_000_000, 20, folder)
        with zipfile.ZipFile(folder / "files" / FILE[:2] / FILE) as package:
            count, last = lines_of(package)
    assert count == 1_000_001
    assert b"campaign 7918992081, spring" in last  # 999,999 · 7919


def test_a_million_rows_of_parquet() -> None:
    with scratch_folder("export") as folder:
        export("parquet", 1_000_000, 20, folder)
        with zipfile.ZipFile(folder / "files" / FILE[:2] / FILE) as package:
            package.extractall(folder / "out")
            file = pq.ParquetFile(folder / "out" / package.namelist()[0])
            assert file.metadata.num_rows == 1_000_000
            assert file.metadata.num_row_groups >= 10
            last = file.read_row_group(file.metadata.num_row_groups - 1, columns=["k0"])
            assert last.column(0)[-1].as_py() == "campaign 7918992081, spring"
            file.close()


def test_a_spreadsheet_of_four_million_cells() -> None:
    with scratch_folder("export") as folder:
        facts = export("xlsx", 200_000, 20, folder)
        assert facts["helper_mebibytes"] < HELPER_MEBIBYTES
        with zipfile.ZipFile(folder / "files" / FILE[:2] / FILE) as package:
            package.extractall(folder / "out")
            (name,) = package.namelist()
        with zipfile.ZipFile(folder / "out" / name) as book, book.open("xl/worksheets/sheet1.xml") as sheet:
            rows = cells = 0
            rest = b""
            while chunk := sheet.read(4 * 1024 * 1024):
                whole, mark, rest = (rest + chunk).rpartition(b"</row>")
                rows += (whole + mark).count(b"</row>")
                cells += len(re.findall(rb"<c r=", whole))
    assert (rows, cells) == (200_001, 200_001 * len(columns_of(20)))
