"""Random histories are what they claim to be: valid events, varied, reproducible."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from tests.oracle.histories import CHANNELS, History, histories, lawful_histories
from tests.oracle.model import DEVICE_CHANNELS, deduplicated, in_range, measure

NEEDS_REASON = {"removed", "failed", "undelivered"}


@settings(deadline=None)
@given(histories())
def test_events_are_valid_for_the_intake(history: History) -> None:
    channels = {campaign["campaign_id"]: campaign["channel"] for campaign in history.campaigns}
    for batch in history.batches:
        contents: dict[str, dict[str, object]] = {}
        for event in batch:
            assert re.fullmatch(r"[0-9a-f]{24}", event["campaign_id"])
            assert event["channel"] == channels[event["campaign_id"]]
            assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["ts"])
            assert event.get("user_id") or event.get("device_id")
            assert all(value not in ("", None) for value in event.values())
            assert "reason" not in event or event["type"] in NEEDS_REASON
            assert "step" not in event or event["type"] == "qualified"
            if event["channel"] not in DEVICE_CHANNELS:
                assert event.get("platform", event["channel"]) == event["channel"]
            assert contents.setdefault(event["event_id"], event) == event, "different copies in one batch"


@settings(deadline=None)
@given(lawful_histories())
def test_lawful_histories_are_complete(history: History) -> None:
    kept = deduplicated(history.workspace().events)
    assert len(in_range(kept, history.workspace())) == len(kept)
    assert all(event["channel"] not in ("IN_APP", "CARDS") for event in kept if event["type"] == "attempted")


def has(kind: str, **fields: object) -> Callable[[History], bool]:
    return lambda history: any(event["type"] == kind and fields.items() <= event.items() for event in told(history))


def told(history: History) -> list[dict[str, object]]:
    return [event for batch in history.batches for event in batch]


def copies_differ(history: History) -> bool:
    contents = {tuple(sorted(event.items())) for event in told(history)}
    return len(contents) > len({event["event_id"] for event in told(history)})


def has_single_locale_and_variation(history: History) -> bool:
    return any(
        key[1] != "all_locales" and key[2] != "all_variations"
        for campaign in history.campaigns
        for key in measure(history.workspace(), campaign["campaign_id"])
    )


WORTHWHILE: dict[str, Callable[[History], bool]] = {
    "contradiction": copies_differ,
    "survivors": lambda history: history.survivors,
    "reported devices": has("qualified", step="user_devices"),
    "parent": lambda history: any("parent_campaign_id" in campaign for campaign in history.campaigns),
    "unknown platform": lambda history: any(
        event["channel"] == "PUSH" and "platform" not in event for event in told(history)
    ),
    "outside the range": lambda history: (
        len(in_range(history.workspace().events, history.workspace())) < len(told(history))
    ),
    "machine open": has("open", machine=True),
    "inactive device": has("removed", reason="inactive_device_token"),
    "single nodes": has_single_locale_and_variation,
}


def test_worthwhile_pasts_come_up() -> None:
    seen: set[str] = set()

    @settings(
        max_examples=150,
        deadline=None,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories(("EMAIL", "PUSH")))
    def look(history: History) -> None:
        seen.update(name for name, happened in WORTHWHILE.items() if happened(history))

    look()
    assert seen == set(WORTHWHILE)


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_can_be_asked_for(channel: str) -> None:
    found = find(
        lawful_histories([channel]),
        lambda history: bool(told(history)),
        settings=settings(database=None, phases=[Phase.generate]),
    )
    assert {event["channel"] for event in told(found)} == {channel}
