"""The rows of one campaign: which days, locales and variations have one (report specification 3.2)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from campanile.campaigns.schemas import Campaign
from campanile.kit.ordering import natural_key
from campanile.kit.times import epoch_milliseconds
from campanile.reports.columns.definitions import Split
from campanile.reports.rows_repository import BY_LOCALE, BY_VARIATION, UNLABELLED, Activity
from campanile.reports.selection import Target, life
from campanile.reports.traits import DEFAULT_LOCALE, DEFAULT_VARIATION, variation_text


class Label(NamedTuple):
    """A locale or variation that has rows."""

    key: str
    """As answers spell it; '' for all together."""
    text: str | None
    """As files show it."""
    counted_only: bool = False
    """Whether it has rows only where something was counted."""


class Fan(NamedTuple):
    """The locales and variations of a target."""

    variations: Sequence[Label]
    locales: Sequence[Label]
    bits: int
    """The dimensions that answers keep apart, as levels have them."""

    @property
    def rows(self) -> int:
        """Rows per day."""
        return len(self.variations) * len(self.locales)


class Extent:
    """What the events and reported counts of some campaigns name, and when they were."""

    def __init__(self) -> None:
        self.locales: set[str] = set()
        self.variations: set[str] = set()
        self.events = 0
        self.first: int | None = None
        """Milliseconds; None if nothing was counted."""
        self.last: int | None = None

    def add(self, activity: Activity) -> None:
        self.events += activity.events
        self.stretch(activity.first)
        self.stretch(activity.last)
        if activity.seen:
            self.locales.add(activity.locale)
            self.variations.add(activity.variation)

    def merge(self, other: Extent) -> None:
        """Add what another campaign names."""
        self.locales |= other.locales
        self.variations |= other.variations
        self.events += other.events
        for moment in (other.first, other.last):
            if moment is not None:
                self.stretch(moment)

    def stretch(self, moment: int) -> None:
        self.first = moment if self.first is None else min(self.first, moment)
        self.last = moment if self.last is None else max(self.last, moment)


def fan(target: Target, extent: Extent, splits: Collection[Split]) -> Fan:
    """The locales and variations of a target. `extent` is that of all its members."""
    bits = 0
    locales: Sequence[Label] = (Label("", None),)
    variations: Sequence[Label] = (Label("", None),)
    if "locale" in splits:
        declared = {locale for member in target.members for locale in _declared(member)}
        observed = {locale for member in target.members for locale in member.observed_locales}
        locales = locale_labels(declared, observed | extent.locales)
        bits |= BY_LOCALE if locales[0].key else 0
    if "variation" in splits:
        known = {name for member in target.members for name in member.variations}
        variations = variation_labels(known, extent.variations)
        bits |= BY_VARIATION if variations[0].key else 0
    return Fan(variations, locales, bits)


def day_axis(
    target: Target, extent: Extent, days: Sequence[int], goal_days: Iterable[int], *, lifetime: bool
) -> Sequence[int]:
    """The days a target has rows for: from the start of its life, or its first counter, to the end or the last one.

    Args:
        days: of the whole range, by the instant they start, ascending.
        goal_days: days with a conversion.
        lifetime: from the first send to the end of the range, instead.
    """
    moments = [moment for moment in (extent.first, extent.last, *goal_days) if moment is not None]
    first, last = min(moments, default=None), max(moments, default=None)
    span = life(target.campaign)
    begin, end = first, last
    if lifetime:
        begin = first if target.sent_at is None else _earlier(first, epoch_milliseconds(target.sent_at))
        end = days[-1]
    elif span is not None:
        begin = _earlier(first, epoch_milliseconds(span.start))
        over = days[-1] if span.end is None else epoch_milliseconds(span.end)
        end = over if last is None else max(over, last)
    if begin is None or end is None:
        return ()
    return days[max(0, bisect_right(days, begin) - 1) : bisect_right(days, end)]


def locale_labels(declared: Collection[str], seen: Collection[str]) -> list[Label]:
    """Rows per locale: the default content first, then in byte order.

    Events that name no locale belong to the default content, unless others name it. Campaigns with declared locales
    have default content, too.
    """
    named = {*declared, *seen} - {""}
    if not named - {DEFAULT_LOCALE}:
        return [Label("", DEFAULT_LOCALE)]
    rows = [Label(name, name) for name in sorted(named - {DEFAULT_LOCALE}, key=str.encode)]
    unlabelled = "" in seen
    if DEFAULT_LOCALE in named:
        rows.insert(0, Label(DEFAULT_LOCALE, DEFAULT_LOCALE))
        return [*rows, Label(UNLABELLED, None, counted_only=True)] if unlabelled else rows
    if declared or unlabelled:
        rows.insert(0, Label(UNLABELLED, DEFAULT_LOCALE))
    return rows


def variation_labels(known: Collection[str], seen: Collection[str]) -> list[Label]:
    """Rows per variation, by number; a campaign with a single one has one row for everything."""
    named = sorted({*known, *seen} - {""}, key=natural_key)
    if len(named) < 2:
        return [Label("", variation_text(named[0] if named else DEFAULT_VARIATION))]
    rows = [Label(name, variation_text(name)) for name in named]
    return [*rows, Label(UNLABELLED, None, counted_only=True)] if "" in seen else rows


def _declared(campaign: Campaign) -> tuple[str, ...]:
    """Locales somebody wrote down; campaigns without any show those observed."""
    return () if campaign.locales == campaign.observed_locales else campaign.locales


def _earlier(first: int | None, other: int) -> int:
    return other if first is None else min(first, other)
