"""The golden examples of attribution, one history each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.attribution import History, load

GOLDEN = Path(__file__).parent.parent / "golden"
_RANDOM, _SIGNIFICANCE = "attribution_random", "attribution_significance"


def _read() -> dict[str, dict[str, Any]]:
    cases = {}
    for path in sorted(GOLDEN.glob("attribution_*.json")):
        content = load(path.read_text(encoding="utf-8"))
        if path.stem == _RANDOM:
            cases.update({case["name"]: case for case in content["cases"]})
        elif path.stem != _SIGNIFICANCE:
            cases[path.stem.removeprefix("attribution_")] = content
    return cases


CASES: dict[str, dict[str, Any]] = _read()
"""By name; the random histories as `random-01` and so on."""


def is_fixture(name: str) -> bool:
    """Whether a person wrote the example."""
    return not name.startswith("random-")


def history(case: dict[str, Any]) -> History:
    return History(case["campaigns"], case["events"], case["settings"])


def significance_cases() -> list[dict[str, Any]]:
    """Counts in, statistics out."""
    cases: list[dict[str, Any]] = load((GOLDEN / f"{_SIGNIFICANCE}.json").read_text(encoding="utf-8"))["cases"]
    return cases
