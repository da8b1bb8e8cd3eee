"""The wire contract of the companion APIs as data, and how an answer is compared with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent.parent.parent / "golden"
WORKSPACE, KEY = "WORKSPACE_A", "test-key-a"


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / name).read_text().splitlines()]


def documents() -> list[dict[str, Any]]:
    return _lines("companion_fixture.jsonl")


def vectors() -> list[dict[str, Any]]:
    return _lines("companion_vectors.jsonl")


def mcp_vectors() -> list[dict[str, Any]]:
    return _lines("companion_mcp_vectors.jsonl")


def check(found: Any, vector: dict[str, Any]) -> None:
    """Compare an answer with what the vector says."""
    expected = vector["response"]
    match vector["match"]:
        case "exact":
            assert found == expected
        case "ids":
            assert [row["campaign_id"] for row in found] == expected
        case "subset":
            assert_subset(found, expected)
        case other:
            raise AssertionError(other)


def assert_subset(found: Any, expected: Any, path: str = "") -> None:
    """Everything that is expected is there; lists have the same length."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), path
        for name, value in expected.items():
            assert name in found, f"{path}.{name}"
            assert_subset(found[name], value, f"{path}.{name}")
    elif isinstance(expected, list):
        assert isinstance(found, list) and len(found) == len(expected), path
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_subset(one, other, f"{path}[{number}]")
    else:
        assert found == expected, path
