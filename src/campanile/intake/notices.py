"""Warnings of a request: noticed per record, told once per name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from campanile.intake.limits import MAX_SHOWN_NAME_CHARS, MAX_WARNINGS
from campanile.intake.verdicts import Warned
from campanile.kit.pii import masked


class Notices:
    """Counts warnings by code and field. Not thread-safe.

    Field names that are not ours come from the sender: they are cut, never show an address, and there are never more
    than an answer may hold.
    """

    def __init__(self, known: Container[str]) -> None:
        """`known` are the field names that may be shown as they are."""
        self._known = known
        self._shown: dict[str, str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, code: str, field: str) -> None:
        """Count one more."""
        shown = self._shown.get(field)
        if shown is None:
            shown = field if field in self._known else masked(field)[:MAX_SHOWN_NAME_CHARS]
            if len(self._shown) < MAX_WARNINGS:
                self._shown[field] = shown
        if (code, shown) in self._counts or len(self._counts) < MAX_WARNINGS:
            self._counts[code, shown] += 1

    def all(self) -> list[Warned]:
        """What was noticed, in the order of first occurrence."""
        return [Warned(code, field, count) for (code, field), count in self._counts.items()]
