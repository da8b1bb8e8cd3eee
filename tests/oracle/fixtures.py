"""The golden examples of the metric rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.oracle.model import Workspace

GOLDEN = Path(__file__).parent.parent / "golden"
NAMES = tuple(sorted(path.stem for path in GOLDEN.glob("metrics_*.json")))


def load(name: str) -> dict[str, Any]:
    """A fixture as it is written."""
    content: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return content


def workspace(fixture: dict[str, Any]) -> Workspace:
    return Workspace(fixture["campaigns"], fixture["events"], fixture["request"], fixture["settings"])
