"""The test vectors of reports, by kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

LEFT_OUT = {
    "RB090": "Only its files of campaigns: flows are left out, so there is no FLOWS file and no folder `flows/`.",
}
"""Vectors that are about more than what is built, and what is not looked at; everything else of them passes."""

_FILE = Path(__file__).parent.parent / "golden" / "report_vectors.jsonl"


def vectors(*kinds: str) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`: the vectors of these kinds, called by their ids."""
    chosen = [pytest.param(vector, id=vector["id"]) for vector in every() if vector["kind"] in kinds]
    assert chosen, kinds
    return chosen


def every() -> list[dict[str, Any]]:
    """All of them, in their order."""
    return [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]
