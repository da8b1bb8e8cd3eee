"""What is inside the attributes of an event, and whether it fulfils a condition; written from the rules alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

Fields = Mapping[str, Any]


def values_at(attributes: Any, path: str) -> list[Any]:
    """Everything a dotted path leads to; lists on the way, and at its end, are looked into. Nulls are nothing."""
    found = [attributes]
    for key in path.split("."):
        found = [item[key] for item in _spread(found) if isinstance(item, Mapping) and key in item]
    return [item for item in _spread(found) if item is not None]


def _spread(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, list):
            yield from _spread(item)
        else:
            yield item


_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
LARGEST_AMOUNT = Decimal(10) ** 12


def number(value: Any) -> Decimal | None:
    """A number, or a text that is one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value))
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip(" ")):
        return Decimal(value.strip(" "))
    return None


def amount(attributes: Any, path: str) -> Decimal:
    """Revenue under a path: numbers added up, each kept to four decimals; anything else is 0."""
    total = Decimal(0)
    for value in values_at(attributes, path):
        found = number(value)
        if found is not None and abs(found) <= LARGEST_AMOUNT:
            total += found.quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
    return total


def _instant_of(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _texts(value: Any, fold: Callable[[str], str]) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [fold(str(item)) for item in items]


def holds(condition: Fields, attributes: Any) -> bool:
    """Whether the attributes of an event fulfil a goal's condition; lists do when one of their elements does."""
    path = condition["name"]
    if condition.get("filters"):
        parts = condition["filters"]
        need = any if condition.get("filter_operator") == "or" else all
        result = any(
            need(holds(part, element) for part in parts)
            for element in values_at(attributes, path)
            if isinstance(element, Mapping)
        )
    else:
        result = any(_fulfils(condition, value) for value in values_at(attributes, path))
    return result != bool(condition.get("negate"))


def _fulfils(condition: Fields, value: Any) -> bool:
    wanted, upper = condition.get("value"), condition.get("value1")
    name, kind = condition["condition"], condition.get("data_type", "STRING")
    if name == "exists":
        return True
    if kind in ("NUMBER", "DOUBLE", "ARRAY_DOUBLE", "DATETIME"):
        read = _instant_of if kind == "DATETIME" else number
        found: Any = read(value)
        bounds: list[Any] = [read(item) for item in (wanted if isinstance(wanted, list) else [wanted])]
        if found is None:
            return False
        if name == "greaterThan":
            return bool(found > bounds[0])
        if name == "lessThan":
            return bool(found < bounds[0])
        if name == "between":
            return bool(bounds[0] <= found <= read(upper))
        return found in bounds
    if kind == "BOOL":
        return isinstance(value, bool) and str(value).lower() in [str(wanted).lower()]
    if isinstance(value, bool | Mapping):
        return False
    fold: Callable[[str], str] = str if condition.get("is_case_sensitive") else str.lower
    text = fold(value if isinstance(value, str) else format(Decimal(str(value)).normalize(), "f"))
    texts = _texts(wanted, fold)
    return {
        "is": lambda: text in texts,
        "contains": lambda: any(item in text for item in texts),
        "startsWith": lambda: any(text.startswith(item) for item in texts),
        "endsWith": lambda: any(text.endswith(item) for item in texts),
    }[name]()
