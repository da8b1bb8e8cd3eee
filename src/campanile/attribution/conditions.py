"""Conditions of goals on the attributes of events: from documents in many spellings to tests the store can run.

A condition looks at the elements that its path leads to (no path: the event itself) and holds when all, or any, of its
tests hold in one of them; a test holds when one value under its path passes. Lists are looked into one level deep,
null is no value. Negated conditions hold when the plain ones do not, so also for events without the attribute
(conversions specification 1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import msgspec

from campanile.kit.times import epoch_milliseconds

MAX_TESTS = 20
"""Tests of one condition on an object."""
MAX_VALUES = 200
"""Values one test compares with."""

TestKind = Literal["exists", "text", "number", "time", "bool"]
Range = tuple[float, float]
"""From and to, both included."""


class Test(msgspec.Struct, frozen=True):
    """One comparison. What a kind does not need is empty."""

    path: tuple[str, ...]
    kind: TestKind
    texts: tuple[str, ...] = ()
    """`text`: LIKE patterns, one of which must match; `bool`: JSON literals."""
    ranges: tuple[Range, ...] = ()
    """`number`: numbers; `time`: milliseconds since 1970. One of the ranges must hold the value."""
    fold: bool = False
    """`text`: compare in lower case; the patterns are in lower case already."""
    negate: bool = False


class Condition(msgspec.Struct, frozen=True):
    """A condition in canonical form: equal conditions are equal values."""

    tests: tuple[Test, ...]
    path: tuple[str, ...] = ()
    any: bool = False
    negate: bool = False


NEVER = Condition(tests=(), any=True)
"""Holds for no event: what is not understood cannot be fulfilled."""


class NotUnderstood(ValueError):
    """A condition in terms that this server does not know; the message says which."""


_NUMBERS = frozenset({"NUMBER", "DOUBLE", "INTEGER", "FLOAT", "NUMERIC", "ARRAYDOUBLE", "ARRAYNUMBER"})
_TEXTS = frozenset({"STRING", "TEXT", "ARRAYSTRING", ""})
_TIMES = frozenset({"DATETIME", "DATE"})
_BOOLEANS = frozenset({"BOOL", "BOOLEAN"})
_OBJECTS = frozenset({"OBJECT", "ARRAYOBJECT"})

_OPERATORS: dict[str, str] = {
    **dict.fromkeys(("is", "equals", "equal", "equalto", "eq", "in", "inthefollowing", "isinthefollowing", "on"), "is"),
    **dict.fromkeys(("contains", "containsinthefollowing", "containsany"), "contains"),
    **dict.fromkeys(("startswith", "startswithinthefollowing"), "startswith"),
    **dict.fromkeys(("endswith", "endswithinthefollowing"), "endswith"),
    **dict.fromkeys(("exists", "exist"), "exists"),
    **dict.fromkeys(("greaterthan", "gt", "after", "morethan"), "greaterthan"),
    **dict.fromkeys(("greaterthanorequalto", "greaterthanequalto", "gte", "atleast"), "atleast"),
    **dict.fromkeys(("lessthan", "lt", "before"), "lessthan"),
    **dict.fromkeys(("lessthanorequalto", "lessthanequalto", "lte", "atmost"), "atmost"),
    "between": "between",
}
_NEGATED: dict[str, str] = {
    **dict.fromkeys(
        ("isnot", "notequals", "notequal", "ne", "notin", "isnotinthefollowing", "notinthefollowing"), "is"
    ),
    **dict.fromkeys(("doesnotcontain", "notcontains"), "contains"),
    **dict.fromkeys(("doesnotstartwith", "notstartswith"), "startswith"),
    **dict.fromkeys(("doesnotendwith", "notendswith"), "endswith"),
    **dict.fromkeys(("doesnotexist", "notexists", "notexist"), "exists"),
    **dict.fromkeys(("notbetween", "isnotbetween"), "between"),
}
_DAY_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


def read_condition(text: str) -> Condition | None:
    """The condition in the JSON of a goal's attribute filter; None for no condition.

    Raises:
        NotUnderstood: it uses words that are not known here.
    """
    if not text:
        return None
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise NotUnderstood("the attribute condition is not JSON") from error
    if not isinstance(document, dict):
        raise NotUnderstood("the attribute condition must be an object")
    if not document:
        return None
    name = _name(document)
    if document.get("filters"):
        return Condition(
            path=name,
            tests=_nested(document["filters"]),
            any=_word(document.get("filter_operator")) == "or",
            negate=bool(document.get("negate", False)),
        )
    if _word(document.get("data_type")).upper() in _OBJECTS and _word(document.get("condition")) not in _EXISTENCE:
        raise NotUnderstood("a condition on an object needs filters")
    return Condition(tests=(_test(document),))


_EXISTENCE = ("exists", "exist", "doesnotexist", "notexists", "notexist")


def _nested(filters: Any) -> tuple[Test, ...]:
    if not isinstance(filters, list) or not all(isinstance(item, dict) for item in filters):
        raise NotUnderstood("filters must be a list of objects")
    if len(filters) > MAX_TESTS:
        raise NotUnderstood(f"filters may have at most {MAX_TESTS} entries")
    if any(item.get("filters") for item in filters):
        raise NotUnderstood("filters inside filters are not supported; use a dotted name")
    return tuple(_test(item) for item in filters)


def _test(document: Mapping[str, Any]) -> Test:
    word = _word(document.get("condition", document.get("operator")))
    negate = bool(document.get("negate", False))
    if word in _NEGATED:
        word, negate = _NEGATED[word], not negate
    else:
        word = _OPERATORS.get(word, "")
    if not word:
        raise NotUnderstood(f"condition {str(document.get('condition'))[:40]!r} is not known")
    path = _name(document)
    if word == "exists":
        return Test(path, "exists", negate=negate)
    kind = _word(document.get("data_type")).upper()
    values = _values(document.get("value"))
    if kind in _BOOLEANS:
        return Test(path, "bool", texts=_booleans(word, values), negate=negate)
    if kind in _NUMBERS:
        return Test(path, "number", ranges=_ranges(word, values, document.get("value1"), _number), negate=negate)
    if kind in _TIMES:
        return Test(path, "time", ranges=_ranges(word, values, document.get("value1"), _moment), negate=negate)
    if kind in _TEXTS:
        fold = not document.get("is_case_sensitive", document.get("case_sensitive", False))
        return Test(path, "text", texts=_patterns(word, values, fold), fold=fold, negate=negate)
    raise NotUnderstood(f"data type {str(document.get('data_type'))[:40]!r} is not supported for this condition")


def _word(value: Any) -> str:
    """A word without case and punctuation: `greaterThan`, `greater_than` and `GREATER THAN` are one."""
    return re.sub(r"[^a-z0-9]", "", value.lower()) if isinstance(value, str) else ""


def _name(document: Mapping[str, Any]) -> tuple[str, ...]:
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise NotUnderstood("the attribute condition names no attribute")
    return tuple(name.split("."))


def _values(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values or any(item is None or isinstance(item, dict | list) for item in values):
        raise NotUnderstood("the attribute condition has no value to compare with")
    if len(values) > MAX_VALUES:
        raise NotUnderstood(f"a condition may compare with at most {MAX_VALUES} values")
    return values


def _booleans(word: str, values: Sequence[Any]) -> tuple[str, ...]:
    texts = [str(value).strip().lower() for value in values]
    if word != "is" or not set(texts) <= {"true", "false"}:
        raise NotUnderstood("a condition on a boolean must be `is` with true or false")
    return tuple(sorted(set(texts)))


def _patterns(word: str, values: Sequence[Any], fold: bool) -> tuple[str, ...]:
    before = "%" if word in ("contains", "endswith") else ""
    after = "%" if word in ("contains", "startswith") else ""
    if word not in ("is", "contains", "startswith", "endswith"):
        raise NotUnderstood(f"{word} compares numbers and dates, not texts")
    texts = {_shown(value).lower() if fold else _shown(value) for value in values}
    return tuple(sorted(before + re.sub(r"([\\%_])", r"\\\1", text) + after for text in texts))


def _shown(value: Any) -> str:
    """A value as the store shows it: texts as they are, numbers in their shortest form."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else format(Decimal(str(value)).normalize(), "f")


