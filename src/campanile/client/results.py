"""Campaign statistics as values: objects, rows, frames. Every number carries the days and the metric type it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from campanile.client.errors import NotAdditive
from campanile.client.merging import FAILURES, FUNNEL, GOALS, PERFORMANCE, Numbers, merge
from campanile.client.windows import Window

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

AGGREGATE_LOCALES = ("all_locales", "all_locale")
"""Keys of the node over all locales, in both spellings of the API."""
AGGREGATE_VARIATION = "all_variations"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one place of a campaign. Rates are percentages (0–100); a missing block is empty."""

    campaign_id: str
    window: Window
    platform: str
    locale: str
    variation: str
    """A name, `all_variations`, `campaign_control_group` or `global_control_group`."""
    block: Mapping[str, Any]
    """The node as the API gives it."""

    @property
    def performance(self) -> Numbers:
        """Counts and rates; control groups have none."""
        found: Numbers = self.block.get(PERFORMANCE, {})
        return found

    @property
    def goals(self) -> Mapping[str, Mapping[str, Any]]:
        """Members of each goal by the goal's key."""
        found: Mapping[str, Mapping[str, Any]] = self.block.get(GOALS, {})
        return found

    @property
    def funnel(self) -> Mapping[str, int]:
        """Steps of the delivery funnel."""
        found: Mapping[str, int] = self.block.get(FUNNEL, {})
        return found

    @property
    def failures(self) -> Mapping[str, int]:
        """Failures by reason."""
        found: Mapping[str, int] = self.block.get(FAILURES, {})
        return found

    @property
    def is_aggregate(self) -> bool:
        """Whether it is over all locales and variations of its platform."""
        return self.locale in AGGREGATE_LOCALES and self.variation == AGGREGATE_VARIATION


class Row(NamedTuple):
    """One number, with everything one has to know about it."""

    start_date: date
    end_date: date
    metric_type: str
    attribution_type: str
    campaign_id: str
    platform: str
    locale: str
    variation: str
    block: str
    """`performance_stats`, `conversion_goal_stats`, `delivery_funnel` or `failure_breakdown`."""
    goal: str
    """Key of the goal; empty in other blocks."""
    metric: str
    value: int | float


class WindowStats(msgspec.Struct, frozen=True):
    """What the API says of some days: its `data`, with all pages together."""

    window: Window
    data: Mapping[str, Any]


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: the numbers of one or several windows of days, never added up unless that is right.

    Iterating gives its nodes. Windows of a UNIQUE answer are separate results that share people: do not add them.
    """

    metric_type: str
    attribution_type: str
    parts: tuple[WindowStats, ...]
    """One per window, earliest first."""
    missing: tuple[str, ...] = ()
    """Campaigns that were asked for and that the server does not know."""
    left_out: tuple[str, ...] = ()
    """Figures that count people and so could not be had for a range of several requests."""

    @property
    def windows(self) -> tuple[Window, ...]:
        return tuple(part.window for part in self.parts)

    @property
    def data(self) -> Mapping[str, Any]:
        """Campaign id → `[{"platforms": …}]` as the API gives it, if there is one window.

        Raises:
            NotAdditive: there are several; look at `parts`, or take `merged()` if the numbers are TOTAL.
        """
        if len(self.parts) != 1:
            raise NotAdditive(f"the answer has {len(self.parts)} windows, each with its own data: see parts")
        return self.parts[0].data

    def __iter__(self) -> Iterator[Node]:
        for part in self.parts:
            for campaign, entries in part.data.items():
                for platforms in (entry.get("platforms", {}) for entry in entries):
                    for platform, locales in platforms.items():
                        for locale, variations in locales.get("locales", {}).items():
                            for variation, block in variations.get("variations", {}).items():
                                yield Node(
                                    campaign_id=campaign, window=part.window, platform=platform, locale=locale,
                                    variation=variation, block=block,
                                )  # fmt: skip

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All of them, in the order of the answer."""
        return tuple(self)

    def aggregates(self) -> tuple[Node, ...]:
        """One node per campaign, platform and window: over all locales and variations."""
        return tuple(node for node in self if node.is_aggregate)

    def merged(self) -> Stats:
        """The windows as one range.

        Raises:
            NotAdditive: the numbers are UNIQUE and there are several windows.
        """
        if len(self.parts) < 2:
            return self
        refuse_unique(self.metric_type, self.windows)
        data, left_out = merge([part.data for part in self.parts])
        whole = WindowStats(Window(self.parts[0].window.first, self.parts[-1].window.last), data)
        return msgspec.structs.replace(self, parts=(whole,), left_out=left_out)

    def rows(self) -> list[Row]:
        """One row per number, so that campaigns of all channels fit one table."""
        return list(self._rows())

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a frame. Raises `MissingPackage` without the extra `pandas`."""
        from campanile.client.frames import to_pandas

        return to_pandas(self.rows())

    def to_polars(self) -> polars.DataFrame:
        """The rows as a frame. Raises `MissingPackage` without the extra `polars`."""
        from campanile.client.frames import to_polars

        return to_polars(self.rows())

    def to_arrow(self) -> pyarrow.Table:
        """The rows as a table. Raises `MissingPackage` without the extra `arrow`."""
        from campanile.client.frames import to_arrow

        return to_arrow(self.rows())

    def _rows(self) -> Iterator[Row]:
        for node in self:
            label = (
                *node.window, self.metric_type, self.attribution_type,
                node.campaign_id, node.platform, node.locale, node.variation,
            )  # fmt: skip
            for block in (PERFORMANCE, FUNNEL, FAILURES):
                for metric, value in node.block.get(block, {}).items():
                    yield Row(*label, block, "", metric, value)
            for goal, members in node.goals.items():
                for metric, value in members.items():
                    if isinstance(value, int | float):
                        yield Row(*label, GOALS, goal, metric, value)


def refuse_unique(metric_type: str, windows: Sequence[Window]) -> None:
    """
    Raises:
        NotAdditive: these windows would have to be added up, and hold people.
    """
    if metric_type == "UNIQUE" and len(windows) > 1:
        raise NotAdditive(
            f"UNIQUE numbers from {windows[0].first} to {windows[-1].last} would need {len(windows)} requests, and "
            "must not be added up: one person may be in several. Ask for at most 31 days, for TOTAL numbers, or with "
            "window_days=30 for one labelled result per window"
        )
