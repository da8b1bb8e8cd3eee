"""The questions about conversions: parameters in, integers out."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from campanile.attribution.plan import ExperimentScope, Plan, plan_parameters
from campanile.attribution.rules import CONTROL_GROUPS, CONTROL_REASONS
from campanile.attribution.schemas import (
    Arm,
    ArmSizes,
    Basis,
    ControlKey,
    Conversions,
    CreditKey,
    CreditRows,
    HoldoutKey,
    Members,
)
from campanile.engine import Engine
from campanile.kit.times import Window, epoch_milliseconds

ARMS = ("", *CONTROL_GROUPS)
"""By number of their book: the treated, and the control groups."""
NO_HORIZON = 1 << 53
"""Milliseconds: as far back as anything goes."""
GOAL = 4
"""Place of the goal in a row of histories."""
LEVEL_BITS = 3
"""Bits of a slot that hold the level."""


class ConversionRepository:
    """Asks the engine. Every method answers an empty plan without asking."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def conversions(
        self, workspace: str, plan: Plan, window: Window, slots: Mapping[str, list[int]]
    ) -> dict[CreditKey, Conversions]:
        """Credited conversions per target, node and goal.

        Args:
            slots: per campaign asked about: 8 · target + level for everything its credits count for.
        """
        if not plan.members or not slots:
            return {}
        rows = await self._engine.answer("conversions", workspace, **plan_parameters(plan, window, list(slots), slots))
        names = _goal_names(plan, slots)
        return {
            (slot >> LEVEL_BITS, *place, names[slot >> LEVEL_BITS][goal - 1]): Conversions(total, unique, paid)
            for slot, *place, goal, total, unique, paid in rows
        }

    def histories(
        self,
        workspace: str,
        basis: Basis,
        levels: Collection[int],
        days: Window,
        starts: Sequence[int],
        as_of: int | None = None,
    ) -> CreditRows:
        """Credited conversions of one target, day by day, with the day on which who converted had converted before."""
        rows, revenue = self._by_day(
            ("settled_credits", "settled_credit_revenue"), workspace, basis, _daily(basis, levels, days, starts), as_of
        )

        def named(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            return [(*row[:GOAL], basis.goals[row[GOAL] - 1], *row[GOAL + 1 :]) for row in rows]

        return CreditRows(named(rows), named(revenue))

    def control_histories(
        self,
        workspace: str,
        basis: Basis,
        levels: Collection[int],
        days: Window,
        starts: Sequence[int],
        as_of: int | None,
    ) -> CreditRows:
        """The same of the control groups of one target, and its hold-outs."""
        parameters = _daily(basis, levels, days, starts)
        rows, revenue = self._by_day(
            ("settled_control", "settled_control_revenue"), workspace, basis, parameters, as_of
        )

        def named(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            return [
                (level, platform, "", "", (CONTROL_GROUPS[book - 1], basis.goals[goal - 1]), *rest)
                for level, platform, book, goal, *rest in rows
            ]

        slots = {member: sorted(levels) for member in basis.counted}
        held_out = self._engine.ask(
            "settled_held_out", workspace, as_of=as_of, days=parameters["days"], horizon=parameters["horizon"],
            **_held_out_parameters(days, slots, ()),
        )  # fmt: skip
        return CreditRows(
            named(rows),
            named(revenue),
            [
                (level, platform, "", "", CONTROL_GROUPS[book - 1], *rest)
                for (level, platform, book), _, *rest in held_out
            ],
        )

    def _by_day(
        self, questions: tuple[str, str], workspace: str, basis: Basis, parameters: dict[str, Any], as_of: int | None
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Rows of who converted when, their cells spread out, and of what it was worth, if anything is."""
        people, worth = questions
        rows = [(*cell, *rest) for cell, *rest in self._engine.ask(people, workspace, as_of=as_of, **parameters)]
        paid = rows and basis.plan.parameters["paths"]
        return rows, self._engine.ask(worth, workspace, as_of=as_of, **parameters) if paid else []

    async def control_conversions(
        self, workspace: str, plan: Plan, window: Window, slots: Mapping[str, list[int]]
    ) -> dict[ControlKey, Conversions]:
        """Conversions of people who were held out."""
        if not plan.members or not slots:
            return {}
        rows = await self._engine.answer(
            "control_conversions", workspace, **plan_parameters(plan, window, list(slots), slots)
        )
        names = _goal_names(plan, slots)
        return {
            (slot >> LEVEL_BITS, CONTROL_GROUPS[book - 1], platform, names[slot >> LEVEL_BITS][goal - 1]): Conversions(
                total, unique, paid
            )
            for slot, book, platform, goal, total, unique, paid in rows
        }

    async def held_out(
        self, workspace: str, window: Window, slots: Mapping[str, list[int]], covered: Sequence[str]
    ) -> dict[HoldoutKey, int]:
        """(User, instance) pairs held out in the range; `covered`: cells, days and reasons that snapshots answer."""
        if not slots:
            return {}
        rows = await self._engine.answer("held_out", workspace, **_held_out_parameters(window, slots, covered))
        return {(slot >> LEVEL_BITS, CONTROL_GROUPS[book - 1], platform): pairs for slot, book, platform, pairs in rows}

    async def members(self, workspace: str, scope: ExperimentScope) -> Members:
        """Who takes part in the experiments of a campaign."""
        parameters = {
            **_range(scope.window),
            "campaigns": list(scope.campaigns),
            "control_reasons": list(CONTROL_REASONS),
            "role_types": list(scope.types),
            "roles": [list(roles) for roles in scope.roles],
            "exclude_machine": int(scope.exclude_machine),
        }
        sizes, people, last = await asyncio.gather(
            self._engine.answer("experiment_members", workspace, **parameters),
            self._engine.answer("experiment_people", workspace, **parameters),
            self._engine.answer("experiment_last", workspace, **parameters),
        )
        counted: dict[bool, dict[int, int]] = {False: {}, True: {}}
        for paired, arms, number in people:
            counted[bool(paired)][arms] = number

        def having(bits: int, *, paired: bool = False) -> int:
            return sum(number for arms, number in counted[paired].items() if arms & bits == bits)

        books = {arm: 1 << book for book, arm in enumerate(ARMS)}
        groups = {arm: bit | books[""] for arm, bit in books.items() if arm}
        return Members(
            sizes={(ARMS[book], variation): ArmSizes(*counts) for book, variation, *counts in sizes},
            people={arm: having(bit) for arm, bit in books.items()},
            in_both={arm: having(bits) for arm, bits in groups.items()},
            pairs_in_both={arm: having(bits, paired=True) for arm, bits in groups.items()},
            last_at=max((instant for (instant,) in last), default=0),
        )

    async def cohort(
        self, workspace: str, plan: Plan, campaigns: Sequence[str], window: Window
    ) -> dict[tuple[Arm, str], int]:
        """Pairs that converted after a touch, or hold-out, of some campaigns in the window, per arm and goal."""
        numbers = {member: number for number, member in enumerate(plan.members, start=1)}
        asked = [member for member in campaigns if member in numbers]
        if not asked:
            return {}
        cohort = _range(window)
        parameters = {
            **plan_parameters(plan, window, asked, {}),
            "end": cohort["end"] + plan.parameters["reach"] + 1,
            "cohort_start": cohort["start"],
            "cohort_end": cohort["end"],
            "asked": [numbers[member] for member in asked],
        }
        rows = await self._engine.answer("experiment_conversions", workspace, **parameters)
        goals = plan.goal_names[asked[0]]
        return {((ARMS[book], variation), goals[goal - 1]): pairs for book, variation, goal, pairs in rows}


def _daily(basis: Basis, levels: Collection[int], days: Window, starts: Sequence[int]) -> dict[str, Any]:
    """Parameters of questions about one target, for every range of some days at once."""
    slots = {member: sorted(levels) for member in basis.counted}
    return {
        **plan_parameters(basis.plan, days, list(slots), slots),
        "days": list(starts),
        "horizon": NO_HORIZON,
    }


def _range(window: Window) -> dict[str, int]:
    return {"start": epoch_milliseconds(window.start), "end": epoch_milliseconds(window.end)}


def _goal_names(plan: Plan, slots: Mapping[str, Sequence[int]]) -> dict[int, tuple[str, ...]]:
    """Per target: the names of its goals."""
    return {slot >> LEVEL_BITS: plan.goal_names[member] for member in slots if member in plan.goal_names
            for slot in slots[member]}  # fmt: skip


def _held_out_parameters(window: Window, slots: Mapping[str, list[int]], covered: Sequence[str]) -> dict[str, Any]:
    return {
        "outside": int(bool(covered)),
        "covered": list(covered),
        "timezone": window.timezone,
        "campaigns": list(slots),
        "members": list(range(1, len(slots) + 1)),
        "slots": list(slots.values()),
        "control_reasons": list(CONTROL_REASONS),
        **_range(window),
    }
