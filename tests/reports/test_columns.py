"""The catalogue of report columns is the published one, and everything that differs says why."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from campanile.metrics.registry import RATES
from campanile.reports.columns import catalogue, columns_by_key, default_keys, is_active
from campanile.reports.columns.definitions import RegistryRate, Share, Unknown
from campanile.reports.columns.omissions import ALWAYS_BLANK, DIFFERENCES, LEFT_OUT, OTHER_FORMULAS
from campanile.reports.schemas import CHANNELS

GOLDEN = Path(__file__).parent.parent / "golden" / "report_columns.csv"
LEFT_OUT_CHANNELS = {omission.channel for omission in LEFT_OUT if not omission.key}
LEFT_OUT_KEYS = {omission.key for omission in LEFT_OUT if omission.key}


def _published() -> dict[str, list[dict[str, str]]]:
    channels: dict[str, list[dict[str, str]]] = defaultdict(list)
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            channels[row["channel"]].append(row)
    return channels


PUBLISHED = _published()


def test_every_published_channel_is_here_or_left_out_with_a_reason() -> None:
    assert set(PUBLISHED) == set(CHANNELS) | LEFT_OUT_CHANNELS
    assert all(len(omission.reason) > 20 for omission in (*LEFT_OUT, *ALWAYS_BLANK))


@pytest.mark.parametrize("channel", CHANNELS)
def test_columns_are_the_published_ones(channel: str) -> None:
    """Keys, headers, types, splits and defaults, in the published order."""
    ours = [
        (
            column.key,
            column.header,
            column.type,
            column.attribution_dependent,
            "|".join(column.splits) or "none",
            column.default_selected,
        )
        for column in catalogue(channel)
    ]
    theirs = [
        tuple(
            row[name]
            for name in ("key", "header", "type", "attribution_dependent", "split_support", "default_selected")
        )
        for row in PUBLISHED[channel]
        if row["key"] not in LEFT_OUT_KEYS
    ]
    assert ours == theirs


def _explained(channel: str, key: str) -> bool:
    """Whether a note says why the source of a column is not the published one."""
    name = key.rsplit(".", 1)[-1]
    return any(
        note.channel in ("", channel) and (note.key == key or note.key.rsplit(".", 1)[-1] == name)
        for note in (*OTHER_FORMULAS, *ALWAYS_BLANK)
    )


@pytest.mark.parametrize("channel", CHANNELS)
def test_sources_are_the_published_ones_or_explained(channel: str) -> None:
    published = {row["key"]: row["source_metric"] for row in PUBLISHED[channel]}
    unexplained = [
        (column.key, column.source, published[column.key])
        for column in catalogue(channel)
        if column.source != published[column.key] and not _explained(channel, column.key)
    ]
    assert unexplained == []


@pytest.mark.parametrize("channel", CHANNELS)
def test_keys_and_headers_are_unique_whatever_their_case(channel: str) -> None:
    for name in ("key", "header"):
        values = [getattr(column, name).lower() for column in catalogue(channel)]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("channel", CHANNELS)
def test_only_the_listed_columns_are_always_blank(channel: str) -> None:
    blank = {column.key for column in catalogue(channel) if isinstance(column.cell, Unknown)}
    assert blank == {omission.key for omission in ALWAYS_BLANK if omission.channel in ("", channel)}


@pytest.mark.parametrize("channel", CHANNELS)
def test_rates_of_the_registry_are_taken_from_it(channel: str) -> None:
    """A rate is declared as a share of two columns only where the registry has none or the difference is listed."""
    for column in catalogue(channel):
        if isinstance(column.cell, RegistryRate):
            assert RATES[column.cell.rate].ratio(CHANNELS[channel]) is not None
        elif isinstance(column.cell, Share):
            known = columns_by_key(channel)
            assert {known[column.cell.part].type, known[column.cell.whole].type} == {"integer"}
            name = column.key.rsplit(".", 1)[-1]
            name = {"unsubscribe_rate": "unsub_rate"}.get(name, name)
            listed = any(note.channel == channel and note.key == column.key for note in DIFFERENCES)
            assert listed or name not in RATES or RATES[name].ratio(CHANNELS[channel]) is None


def test_defaults_follow_the_attribution_model() -> None:
    plain = default_keys("PUSH", "all_interactions")
    published = [row["key"] for row in PUBLISHED["PUSH"] if row["default_selected"] == "yes"]
    assert plain == tuple(key for key in published if key not in LEFT_OUT_KEYS)
    assert "campaign-stats.goal_1.view_through.cvr" in plain
    last = default_keys("PUSH", "last_interaction")
    assert len(last) == len(plain)
    assert "campaign-stats.goal_1.total_conversions.cvr" in last
    assert "campaign-stats.goal_1.click_conversions.total_revenue" in last
    assert not any(".view_through." in key or ".click_through." in key for key in last)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("model", ["all_interactions", "last_interaction"])
def test_defaults_are_active_columns_of_the_catalogue(channel: str, model: str) -> None:
    known: dict[str, Any] = columns_by_key(channel)
    keys = default_keys(channel, model)
    assert keys
    assert all(is_active(known[key].attribution_dependent, model) for key in keys)
    assert not any(key.startswith("split.") for key in keys)


def test_an_unknown_channel_has_no_catalogue() -> None:
    with pytest.raises(KeyError):
        catalogue("FAX")
