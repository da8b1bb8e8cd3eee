"""From campaigns and their goals to the integers and texts that the attribution questions are asked with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from campanile.attribution.conditions import NEVER, Condition, NotUnderstood, Test, read_condition
from campanile.attribution.rules import (
    BOUND_CHANNELS,
    CONTROL_REASONS,
    DEFAULT_WINDOW_HOURS,
    LAST_INTERACTION,
    PLATFORM_CLASSES,
    SESSION,
    Kind,
    Rules,
    ranks,
    roles,
)
from campanile.campaigns.schemas import Campaign, Goal
from campanile.kit.times import Window, epoch_milliseconds
from campanile.metrics.rows import EVENT_TYPES, TYPE_CODES

_HOUR = timedelta(hours=1) // timedelta(milliseconds=1)
_SESSION = SESSION // timedelta(milliseconds=1)
_FOREVER = 2**62
SMALL_PAGE = 100
"""Campaigns up to which it pays to find the people concerned first, where nobody else competes."""
MOST_OF_ALL = 0.5
"""Share of the competing campaigns from which it costs more to find the people concerned than to take all."""


class Family(msgspec.Struct, frozen=True):
    """A campaign that reports, and the runs whose touches are its own."""

    root: Campaign
    children: tuple[Campaign, ...] = ()

    @property
    def members(self) -> tuple[Campaign, ...]:
        return (self.root, *self.children)


class Plan(msgspec.Struct, frozen=True):
    """Everything that a question about credits needs but the range and who is asked about."""

    parameters: Mapping[str, Any]
    compete: bool
    """Whether a conversion goes to one campaign only."""
    members: tuple[str, ...]
    """Campaign ids whose touches are read; their number is the position, from 1."""
    goal_names: Mapping[str, tuple[str, ...]]
    """Per member: the goals of its root; the number of a goal is the position, from 1."""


class ExperimentScope(msgspec.Struct, frozen=True):
    """Whose events put somebody into an arm of a campaign's experiments, and how."""

    campaigns: tuple[str, ...]
    """The campaign and its runs."""
    window: Window
    roles: tuple[tuple[int, ...], tuple[int, ...]]
    """Per event type: its roles, for all platforms but iOS, and for iOS."""
    exclude_machine: bool

    @property
    def types(self) -> list[str]:
        """Event types that matter."""
        return ["removed", *(name for name, code in TYPE_CODES.items() if any(of[code - 1] for of in self.roles))]


