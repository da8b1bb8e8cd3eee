"""The test vectors of reports, by kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_FILE = Path(__file__).parent.parent / "golden" / "report_vectors.jsonl"


def vectors(*kinds: str) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`: the vectors of these kinds, called by their ids."""
    found = [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]
    chosen = [pytest.param(vector, id=vector["id"]) for vector in found if vector["kind"] in kinds]
    assert chosen, kinds
    return chosen
