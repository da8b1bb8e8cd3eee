"""Reads JSON objects member by member and collects everything that is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import TypeVar

from campanile.errors import CampanileError, InvalidInput, Problem, Unprocessable

MOST_PROBLEMS = 50
"""Problems that one answer lists."""
COLLECTED_PROBLEMS = 200
"""Problems that are remembered to find the first ones among them."""
SHOWN_CHARACTERS = 100
"""Characters of a member's name that are repeated to the caller."""

_Word = TypeVar("_Word", bound=str)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_COMPACT = re.compile(r"\d{8}", re.ASCII)
_STEPS = re.compile(r"[^.\[\]]+")


class Findings:
    """The problems of one document."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, code: str, path: str, message: str) -> None:
        if len(self.problems) < COLLECTED_PROBLEMS:
            self.problems.append(Problem(code, message, path))

    def raise_any(self, document: object) -> None:
        """
        Raises:
            Unprocessable: there are problems; they stand in the order of the members in `document`.
            InvalidInput: the first of them is a member that does not exist.
        """
        if not self.problems:
            return
        problems = tuple(sorted(self.problems, key=lambda problem: _place(problem.attribute, document)))
        first = problems[0]
        kind: type[CampanileError] = InvalidInput if first.type == "unknown_field" else Unprocessable
        raise kind(first.message, attribute=first.attribute, type=first.type, problems=problems[:MOST_PROBLEMS])


class Fields:
    """The members of one object. A member that is null counts as absent.

    Every method that reads a member answers None, or the given default, where the member is absent or wrong.
    """

    def __init__(self, find: Findings, value: object, path: str = "") -> None:
        self.find = find
        self._path = path
        self._known: set[str] = set()
        self._given: dict[str, object] = {}
        if isinstance(value, dict):
            self._given = value
        else:
            find.add("invalid_type", path, f"{path or 'The body'} must be an object.")

    def path(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def has(self, name: str) -> bool:
        return self._given.get(name) is not None

    def value(self, name: str, *, required: bool = False) -> object:
        """The member as it is."""
        self._known.add(name)
        value = self._given.get(name)
        if value is None and required:
            self.wrong(name, "required", "is required")
        return value

    def wrong(self, name: str, code: str, what: str) -> None:
        """Say that a member is wrong: `what` follows its name in the sentence."""
        path = self.path(name)
        self.find.add(code, path, f"{path} {what}.")

    def text(self, name: str, *, required: bool = False) -> str | None:
        value = self.value(name, required=required)
        if value is None or isinstance(value, str):
            return value
        self.wrong(name, "invalid_type", "must be a string")
        return None

    def boolean(self, name: str, *, default: bool = False) -> bool:
        value = self.value(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.wrong(name, "invalid_type", "must be true or false")
        return default

    def integer(self, name: str, low: int, high: int, *, required: bool = False, code: str = "") -> int | None:
        """A whole number from `low` to `high`; `code` is what a number above `high` is called."""
        value = self.value(name, required=required)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(name, "invalid_type", "must be a whole number")
            return None
        if not low <= value <= high:
            self.wrong(name, code if code and value > high else "invalid_value", f"must be from {low} to {high}")
            return None
        return value

    def choice(
        self, name: str, allowed: Sequence[_Word], *, required: bool = False, code: str = "invalid_value"
    ) -> _Word | None:
        """One of the words; `code` is what any other word is called."""
        value = self.text(name, required=required)
        if value is None:
            return None
        for word in allowed:
            if word == value:
                return word
        self.wrong(name, code, f"must be one of: {', '.join(allowed)}")
        return None

    def day(self, name: str, *, required: bool = False, compact: bool = False) -> date | None:
        """A date such as 2025-03-01; with `compact`, 20250301 as well."""
        value = self.text(name, required=required)
        if value is None:
            return None
        if compact and _COMPACT.fullmatch(value) is not None:
            value = f"{value[:4]}-{value[4:6]}-{value[6:]}"
        found = parse_date(value)
        if found is None:
            self.wrong(name, "invalid_value", "must be a date such as 2025-03-01")
        return found

    def array(self, name: str, *, most: int, required: bool = False, code: str = "invalid_value") -> list[object]:
        """The entries; more than `most` are not looked at, `code` is what they are called."""
        value = self.value(name, required=required)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(name, "invalid_type", "must be an array")
            return []
        if len(value) > most:
            self.wrong(name, code, f"may have at most {most} entries")
            return []
        return value

    def texts(self, name: str, *, most: int, longest: int, code: str = "invalid_value") -> Iterator[tuple[str, str]]:
        """The entries of an array of strings of 1 to `longest` characters, each with its path."""
        for index, item in enumerate(self.array(name, most=most, code=code)):
            entry = f"{name}[{index}]"
            if not isinstance(item, str):
                self.wrong(entry, "invalid_type", "must be a string")
            elif not 1 <= len(item) <= longest:
                self.wrong(entry, "invalid_value", f"must have 1 to {longest} characters")
            else:
                yield self.path(entry), item

    def fields(self, name: str, *, required: bool = False) -> Fields | None:
        """The members of an object inside."""
        value = self.value(name, required=required)
        return None if value is None else Fields(self.find, value, self.path(name))

    def names(self) -> Iterable[str]:
        """All members that are there, for objects whose members are data; none of them is unknown then."""
        self._known.update(self._given)
        return self._given

    def close(self, *ignored: str) -> None:
        """Refuse members that nobody asked for; those in `ignored` are known and do nothing."""
        for name in self._given:
            if name not in self._known and name not in ignored:
                self.wrong(name[:SHOWN_CHARACTERS], "unknown_field", "is not a member of this object")


def parse_date(text: str) -> date | None:
    """A date of the form YYYY-MM-DD."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _place(path: str, document: object) -> tuple[int, ...]:
    """Where a path stands in a document; what is missing stands at the end of its object."""
    places = []
    for step in _STEPS.findall(path):
        if isinstance(document, dict):
            names = list(document)
            places.append(names.index(step) if step in document else len(names))
            document = document.get(step)
        elif isinstance(document, list) and step.isdigit():
            places.append(int(step))
            document = document[int(step)] if int(step) < len(document) else None
    return tuple(places)
