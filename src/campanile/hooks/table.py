"""The mapping table: which event of a provider is which event of ours (ingest specification 6).

`mappings.csv` is the whole truth about types; provider modules only know where a payload keeps its values. An event of
a provider is written as `name`, `name[key=pattern,key=pattern]` or `name[key]` (the key has a value). In patterns `*`
stands for anything and `x` after a digit for any digit. Of a provider's rows the first that matches wins.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

import msgspec

IGNORE = "ignore"
"""Type of events that are acknowledged and not stored."""
FROM_EVENT = "event"
"""Channel or platform that the payload names."""

_EVENT = re.compile(r"(?P<name>[^\[]+)(?:\[(?P<conditions>[^\]]*)\])?")
_SPACE = re.compile(r"\s+")
_BY_NAME = "name:"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    provider: str
    name: str
    """Event name or code; `*` is any."""
    by_display_name: bool
    """Whether `name` is the name that people see, not the code."""
    conditions: tuple[tuple[str, re.Pattern[str] | None], ...]
    """Key and pattern of its value; without a pattern, any value but nothing."""
    channel: str
    """Empty: none; `event`: that of the payload."""
    type: str
    platform: str
    """Empty: none; `event` or `event|ANDROID`: that of the payload, else the second one."""
    reason: str
    machine: bool
    custom_name: str
    """Name of a custom event."""
    implies: tuple[str, ...]
    """Types of earlier events of the same message, the latest first."""

    @property
    def ignored(self) -> bool:
        return self.type == IGNORE

    def fits(self, facts: Mapping[str, str]) -> bool:
        """Whether all conditions hold."""
        for key, pattern in self.conditions:
            value = facts.get(key, "")
            if not value or (pattern is not None and pattern.fullmatch(value) is None):
                return False
        return True


class Table:
    """The rows, by provider."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._exact: dict[tuple[str, str], list[Rule]] = {}
        self._patterns: dict[str, list[Rule]] = {}
        self._display: dict[tuple[str, str], list[Rule]] = {}
        self._types: dict[str, set[str]] = {}
        for rule in rules:
            self._types.setdefault(rule.provider, set()).update({rule.type, *rule.implies} - {IGNORE})
            if rule.by_display_name:
                self._display.setdefault((rule.provider, folded(rule.name)), []).append(rule)
            elif "*" in rule.name:
                self._patterns.setdefault(rule.provider, []).append(rule)
            else:
                self._exact.setdefault((rule.provider, rule.name), []).append(rule)

    def types(self, provider: str) -> tuple[str, ...]:
        """Event types that can arise from a provider's events, in alphabetical order."""
        return tuple(sorted(self._types.get(provider, ())))

    def rule(
        self, provider: str, name: str, facts: Mapping[str, str] | None = None, *, displayed: Iterable[str] = ()
    ) -> Rule | None:
        """The row for an event: by its name, then by the names it is displayed under, then by a pattern."""
        facts = facts or {}
        for rule in self._exact.get((provider, name), ()):
            if rule.fits(facts):
                return rule
        for shown in displayed:
            for rule in self._display.get((provider, folded(shown)), ()):
                if rule.fits(facts):
                    return rule
        for rule in self._patterns.get(provider, ()):
            if _glob(rule.name).fullmatch(name) is not None and rule.fits(facts):
                return rule
        return None


def folded(text: str) -> str:
    """A display name for comparison: case and runs of white space make no difference."""
    return _SPACE.sub(" ", text).strip().casefold()


def parse_table(text: str) -> Table:
    """The table in a CSV text with the columns provider, event, channel, type, platform, notes."""
    return Table(parse_rules(text))


def parse_rules(text: str) -> list[Rule]:
    """Its rows, in order."""
    return [_rule(row) for row in csv.DictReader(text.splitlines())]


@cache
def standard_table() -> Table:
    """The table of this package."""
    return parse_table((resources.files("campanile.hooks") / "mappings.csv").read_text(encoding="utf-8"))


def _rule(row: Mapping[str, str]) -> Rule:
    event = row["event"]
    by_display_name = event.startswith(_BY_NAME)
    found = _EVENT.fullmatch(event.removeprefix(_BY_NAME))
    if found is None:
        raise ValueError(f"{event} is no event of a provider")
    notes = dict(note.partition("=")[::2] for note in row["notes"].split(";") if note)
    return Rule(
        provider=row["provider"],
        name=found["name"],
        by_display_name=by_display_name,
        conditions=tuple(map(_condition, (found["conditions"] or "").split(","))) if found["conditions"] else (),
        channel="" if row["channel"] == "-" else row["channel"],
        type=row["type"],
        platform="" if row["platform"] == "-" else row["platform"],
        reason=notes.get("reason", ""),
        machine=notes.get("machine") == "true",
        custom_name=notes.get("name", ""),
        implies=tuple(filter(None, notes.get("implies", "").split(","))),
    )


def _condition(text: str) -> tuple[str, re.Pattern[str] | None]:
    key, equals, value = text.partition("=")
    return key, _glob(value) if equals else None


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    parts = (".*" if part == "*" else re.escape(part) for part in re.split(r"(\*)", pattern))
    expression = re.sub(r"(?<=\d)x+", lambda match: rf"\d{{{len(match[0])}}}", "".join(parts))
    return re.compile(expression, re.IGNORECASE | re.DOTALL)
