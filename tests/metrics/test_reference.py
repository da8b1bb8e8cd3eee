"""The reference page is the one the registry gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from campanile.metrics.channels import CHANNELS
from campanile.metrics.reasons import REASONS
from campanile.metrics.reference import reference
from campanile.metrics.registry import COUNTS, RATES, wire_names

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def test_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python -m campanile.metrics.reference > " + str(PAGE)


def test_module_prints_the_page() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "campanile.metrics.reference"], check=True, capture_output=True, timeout=60
    )
    assert done.stdout.decode("utf-8") == reference()


def test_everything_is_named() -> None:
    page = reference()
    names = [name for key in (*COUNTS, *RATES) for name in wire_names(key)]
    for name in (*names, *REASONS, *(step for channel in CHANNELS.values() for step in channel.funnel)):
        assert f"`{name}`" in page, name


def test_tables_are_regular() -> None:
    width = 0
    for line in reference().splitlines():
        if line.startswith("|"):
            cells = line.replace("\\|", "").count("|")
            assert width in (0, cells), line
            width = cells
        else:
            width = 0
