"""How the values of cells are spelled in text (report specification 10.1), column by column because that is fast."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Literal

import msgspec

from campanile.reports.sheet import Column

Lists = Literal["literal", "json", "comma"]

PRECISION = Context(prec=60, rounding=ROUND_HALF_UP)
"""Enough digits for every amount of money with its decimals."""

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Control characters, and code points that neither UTF-8 nor XML can carry."""
_STEPS = {places: Decimal(1).scaleb(-places) for places in range(10)}

Spelling = Callable[[Sequence[Any]], list[str]]
"""The cells of one column in, their texts out; blank cells are empty texts."""


def spelling(column: Column, lists: Lists) -> Spelling:
    """How a column is spelled in CSV."""
    match column.type:
        case "integer":
            return _integers
        case "percent" | "currency" | "decimal":
            places = column.decimals
            return lambda cells: [_number(cell, places) for cell in cells]
        case "date" | "datetime":
            return lambda cells: ["" if cell is None else day_text(cell) for cell in cells]
        case "boolean":
            return lambda cells: ["" if cell is None else str(cell) for cell in cells]
        case "list":
            return lambda cells: ["" if cell is None else list_text(cell, lists) for cell in cells]
        case "text":
            return _texts


def clean(text: str) -> str:
    """A text as files show it: line breaks are line feeds, and there are no control characters but those and tabs."""
    if text.isprintable():
        return text
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def rounded(value: Decimal, places: int) -> Decimal:
    """`value` with at most `places` decimal places, half up."""
    return value.quantize(_STEPS[places], context=PRECISION)


def number_text(value: Decimal, places: int) -> str:
    """A number without trailing zeros: `8.4`, `0`, `988.74`."""
    text = f"{rounded(value, places):f}"
    if places:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def day_text(value: date | datetime) -> str:
    """`YYYY-MM-DD`, with ` HH:MM:SS` for an instant, which stays in the zone it is given in."""
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value.isoformat()


def list_text(values: Sequence[str], lists: Lists) -> str:
    """A list as a Python literal (what the exports of other tools hold), as JSON, or joined by commas."""
    cleaned = [clean(value) for value in values]
    match lists:
        case "literal":
            return repr(cleaned)
        case "json":
            return msgspec.json.encode(cleaned).decode()
        case "comma":
            return ",".join(cleaned)


def _integers(cells: Sequence[int | None]) -> list[str]:
    return ["" if cell is None else str(cell) for cell in cells] if None in cells else list(map(str, cells))


def _number(value: Decimal | int | None, places: int) -> str:
    if value is None:
        return ""
    if not value:
        return "0"
    return number_text(Decimal(value), places)


def _texts(cells: Sequence[str | None]) -> list[str]:
    filled = [cell or "" for cell in cells]
    return filled if "".join(filled).isprintable() else [clean(cell) for cell in filled]
