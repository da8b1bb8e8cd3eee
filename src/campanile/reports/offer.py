"""The columns that channels offer, and what is wrong with naming others (report specification 3.1, 4.3, 4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import nsmallest

from campanile.errors import Problem
from campanile.reports.expressions import Expression
from campanile.reports.ports import ColumnDef, Columns
from campanile.reports.schemas import CHANNELS

SUGGESTIONS = 3
"""Similar keys shown for an unknown one."""
SUGGESTION_DISTANCE = 3
"""Letters by which a similar key may differ."""
LOCALE_COLUMN = "split.locale"


class Offer:
    """The catalogue of every channel, indexed."""

    def __init__(self, columns: Columns) -> None:
        self._channels = {channel: {column.key: column for column in columns(channel)} for channel in CHANNELS}

    def of(self, channel: str) -> Mapping[str, ColumnDef]:
        """The columns of a channel by key, in the order of the catalogue."""
        return self._channels[channel]

    def splits_locales(self, channel: str) -> bool:
        """Whether the rows of a channel can be split by locale."""
        column = self._channels[channel].get(LOCALE_COLUMN)
        return column is not None and "locale" in column.splits

    def defaults(self, channel: str) -> list[ColumnDef]:
        """The columns of a file whose columns nobody chose, those of all splits included."""
        return [column for column in self._channels[channel].values() if column.default_selected != "no"]

    def missing(self, key: str, channel: str, *, suggest: bool) -> Problem | None:
        """Why a channel has no such column; None if it has. Attribute and full stop are left to the caller."""
        if key in self._channels[channel]:
            return None
        if any(key in columns for columns in self._channels.values()):
            return Problem("attribute_not_available_for_channel", f"{channel} has no column {key}")
        near = similar(key, self._channels[channel]) if suggest else []
        hint = f"; similar: {', '.join(near)}" if near else ""
        return Problem("unknown_attribute", f"There is no column {key[:100]}{hint}")

    def faults(self, expression: Expression, channels: Iterable[str], *, suggest: bool) -> list[tuple[Problem, int]]:
        """What is wrong with the references of an expression, with their positions; each reference counts once."""
        found: list[tuple[Problem, int]] = []
        channels = list(channels)
        for key, position in expression.references:
            problem = self._fault(key, channels, suggest=suggest and not found)
            if problem is not None:
                found.append((problem, position))
        return found

    def _fault(self, key: str, channels: list[str], *, suggest: bool) -> Problem | None:
        if key.startswith("custom."):
            return Problem("custom_reference_not_allowed", "Custom columns cannot refer to custom columns")
        for channel in channels:
            problem = self.missing(key, channel, suggest=suggest)
            if problem is not None:
                return problem
            if not self._channels[channel][key].numeric:
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
