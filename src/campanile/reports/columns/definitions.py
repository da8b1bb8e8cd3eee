"""What a column of a report is: what its file shows, and where its cells come from.

A source says what a cell is computed from; it holds no numbers and does nothing. `reports.plan` turns the sources of
the selected columns into questions, `reports.cells` the answers into values.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from campanile.metrics.pairs import MetricType

Type = Literal["text", "integer", "percent", "currency", "date", "datetime", "boolean", "list"]
Split = Literal["date", "child", "variation", "locale"]
SPLITS: tuple[Split, ...] = ("date", "child", "variation", "locale")
Selection = Literal["yes", "no", "auto"]
"""`auto`: the column appears when its split is on."""
AttributionType = Literal["view_through", "click_through", "in_session", "total_conversions", "click_conversions"]
Dependence = AttributionType | Literal["no", "workspace_default"]
ControlGroup = Literal["campaign_control_group", "global_control_group"]

EVERYWHERE = ""
"""Platform of columns over all platforms."""


class SplitCell(msgspec.Struct, frozen=True, tag=True):
    """What tells the rows of a campaign apart."""

    split: Literal["date", "variation", "locale"]


class Trait(msgspec.Struct, frozen=True, tag=True):
    """Something said about the campaign; `reports.traits` knows where it stands."""

    name: str
    number: int = 0
    """Of the goal, for traits of goals; else 0."""
    platform: str = EVERYWHERE


class Content(msgspec.Struct, frozen=True, tag=True):
    """A part of the message; `paths` are the places in the content of a variation, the first that is there wins."""

    paths: tuple[tuple[str, ...], ...]


class Counted(msgspec.Struct, frozen=True, tag=True):
    """A count of the registry."""

    count: str
    metric_type: MetricType = "TOTAL"
    platform: str = EVERYWHERE


class StepPassed(msgspec.Struct, frozen=True, tag=True):
    """A step of the delivery funnel, counted per trigger: users and instances under TOTAL."""

    step: str
    platform: str = EVERYWHERE


class HeldOut(msgspec.Struct, frozen=True, tag=True):
    """Members of a control group."""

    group: ControlGroup
    platform: str = EVERYWHERE


class Detailed(msgspec.Struct, frozen=True, tag=True):
    """Messages told apart by how they travelled or what was clicked; `reports.details` says which events these are."""

    detail: str
    platform: str = EVERYWHERE


class Failing(msgspec.Struct, frozen=True, tag=True):
    """Messages that ended with one of these reasons."""

    reasons: tuple[str, ...]
    platform: str = EVERYWHERE


class RegistryRate(msgspec.Struct, frozen=True, tag=True):
    """A rate of the registry under a metric type: the same number as in the Stats API."""

    rate: str
    metric_type: MetricType = "TOTAL"
    platform: str = EVERYWHERE


class Share(msgspec.Struct, frozen=True, tag=True):
    """100 · one column of the row / another one; both by key."""

    part: str
    whole: str


class Amplified(msgspec.Struct, frozen=True, tag=True):
    """Delivery of push without its second transport, or how much that transport adds."""

    figure: Literal["fcm_delivery_rate", "uplift_percentage"]
    platform: str = EVERYWHERE


class GoalFigure(msgspec.Struct, frozen=True, tag=True):
    """A number about conversions of the n-th goal."""

    goal: int
    figure: Literal[
        "converted_users",
        "conversion_events",
        "cvr",
        "total_revenue",
        "average_order_value",
        "average_revenue_per_user",
        "control_conversions",
        "control_cvr",
        "control_uplift",
    ]
    attribution: AttributionType | None
    """None: the one that the workspace shows first."""
    group: ControlGroup | None = None
    """For figures that compare with a control group."""
    platform: str = EVERYWHERE


class Unknown(msgspec.Struct, frozen=True, tag=True):
    """Nothing that reaches this server tells; the cell is blank. `columns.omissions` gives the reasons."""


Source = (
    SplitCell
    | Trait
    | Content
    | Counted
    | StepPassed
    | HeldOut
    | Detailed
    | Failing
    | RegistryRate
    | Share
    | Amplified
    | GoalFigure
    | Unknown
)


class ColumnDef(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a channel's catalogue (report specification 12)."""

    key: str
    """Unique in the channel."""
    header: str
    """As files show it; unique in the channel."""
    type: Type
    source: str
    """Where the value comes from, in words for readers: a stored metric with qualifiers, or a formula over keys."""
    attribution_dependent: Dependence = "no"
    splits: tuple[Split, ...] = ()
    """Splits under which the cell is filled; under any other one it is blank. `split.*` columns name their own."""
    default_selected: Selection = "no"
    cell: Source

    @property
    def numeric(self) -> bool:
        """Whether custom columns may refer to it."""
        return self.type in ("integer", "percent", "currency")


def letters(text: str) -> tuple[Split, ...]:
    """`DCVL` or a part of it as splits."""
    return tuple(split for split in SPLITS if split[0].upper() in text)
