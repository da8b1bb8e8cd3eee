"""Cutting what is asked for into what one request may ask (Stats API contract 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from campanile.client.errors import WrongQuestion

IDS_PER_REQUEST = 10
"""Campaigns one request may name."""
MAX_DAYS = 31
"""Calendar days of one request at most: its ends may be 30 days apart."""
WINDOW_DAYS = 30
"""Calendar days of each window of a longer range; every server takes that many, also those that count the ends."""


class Window(NamedTuple):
    """Days, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


def parse_day(given: date | str, name: str) -> date:
    """
    Raises:
        WrongQuestion: the text is no date of the form YYYY-MM-DD.
    """
    if isinstance(given, date):
        return date(given.year, given.month, given.day)
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise WrongQuestion(f"{name} must be a date of the form YYYY-MM-DD, not {given[:40]!r}") from None


def windows(first: date, last: date, days: int | None) -> list[Window]:
    """The range in windows of `days`; without it as few as the API allows. The last one may be shorter.

    Raises:
        WrongQuestion: the range ends before it begins, or `days` is out of bounds.
    """
    if last < first:
        raise WrongQuestion(f"the range ends on {last}, before it begins on {first}")
    if days is None:
        days = MAX_DAYS if (last - first).days < MAX_DAYS else WINDOW_DAYS
    elif not 1 <= days <= MAX_DAYS:
        raise WrongQuestion(f"a window has 1 to {MAX_DAYS} days, not {days}")
    step = timedelta(days=days)
    found = []
    while first <= last:
        end = min(last, first + step - timedelta(days=1))
        found.append(Window(first, end))
        first = end + timedelta(days=1)
    return found


def groups(ids: Sequence[str], size: int = IDS_PER_REQUEST) -> Iterator[Sequence[str]]:
    """Ids as many requests may name them."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def distinct(ids: Iterable[str] | str) -> list[str]:
    """Ids in their order, each once; a single text is one id."""
    return [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