class _Numbers:
    """Gives equal values equal numbers, from 1."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        if value not in self._known:
            self.values.append(value)
            self._known[value] = len(self.values)
        return self._known[value]


def goal_window(goal: Goal, campaign: Campaign) -> int:
    """The attribution window of a goal in milliseconds."""
    hours = goal.attribution_window_hours or campaign.attribution_window_hours or DEFAULT_WINDOW_HOURS
    return hours * _HOUR


def condition_of(goal: Goal) -> Condition | None:
    """The condition of a goal; one that is not understood is never fulfilled."""
    try:
        return read_condition(goal.attribute)
    except NotUnderstood:
        return NEVER


def competitors(families: Iterable[Family], page: Iterable[Family]) -> list[Family]:
    """Families with a goal on an event that a goal of the page asks for: all that can win or lose against it."""
    wanted = {goal.event for family in page for goal in family.root.goals if goal.event}
    return [family for family in families if any(goal.event in wanted for goal in family.root.goals)]


def make_plan(families: Sequence[Family], kind: Kind, rules: Rules, *, ios_substitute: bool, books: bool) -> Plan:
    """The plan for families that compete, or that are looked at one by one.

    Args:
        ios_substitute: whether iOS push sends stand in for impressions, so that they are views.
        books: whether hold-outs are asked for instead of touches.
    """
    builder = _Builder(kind, rules, ios_substitute, books)
    ordered = sorted((f for f in families if f.root.has_stats), key=lambda f: (f.root.created_at, f.root.campaign_id))
    for family in ordered:
        builder.add(family)
    return builder.plan()


def make_scope(
    target: Campaign, runs: Sequence[Campaign], window: Window, rules: Rules, *, ios_substitute: bool
) -> ExperimentScope:
    """The scope of a campaign and its runs. `ios_substitute` as in `make_plan`."""

    def of(*, ios: bool) -> tuple[int, ...]:
        tracked = target.delivery_tracking and not (ios and ios_substitute and target.channel == "PUSH")
        found = roles(target.channel, tracked=tracked, rules=rules)
        return tuple(found.get(event, 0) for event in EVENT_TYPES)

    campaigns = (target.campaign_id, *(run.campaign_id for run in runs))
    return ExperimentScope(campaigns, window, (of(ios=False), of(ios=True)), rules.exclude_machine)


def plan_parameters(plan: Plan, window: Window, page: Sequence[str], slots: Mapping[str, list[int]]) -> dict[str, Any]:
    """Parameters of `conversions` for one range.

    Args:
        page: campaigns that are asked about; only people with a touch of theirs are looked at.
        slots: per such campaign, what its credits count for.
    """
    return {
        **plan.parameters,
        "start": epoch_milliseconds(window.start),
        "end": epoch_milliseconds(window.end),
        "slots": [slots.get(member, []) for member in plan.members],
        "page": list(page),
        "bounded": int(len(page) < MOST_OF_ALL * len(plan.members) if plan.compete else len(page) <= SMALL_PAGE),
    }


class _Builder:
    def __init__(self, kind: Kind, rules: Rules, ios_substitute: bool, books: bool) -> None:
        self._kind = kind
        self._rules = rules
        self._ios_substitute = ios_substitute
        self._books = books
        # Hold-outs have no platform to match, so sends that are compared with them must not match one either.
        self._free = kind in LAST_INTERACTION or kind == "send" or rules.cross_platform
        self._names, self._conditions, self._paths = _Numbers(), _Numbers(), _Numbers()
        self._profiles = _Numbers()
        self._conditions_of: list[set[int]] = []
        self._paths_of: list[set[int]] = []
        self._members: list[tuple[str, int, int, int]] = []
        self._roots = 0
        self._offers_of: list[list[int]] = []
        self._offers: list[dict[str, Any]] = []
        self._goal_names: dict[str, tuple[str, ...]] = {}

    def add(self, family: Family) -> None:
        goals = family.root.goals
        if not any(goal.event for goal in goals):
            return
        self._roots += 1
        by_name: dict[str, list[int]] = {}
        for position, goal in enumerate(goals, start=1):
            if goal.event:
                by_name.setdefault(goal.event, []).append(position)
        self._offers_of.append([self._offer(family.root, name, numbers) for name, numbers in by_name.items()])
        names = tuple(goal.name for goal in goals)
        for member in family.members:
            own, ios = self._profile(family.root, ios=False), self._profile(family.root, ios=True)
            self._members.append((member.campaign_id, self._roots, own, ios))
            self._goal_names[member.campaign_id] = names

    def _profile(self, campaign: Campaign, *, ios: bool) -> int:
        tracked = campaign.delivery_tracking and not (ios and self._ios_substitute and campaign.channel == "PUSH")
        found = ranks(campaign.channel, self._kind, tracked=tracked, rules=self._rules)
        by_code = tuple(found.get(event, 0) for event in EVENT_TYPES)
        return self._profiles.number((by_code, int(campaign.channel in BOUND_CHANNELS and not self._free)))

    def _offer(self, root: Campaign, name: str, positions: Sequence[int]) -> int:
        number = self._names.number(name)
        if number > len(self._conditions_of):
            self._conditions_of.append(set())
            self._paths_of.append(set())
        goals = [root.goals[position - 1] for position in positions]
        conditions = [self._numbered(self._conditions, condition_of(goal)) for goal in goals]
        paths = [self._numbered(self._paths, _path(goal.revenue_attribute)) for goal in goals]
        self._conditions_of[number - 1].update(item for item in conditions if item)
        self._paths_of[number - 1].update(item for item in paths if item)
        self._offers.append(
            {
                "root": self._roots,
                "name": number,
                "goals": list(positions),
                "windows": [goal_window(goal, root) for goal in goals],
                "conditions": conditions,
                "paths": paths,
            }
        )
        return len(self._offers)

    @staticmethod
    def _numbered(numbers: _Numbers, value: Any) -> int:
        return numbers.number(value) if value is not None else 0

    def plan(self) -> Plan:
        def offers(key: str) -> list[Any]:
            return [offer[key] for offer in self._offers]

        reaches = [max(offer["windows"]) for offer in self._offers]
        reach = max(reaches, default=0)
        session = self._kind == "session" and not self._books
        parameters: dict[str, Any] = {
            "last": int(self._kind in LAST_INTERACTION),
            "session": _SESSION if session else _FOREVER,
            "reach": min(reach, _SESSION) if session else reach,
            "exclude_machine": int(self._rules.exclude_machine),
            "types": self._types(),
            "control_reasons": list(CONTROL_REASONS),
            "campaigns": [member[0] for member in self._members],
            "members": list(range(1, len(self._members) + 1)),
            "roots": [member[1] for member in self._members],
            "profiles": [member[2] for member in self._members],
            "ios_profiles": [member[3] for member in self._members],
            "ranks": [list(ranks) for ranks, _ in self._profiles.values],
            "bound": [bound for _, bound in self._profiles.values],
            "platforms": list(PLATFORM_CLASSES),
            "classes": list(PLATFORM_CLASSES.values()),
            "offers_of": self._offers_of,
            "offer_roots": offers("root"),
            "offer_names": offers("name"),
            "offer_reaches": reaches,
            "offer_goals": offers("goals"),
            "offer_windows": offers("windows"),
            "offer_conditions": offers("conditions"),
            "offer_paths": offers("paths"),
            "names": list(self._names.values),
            "conditions_of": [sorted(numbers) for numbers in self._conditions_of],
            "paths_of": [sorted(numbers) for numbers in self._paths_of],
            "paths": [list(path) for path in self._paths.values],
            **_condition_parameters(self._conditions.values),
        }
        return Plan(
            parameters=parameters,
            compete=self._kind in LAST_INTERACTION,
            members=tuple(parameters["campaigns"]),
            goal_names=self._goal_names,
        )

    def _types(self) -> list[str]:
        if self._books:
            return ["removed"]
        return [event for event, code in TYPE_CODES.items() if any(r[code - 1] for r, _ in self._profiles.values)]


def _path(text: str) -> tuple[str, ...] | None:
    return tuple(text.split(".")) if text else None


def _condition_parameters(conditions: Sequence[Condition]) -> dict[str, Any]:
    tests: list[Test] = [test for condition in conditions for test in condition.tests]
    numbers = iter(range(1, len(tests) + 1))
    return {
        "condition_paths": [list(condition.path) for condition in conditions],
        "condition_tests": [[next(numbers) for _ in condition.tests] for condition in conditions],
        "condition_needs": [1 if condition.any else len(condition.tests) for condition in conditions],
        "condition_negations": [int(condition.negate) for condition in conditions],
        "test_paths": [list(test.path) for test in tests],
        "test_kinds": [test.kind for test in tests],
        "test_texts": [list(test.texts) for test in tests],
        "test_lows": [[low for low, _ in test.ranges] for test in tests],
        "test_highs": [[high for _, high in test.ranges] for test in tests],
        "test_folds": [int(test.fold) for test in tests],
        "test_negations": [int(test.negate) for test in tests],
    }
