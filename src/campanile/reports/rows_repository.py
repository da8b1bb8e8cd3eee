"""The questions behind the rows of a report: parameters in, integers out.

Every method asks one question about the targets of a portion, as of the run's sequence. Places in answers are
(target number, day, platform, locale, variation): the day is the instant it starts or 0, '' is all together, and
`UNLABELLED` stands for events without a locale or variation in rows that keep those apart.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine
from campanile.kit.times import Window, epoch_milliseconds
from campanile.metrics.classes import Classes
from campanile.metrics.funnel import REPORTABLE_STEPS, STEPS, entry_steps, reason_stages
from campanile.metrics.rows import ALL_BITS, IMPLIED, IOS_SUBSTITUTE, METRIC_NUMBERS
from campanile.metrics.snapshots import Cells
from campanile.reports.answers import Answer
from campanile.workspaces.schemas import WorkspaceSettings

PORTIONS_AT_ONCE = 2
"""Portions of all files that are counted side by side, each by one thread of the engine. Two threads for one portion
find most places both, and put them together afterwards: they take four fifths of the time of one, where two portions
side by side take half of it each."""

UNLABELLED = "\n"
"""Locale or variation of events that name none."""
DEVICE_STEPS = sorted(step for step in REPORTABLE_STEPS if STEPS[step].count)
LEVEL_BITS = 3
BY_PLATFORM, BY_LOCALE, BY_VARIATION = 1, 2, 4

Place = tuple[int, int, str, str, str]
"""(target number, day, platform, locale, variation)."""
Feeds = Mapping[str, Sequence[str]]
"""Thing of an answer → keys of the metrics that its numbers add to."""


class Scope(msgspec.Struct, frozen=True):
    """Whose events count for which rows."""

    workspace: str
    settings: WorkspaceSettings
    channel: str
    """Of events."""
    as_of: int
    days: Mapping[int, date]
    """Start of each day of the range, in milliseconds, ascending → the day."""
    window: Window
    """The range."""
    by_day: bool
    members: Mapping[str, tuple[int, ...]]
    """Campaign id → numbers of the targets it counts for."""
    implied: frozenset[str]
    """Campaigns whose attempts are implied by sends and failures."""
    splits: Mapping[int, int]
    """Target number → bits of locale and variation, where its rows keep them apart."""
    platforms: bool
    """Whether single platforms are wanted beside all of them together."""
    threads: int | None = None
    """Of the engine that may work on a question; None: all of them."""


class Activity(NamedTuple):
    """Events of a campaign in the range, by what they name."""

    campaign_id: str
    locale: str
    variation: str
    events: int
    seen: int
    """Events that make a node."""
    first: int
    """Milliseconds."""
    last: int


class Extents(NamedTuple):
    """What there is in a window."""

    counted: Mapping[str, Activity | None]
    """The campaigns with an event or a reported count, and when their events were, whatever locale and variation they
    name; None where there are none that belong to a day."""
    reported: Collection[str]
    """Those of them with a reported count."""


class Attributed(NamedTuple):
    """Conversions that senders attributed."""

    place: Place
    attribution: str
    """As events spell it."""
    goal: str
    total: int
    unique: int
    revenue: Decimal


class RowsRepository:
    """Asks the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.turns = threading.BoundedSemaphore(PORTIONS_AT_ONCE)
        """To be held while a portion of a file is counted: however many files are made, some of the engine's handles
        are left for those who wait for an answer."""

    def extents(self, workspace: str, window: Window, as_of: int) -> Extents:
        """Which campaigns have something in the window."""
        rows = self._engine.ask(
            "report_extents",
            workspace,
            as_of=as_of,
            start=epoch_milliseconds(window.start),
            end=epoch_milliseconds(window.end),
        )
        cells = self._engine.ask(
            "active_snapshots", workspace, as_of=as_of, first=window.first, last=window.last, since=0
        )
        found: dict[str, Activity | None] = {row[0]: None for row in cells}
        for name, events, first, last in rows:  # one row per shard
            known = found.setdefault(name, None)
            if events and known is not None:
                events += known.events
                first, last = min(first, known.first), max(last, known.last)
            if events:
                found[name] = Activity(name, "", "", events, 0, first, last)
        return Extents(found, {row[0] for row in cells})

    def activity(self, workspace: str, members: Collection[str], start: int, end: int, as_of: int) -> list[Activity]:
        """When these campaigns had events, and what those name; several rows per place where the store has shards."""
        rows = self._engine.ask(
            "report_activity", workspace, as_of=as_of, campaigns=sorted(members), start=start, end=end
        )
        return [Activity(*row) for row in rows]

    def cells(self, workspace: str, members: Collection[str], first: date, last: date, as_of: int) -> Cells:
        """The counts that were reported as numbers for these days."""
        if not members:
            return Cells(())
        return Cells(
            self._engine.ask(
                "snapshot_cells", workspace, as_of=as_of, campaigns=sorted(members), first=first, last=last
            )
        )

    def counts(
        self, scope: Scope, wanted: Mapping[str, bool], covered: Sequence[str]
    ) -> Iterator[tuple[Answer, Feeds, Feeds]]:
        """Events and users per row, platform and thing; with each answer the metric keys that totals and uniques of a
        thing add to.

        Events are counted by class, once. Users of metrics that several classes feed are counted for themselves, and
        so is everything where events do not answer for all cells.

        Args:
            wanted: metric keys; whether their users are counted, too.
            covered: cells, days and metric numbers that events do not answer.
        """
        if not wanted or not scope.members:
            return
        if covered:
            keys = {str(METRIC_NUMBERS[key]): (key,) for key in wanted}
            yield self._by_metric(scope, wanted, covered), keys, keys
            return
        settings = scope.settings
        classes = Classes.of(settings.bot_mode, settings.unsubscribe_bot, frozenset(wanted), _bits(scope))
        alone = classes.alone({key for key, unique in wanted.items() if unique})
        slots: Mapping[str, Any] = slots_of(scope)
        if scope.platforms or any(scope.splits.values()):
            question = "report_places"
        elif own := _single(slots):
            question, slots = "report_single", own
        else:
            question = "report_classes"
        table = self._ask_table(
            question,
            scope,
            slots,
            types=classes.types,
            people=[number + 1 for number in alone],
            class_bits=classes.bits,
            **_class_facts(scope),
        )
        feeds = {str(number + 1): keys for number, keys in enumerate(classes.keys) if keys}
        single = {str(number + 1): keys for number, keys in alone.items()}
        yield Answer.of(table, "class", LEVEL_BITS), feeds, single
        shared = {key: True for key, unique in wanted.items() if unique and classes.shares(key)}
        if shared:
            keys = {str(METRIC_NUMBERS[key]): (key,) for key in shared}
            yield self._by_metric(scope, shared, covered), {}, keys

    def _by_metric(self, scope: Scope, wanted: Mapping[str, bool], covered: Sequence[str]) -> Answer:
        settings = scope.settings
        classes = Classes.of(settings.bot_mode, settings.unsubscribe_bot, frozenset(wanted), ALL_BITS)
        table = self._ask_table(
            "report_counts",
            scope,
            slots_of(scope),
            **_covered(covered),
            class_metrics=classes.numbers,
            types=classes.types,
            people=sorted(METRIC_NUMBERS[key] for key, unique in wanted.items() if unique),
            class_bits=classes.bits,
            **_class_facts(scope),
        )
        return Answer.of(table, "metric", LEVEL_BITS)

    def reasons(self, scope: Scope, reasons: Collection[str], covered: Sequence[str], *, whole: bool) -> Answer | None:
        """Events per reason; `whole`: over all locales and variations, whatever the rows keep apart."""
        slots = slots_of(scope, whole=whole)
        return self._answer("report_reasons", "reason", scope, slots, **_covered(covered), reasons=sorted(reasons))

    def details(self, scope: Scope, details: Collection[str]) -> Answer | None:
        """Messages per transport and kind of click."""
        return self._answer(
            "report_details", "detail", scope, slots_of(scope), details=sorted(details), implied=_implied(scope)
        )

    def depths(self, scope: Scope, covered: Sequence[str]) -> Answer | None:
        """(Instance, user) pairs per funnel stage reached, over all locales and variations."""
        slots = slots_of(scope, whole=True)
        return self._answer("report_depths", "stage", scope, slots, **_covered(covered), **_stages(scope.channel))

    def steps(self, scope: Scope) -> dict[tuple[str, int], set[str]]:
        """(Campaign id, day) → the funnel steps that senders report survivors of."""
        found: dict[tuple[str, int], set[str]] = defaultdict(set)
        if not scope.members:
            return found
        entries = list(entry_steps(scope.channel))
        rows = self._engine.ask("report_steps", scope.workspace, **_scope(scope, None), entry_steps=entries)
        for campaign_id, day, step, _ in rows:
            found[(campaign_id, day)].add(step)
        return found

    def survivors(self, scope: Scope) -> Answer | None:
        """(Instance, user) pairs, or devices, per reported funnel step, over all locales and variations."""
        return self._answer(
            "report_survivors",
            "step",
            scope,
            slots_of(scope, whole=True),
            **_stages(scope.channel),
            device_steps=DEVICE_STEPS,
        )

    def attributed(self, scope: Scope, attributions: Collection[str], covered: Sequence[str]) -> Iterator[Attributed]:
        """Conversions that came with their attribution, which is spelled as in events."""
        if not scope.members:
            return
        rows = self._engine.ask(
            "report_attributed",
            scope.workspace,
            **_scope(scope, slots_of(scope)),
            **_covered(covered),
            attributions=sorted(attributions),
        )
        for slot, day, platform, locale, variation, attribution, goal, total, unique, paid in rows:
            place = (slot >> LEVEL_BITS, day, platform, locale, variation)
            yield Attributed(place, attribution, goal, total, unique, paid)

    def _answer(
        self, question: str, thing: str, scope: Scope, slots: Mapping[str, list[int]], **parameters: Any
    ) -> Answer | None:
        """None: nobody to ask about."""
        if not scope.members:
            return None
        return Answer.of(self._ask_table(question, scope, slots, **parameters), thing, LEVEL_BITS)

    def _ask_table(self, question: str, scope: Scope, slots: Mapping[str, Any], **parameters: Any) -> pa.Table:
        return self._engine.ask_table(
            question, scope.workspace, threads=scope.threads, **_scope(scope, slots), **parameters
        )


