"""Random histories are what they claim to be: valid events, varied, reproducible."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from campanile.intake.parse import parse_events
from campanile.intake.policy import Policy
from tests.oracle.histories import CHANNELS, History, histories, lawful_histories
from tests.oracle.model import (
    deduplicated,
    entry_steps,
    in_range,
    instant,
    locale,
    measure,
    platform,
    reason,
    user,
    variation,
)
from tests.oracle.model import instance as of_instance

pytestmark = pytest.mark.slow

POLICY = Policy(workspace_id="w1", pseudonym_key=b"pseudonym-key-for-tests", strict=True)


@settings(deadline=None)
@given(histories())
def test_the_intake_takes_every_event_and_reads_what_the_oracle_reads(history: History) -> None:
    for batch in history.batches:
        taken = parse_events(json.dumps(batch).encode(), "json", POLICY, history.received_at)
        assert (taken.rejections, taken.warnings) == ([], [])
        for sent, stored in zip(batch, taken.events, strict=True):
            assert stored.event_id == sent["event_id"]
            assert (stored.type, stored.channel, stored.ts) == (sent["type"], sent["channel"], instant(sent["ts"]))
            assert (stored.campaign_id, stored.instance_id) == of_instance(sent)
            assert (stored.platform, stored.locale, stored.variation) == (platform(sent), locale(sent), variation(sent))
            assert ("user", stored.user_id) == user(sent) or ("device", stored.device_id) == user(sent)
            assert stored.device_id == sent.get("device_id", "")
            assert stored.machine == sent.get("machine", False)
            if sent["type"] in ("removed", "failed", "undelivered"):
                assert (stored.reason, stored.reason_detail) == (reason(sent), "")
            entering = entry_steps(sent["channel"])
            assert stored.step == sent.get("step", "") or {stored.step, sent["step"]} <= entering


@settings(deadline=None)
@given(histories())
def test_copies_that_differ_arrive_apart(history: History) -> None:
    campaigns = {campaign["campaign_id"] for campaign in history.campaigns}
    assert all(re.fullmatch(r"[0-9a-f]{24}", campaign) for campaign in campaigns)
    for batch in history.batches:
        contents: dict[str, dict[str, object]] = {}
        for event in batch:
            assert event["campaign_id"] in campaigns
            assert contents.setdefault(event["event_id"], event) == event


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