def _ranges(word: str, values: Sequence[Any], upper: Any, read: Any) -> tuple[Range, ...]:
    """Closed ranges of doubles; an open end is the next double beyond it."""
    first: Range = read(values[0])
    if word == "is":
        return tuple(sorted({read(value) for value in values}))
    if word == "greaterthan":
        return ((math.nextafter(first[1], math.inf), math.inf),)
    if word == "atleast":
        return ((first[0], math.inf),)
    if word == "lessthan":
        return ((-math.inf, math.nextafter(first[0], -math.inf)),)
    if word == "atmost":
        return ((-math.inf, first[1]),)
    if word == "between":
        if upper is None and len(values) == 2:
            upper = values[1]
        last: Range = read(upper)
        return ((first[0], last[1]),)
    raise NotUnderstood(f"{word} compares texts, not numbers and dates")


def _number(value: Any) -> Range:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = Decimal(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise NotUnderstood(f"{str(value)[:40]!r} is no number")
    try:
        number = float(value)
    except (OverflowError, InvalidOperation) as error:
        raise NotUnderstood("a number is too large to compare with") from error
    return number, number


def _moment(value: Any) -> Range:
    """An instant; a plain day is all of it, in UTC."""
    try:
        if not isinstance(value, str):
            raise ValueError
        if _DAY_ONLY.fullmatch(value):
            start = datetime.combine(datetime.fromisoformat(value).date(), time.min, tzinfo=UTC)
            end = start + timedelta(days=1) - timedelta(milliseconds=1)
        else:
            start = end = datetime.fromisoformat(value)
            if start.tzinfo is None:
                start = end = start.replace(tzinfo=UTC)
    except ValueError as error:
        raise NotUnderstood(f"{str(value)[:40]!r} is no date and time") from error
    return float(epoch_milliseconds(start)), float(epoch_milliseconds(end))
