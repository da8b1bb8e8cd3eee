"""The catalogue: every column of every channel's file, in order (report specification 12)."""

from __future__ import annotations

from functools import cache

from campanile.reports.columns.campaign import campaign_columns
from campanile.reports.columns.content import content_columns
from campanile.reports.columns.definitions import ColumnDef, Dependence
from campanile.reports.columns.goals import ANSWERS, MODELS, goal_columns
from campanile.reports.columns.metrics import metric_columns


@cache
def catalogue(channel: str) -> tuple[ColumnDef, ...]:
    """All columns of a channel, in order.

    Args:
        channel: a token of `reports.schemas.CHANNELS`.

    Raises:
        KeyError: no such token.
    """
    return (
        *campaign_columns(channel),
        *content_columns(channel),
        *metric_columns(channel),
        *goal_columns(channel),
    )


@cache
def columns_by_key(channel: str) -> dict[str, ColumnDef]:
    """The catalogue of a channel by key."""
    return {column.key: column for column in catalogue(channel)}


def default_keys(channel: str, attribution_model: str) -> tuple[str, ...]:
    """Keys of the columns a file has unless others are chosen, those of splits left out.

    Under Last Interaction the conversions shown are those of its own types.
    """
    keys = []
    answers = ANSWERS if attribution_model == "last_interaction" else {}
    for column in catalogue(channel):
        if column.default_selected == "yes":
            key = column.key
            for shown, instead in answers.items():
                if column.attribution_dependent == shown:
                    key = key.replace(f".{shown}.", f".{instead}.")
            if key in columns_by_key(channel):
                keys.append(key)
    return tuple(keys)


def is_active(dependence: Dependence, attribution_model: str) -> bool:
    """Whether a column shows anything under the attribution model of a workspace."""
    return dependence in ("no", "workspace_default") or dependence in MODELS[attribution_model]
