"""How values look on pages. These functions write what they are given; nothing is computed here."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias
from zoneinfo import ZoneInfo

NOTHING = "–"
"""Stands where there is no value; never a zero."""
THIN_SPACE = "\u202f"
MINUS = "\u2212"

Number: TypeAlias = int | float | Decimal


def number(value: Number | None) -> str:
    """`1234567` as `1,234,567`; fractions keep at most two places."""
    if value is None:
        return NOTHING
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")
    return text.replace("-", MINUS)


def percent(value: Number | None, places: int = 2) -> str:
    """A percentage, given in percent: `12.3456` as `12.35 %`."""
    if value is None:
        return NOTHING
    return f"{value:,.{places}f}{THIN_SPACE}%".replace("-", MINUS)


def change(value: Number | None, places: int = 1) -> str:
    """A difference in percent, with its sign: `+4.2 %`."""
    if value is None:
        return NOTHING
    return f"{value:+,.{places}f}{THIN_SPACE}%".replace("-", MINUS)


def money(value: Number | None, currency: str | None = None) -> str:
    """`1234.5` as `1,234.50`, with the code of the currency when there is one."""
    if value is None:
        return NOTHING
    amount = f"{value:,.2f}".replace("-", MINUS)
    return f"{amount}{THIN_SPACE}{currency}" if currency else amount


def count(value: int, one: str, many: str) -> str:
    """`1 campaign`, `2 campaigns`."""
    return f"{number(value)} {one if value == 1 else many}"


def day(value: date | None) -> str:
    """`18 Mar 2026`."""
    return NOTHING if value is None else f"{value.day} {value:%b %Y}"


def moment(value: datetime | None, timezone: str = "UTC") -> str:
    """An instant on the clock of a zone: `18 Mar 2026, 13:05`."""
    if value is None:
        return NOTHING
    local = value.astimezone(ZoneInfo(timezone))
    return f"{day(local.date())}, {local:%H:%M}"


def stamp(value: datetime) -> str:
    """An instant for machines, for the attribute `datetime`."""
    return value.isoformat(timespec="seconds")


def stretch(value: datetime, unit: str) -> str:
    """When a stretch of a time series begins, as exact as its unit."""
    if unit == "hour":
        return f"{day(value.date())}, {value:%H:%M}"
    return f"{value:%b %Y}" if unit == "month" else f"{value:%a} {day(value.date())}"


FILTERS = {
    "number": number,
    "percent": percent,
    "change": change,
    "money": money,
    "count": count,
    "day": day,
    "moment": moment,
    "stamp": stamp,
    "stretch": stretch,
}
"""Filters of all templates."""
