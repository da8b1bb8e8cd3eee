"""Which columns channels offer, and what is wrong with naming others (report specification 3.1, 4.3, 4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nsmallest

from campanile.errors import Problem
from campanile.reports.columns import columns_by_key
from campanile.reports.expressions import Expression
from campanile.reports.schemas import CHANNELS

SUGGESTIONS = 3
"""Similar keys shown for an unknown one."""
SUGGESTION_DISTANCE = 3
"""Letters by which a similar key may differ."""
SHOWN_CHARACTERS = 100
"""Characters of an unknown key that are repeated to the caller."""


def splits_locales(channel: str) -> bool:
    """Whether the rows of a channel can be split by locale."""
    return "locale" in columns_by_key(channel)["split.locale"].splits


def missing(key: str, channel: str, *, suggest: bool) -> Problem | None:
    """Why a channel has no such column; None if it has. Attribute and full stop are left to the caller."""
    if key in columns_by_key(channel):
        return None
    if any(key in columns_by_key(other) for other in CHANNELS):
        return Problem("attribute_not_available_for_channel", f"{channel} has no column {key}")
    near = similar(key, columns_by_key(channel)) if suggest else []
    hint = f"; similar: {', '.join(near)}" if near else ""
    return Problem("unknown_attribute", f"There is no column {key[:SHOWN_CHARACTERS]}{hint}")


def faults(expression: Expression, channels: Sequence[str], *, suggest: bool) -> list[tuple[Problem, int]]:
    """What is wrong with the references of an expression, with their positions."""
    found: list[tuple[Problem, int]] = []
    for key, position in expression.references:
        problem = _fault(key, channels, suggest=suggest and not found)
        if problem is not None:
            found.append((problem, position))
    return found


def _fault(key: str, channels: Sequence[str], *, suggest: bool) -> Problem | None:
    if key.startswith("custom."):
        return Problem("custom_reference_not_allowed", "Custom columns cannot refer to custom columns")
    for channel in channels:
        problem = missing(key, channel, suggest=suggest)
        if problem is not None:
            return problem
        if not columns_by_key(channel)[key].numeric:
            return Problem("attribute_not_numeric", f"{key} is not a number")
    return None


def similar(key: str, known: Iterable[str]) -> list[str]:
    """The keys that differ by a few letters, nearest first."""
    near = ((distance, other) for other in known if (distance := _distance(key, other)) <= SUGGESTION_DISTANCE)
    return [other for _, other in nsmallest(SUGGESTIONS, near)]


def _distance(one: str, other: str) -> int:
    """The edit distance, or more than `SUGGESTION_DISTANCE` where that is known early."""
    if abs(len(one) - len(other)) > SUGGESTION_DISTANCE:
        return SUGGESTION_DISTANCE + 1
    before = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, candidate in enumerate(other, 1):
            current.append(min(before[column] + 1, current[-1] + 1, before[column - 1] + (letter != candidate)))
        if min(current) > SUGGESTION_DISTANCE:
            return SUGGESTION_DISTANCE + 1
        before = current
    return before[-1]
