"""The measurements still run, and the page says what was recorded."""

from __future__ import annotations

import subprocess
import sys

import pytest
from bench.report import RECORDED, REPORT, page, read_recorded
from bench.sections import SECTIONS

pytestmark = pytest.mark.slow


def test_the_page_says_what_was_recorded() -> None:
    assert REPORT.read_text(encoding="utf-8") == page(read_recorded(RECORDED))


@pytest.mark.slow
@pytest.mark.parametrize("name", SECTIONS)
def test_a_measurement_still_runs(name: str) -> None:
    before = RECORDED.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--smoke", "--write"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(f"## {SECTIONS[name].title}\n")
    assert "| " in done.stdout
    assert RECORDED.read_bytes() == before, "small sizes are never recorded"


def test_an_unknown_name_is_refused() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "spede"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no such measurement: spede" in done.stderr
