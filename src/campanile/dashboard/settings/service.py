"""What the page of the intake shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import msgspec

MOST_REASONS = 20


class Refused(Protocol):
    """A refused record."""

    @property
    def code(self) -> str: ...
    @property
    def field(self) -> str: ...


class Reason(msgspec.Struct, frozen=True):
    """Why records were refused, and how many of those that are remembered."""

    code: str
    field: str
    count: int
    share: str
    """Percent of the remembered ones, for the length of a bar."""


def reasons(records: Sequence[Refused]) -> list[Reason]:
    """The most frequent reasons first, at most `MOST_REASONS`."""
    counted = Counter((record.code, record.field) for record in records).most_common(MOST_REASONS)
    return [Reason(code, field, count, f"{100 * count / len(records):.1f}") for (code, field), count in counted]
