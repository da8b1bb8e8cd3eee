"""Every row of the mapping table, with a payload made for it (ingest specification 6)."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from campanile.hooks.inbox import with_user
from campanile.hooks.moengage.streams import read_streams
from campanile.hooks.providers import PROVIDERS
from campanile.hooks.schemas import Draft, Reading
from campanile.hooks.table import parse_rules, standard_table
from campanile.intake.event import Event
from campanile.intake.parse import parse_events
from campanile.intake.policy import Policy
from campanile.metrics.reasons import normalise_reason
from tests.hooks.desks import RECEIVED, desk, read
from tests.hooks.payloads import payload, streams_event

GOLDEN = Path(__file__).parent.parent / "golden" / "ingest_mappings.csv"
IMPORTED_ONLY = {"fcm", "onesignal"}
"""Providers without a webhook here."""


class Row(NamedTuple):
    provider: str
    event: str
    channel: str
    type: str
    platform: str
    notes: dict[str, str]

    def __str__(self) -> str:
        return f"{self.provider} {self.event}"


def rows() -> list[Row]:
    found = []
    for row in csv.DictReader(GOLDEN.read_text().splitlines()):
        pairs = row["notes"].partition("#")[0].split(";")
        notes = dict(note.partition("=")[::2] for note in pairs if note)
        found.append(Row(row["provider"], row["provider_event"], row["channel"], row["type"], row["platform"], notes))
    return found


ROWS = [row for row in rows() if row.provider not in IMPORTED_ONLY]


def reading_of(row: Row) -> Reading:
    if row.provider == "moengage":
        body = json.dumps({"events": [streams_event(row.event, row.channel)]}).encode()
        return read_streams(desk("moengage", hooked=False), body, Counter())
    body, query = payload(row.provider, row.event)
    return read(row.provider, body, query=query)


def stored(draft: Draft) -> Event:
    """The event as the intake would store it, its campaign being known."""
    event = dict(with_user(draft, None).event)
    if event["type"] not in ("custom", "uninstall") and "campaign_id" not in event:
        event["campaign_id"] = "68e0c0ffee00000000000001"  # what the message registry adds
    policy = Policy(workspace_id="w", pseudonym_key=b"k", reserved_names=True)
    parsed = parse_events(msgspec.json.encode([event]), "json", policy, RECEIVED + timedelta(minutes=1))
    assert not parsed.rejections, parsed.rejections
    return parsed.events[0]


def test_all_rows_are_there() -> None:
    assert len(rows()) == 357
    assert {row.provider for row in ROWS} == {*PROVIDERS, "moengage"}


def test_the_table_of_the_package_says_the_same() -> None:
    text = (Path(parse_rules.__code__.co_filename).parent / "mappings.csv").read_text()
    kept = ("reason", "machine", "name", "implies")
    golden = [(*row[:5], {name: row.notes[name] for name in kept if name in row.notes}) for row in ROWS]
    ours = []
    for row in csv.DictReader(text.splitlines()):
        notes = dict(note.partition("=")[::2] for note in row["notes"].split(";") if note)
        ours.append((row["provider"], row["event"], row["channel"], row["type"], row["platform"], notes))
    assert ours == golden
    assert standard_table().rule("sendgrid", "nothing like it") is not None


@pytest.mark.parametrize("row", [row for row in ROWS if row.type == "ignore"], ids=str)
def test_what_is_ignored_is_acknowledged_and_gone(row: Row) -> None:
    reading = reading_of(row)
    assert (reading.drafts, reading.undraftable, reading.ignored) == ([], [], 1)


@pytest.mark.parametrize("row", [row for row in ROWS if row.type != "ignore"], ids=str)
def test_a_row_gives_its_event(row: Row) -> None:
    reading = reading_of(row)
    assert (reading.undraftable, reading.ignored) == ([], 0)
    implied = [name for name in row.notes.get("implies", "").split(",") if name]
    assert [draft.event["type"] for draft in reading.drafts] == [*reversed(implied), row.type]
    event = stored(reading.drafts[-1])
    assert event.type == row.type
    assert event.machine is (row.notes.get("machine") == "true")
    if row.type in ("custom", "uninstall"):
        _check_custom(row, event)
        return
    channel = {"event": "PUSH" if row.provider == "moengage" else "SMS"}.get(row.channel, row.channel)
    assert event.channel == channel
    assert event.platform == _platform(row, channel)
    if reason := row.notes.get("reason"):
        if reason == "@code":
            reason = "unknown_error"
        expected, _ = normalise_reason(reason, type=row.type, channel=channel, platform=event.platform)
        assert event.reason == expected


def _platform(row: Row, channel: str) -> str:
    source, _, otherwise = row.platform.partition("|")
    if source == "event":
        return otherwise or ("UNKNOWN" if channel in ("PUSH", "IN_APP", "OSM", "WEB_PERSONALIZATION") else channel)
    return source


def _check_custom(row: Row, event: Event) -> None:
    assert event.campaign_id == ""
    if row.type == "uninstall":
        return
    name = row.notes.get("name") or row.event.removeprefix("name:").partition("[")[0]
    assert event.name == {"@event_code": "SomethingElse"}.get(name, name)


def test_a_platform_comes_from_the_payload() -> None:
    event = streams_event("MOE_IN_APP_SHOWN", "IN_APP")
    for attributes, expected in (
        ({"platform": "iOS"}, "IOS"), ({"os": "MWeb"}, "MWEB"), ({"moe_os_type": "AndroidTV"}, "ANDROID_TV"),
        ({"moe_os_type": "FireOS", "platform": "ANDROID"}, "FIRE_OS"),
    ):  # fmt: skip
        event["event_attributes"] = {"campaign_id": "68e0c0ffee00000000000001", **attributes}
        reading = read_streams(desk("moengage", hooked=False), json.dumps({"events": [event]}).encode(), Counter[str]())
        assert reading.drafts[0].event["platform"] == expected


@pytest.mark.parametrize(
    ("event", "attributes", "expected"),
    [
        ("name:Notification Failed Android", {"Code": 301}, "personalization"),
        ("name:Notification Dropped", {"Code": "101", "Reason": "No device"}, "no_device"),
        ("name:Notification Failed iOS", {"Reason": "Odd Thing"}, "Odd Thing"),
    ],
)
def test_reasons_of_the_add_on(event: str, attributes: dict[str, Any], expected: str) -> None:
    item = streams_event(event, "PUSH")
    item["event_attributes"] |= attributes
    reading = read_streams(desk("moengage", hooked=False), json.dumps({"events": [item]}).encode(), Counter())
    assert reading.drafts[0].event["reason"] == expected


def test_the_global_control_group_as_such_belongs_to_no_campaign() -> None:
    item = streams_event("MOE_CAMPAIGN_CONTROL_GROUP[control_group_type=Global]", "event")
    del item["event_attributes"]["campaign_id"]
    reading = read_streams(desk("moengage", hooked=False), json.dumps({"events": [item]}).encode(), Counter())
    assert reading.drafts[0].event["type"] == "custom"


def test_codes_are_found_with_a_stray_space_and_unknown_ones_are_counted() -> None:
    stray = streams_event("MOE_CAMPAIGN_USER_REMOVED _DUE_TO_CONTROL_GROUP", "event")
    new = streams_event("MOE_SOMETHING_NEW", "event")
    unmapped = Counter[str]()
    body = json.dumps({"events": [stray, {**new, "event_uuid": "other"}]}).encode()
    reading = read_streams(desk("moengage", hooked=False), body, unmapped)
    assert [draft.event["type"] for draft in reading.drafts] == ["removed", "custom"]
    assert unmapped == {"MOE_SOMETHING_NEW": 1}


def test_ids_that_name_nothing_are_replaced() -> None:
    first, second = (streams_event(code, "EMAIL") for code in ("MOE_EMAIL_OPEN", "MOE_EMAIL_CLICK"))
    body = json.dumps({"events": [first, second, first, {**first, "event_uuid": ""}]}).encode()
    reading = read_streams(desk("moengage", hooked=False), body, Counter())
    ids = [draft.event["event_id"] for draft in reading.drafts]
    assert ids[0] == ids[2]
    assert len(set(ids)) == 3
    assert "moe:e" not in ids