def _scope(scope: Scope, slots: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters of every question about rows."""
    members = {} if slots is None else {"members": list(range(1, len(slots) + 1)), "slots": list(slots.values())}
    return {
        **members,
        "as_of": scope.as_of,
        "campaigns": list(scope.members),
        "start": epoch_milliseconds(scope.window.start),
        "end": epoch_milliseconds(scope.window.end),
        "days": list(scope.days),
        "by_day": int(scope.by_day),
    }


def implied(members: Iterable[Campaign]) -> frozenset[str]:
    """Those of the campaigns whose attempts are implied."""
    return frozenset(member.campaign_id for member in members if member.attempts == "implied")


def _bits(scope: Scope) -> int:
    """The bits of row classes that events of the scope can have."""
    bits = ALL_BITS
    if not scope.implied.intersection(scope.members):
        bits &= ~IMPLIED
    return bits & ~IOS_SUBSTITUTE if scope.settings.show_ios_impressions else bits


def _class_facts(scope: Scope) -> dict[str, Any]:
    return {
        "ios_substitute": int(not scope.settings.show_ios_impressions),
        "implied": _implied(scope),
        "entry_steps": list(entry_steps(scope.channel)),
    }


def slots_of(scope: Scope, *, whole: bool = False) -> dict[str, list[int]]:
    """Per member: 8 · target + level for everything its events count for; `whole`: whatever rows keep apart."""
    platforms = (0, BY_PLATFORM) if scope.platforms else (0,)
    return {
        member: [
            (number << LEVEL_BITS) + (0 if whole else scope.splits.get(number, 0)) + platform
            for number in targets
            for platform in platforms
        ]
        for member, targets in scope.members.items()
    }


def _single(slots: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Per member: its only slot, which no other has; empty if that is not so."""
    found = {member: own[0] for member, own in slots.items() if len(own) == 1}
    return found if len(set(found.values())) == len(slots) else {}


def _implied(scope: Scope) -> list[int]:
    """Per member, whether its attempts are implied; nothing if none are: then it is no for all."""
    return [int(member in scope.implied) for member in scope.members] if scope.implied else []


def _covered(covered: Sequence[str]) -> dict[str, Any]:
    return {"outside": int(bool(covered)), "covered": list(covered)}


def _stages(channel: str) -> dict[str, Any]:
    stages = reason_stages(channel)
    return {"reasons": list(stages), "stages": list(stages.values()), "entry_steps": list(entry_steps(channel))}
