"""What is judged by the thousand is judged as if one by one."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campanile.intake import bulk
from campanile.intake.event import Event
from campanile.intake.limits import Limits
from campanile.intake.parse import parse_events
from campanile.intake.policy import Policy
from campanile.intake.reading import ReadingOrder, read_events
from campanile.intake.validate import Validator
from campanile.intake.verdicts import ParsedBatch
from tests.intake.served import TIME, click, ndjson
from tests.intake.worlds import CAMPAIGN, NOW, OTHER_CAMPAIGN, workspace
from tests.support.sampling import examples

POLICY = Policy(workspace_id="w", pseudonym_key=b"p" * 32)


@pytest.fixture(autouse=True)
def _every_group_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "FEWEST_EVENTS", 1)


def both_ways(body: bytes, policy: Policy = POLICY, form: str = "ndjson") -> tuple[ParsedBatch, list[int]]:
    """Read the body in both ways and compare. Returns what the slow way gave, and which events the fast way took."""
    expected = parse_events(body, form, policy, NOW)  # type: ignore[arg-type]
    order = ReadingOrder(body=body, format=form, workspace=workspace(), policy=policy, received_at=NOW)  # type: ignore[arg-type]
    reading = read_events(order)
    found, batch = reading.parsed, reading.batch
    assert (found.received, found.rejections, found.lines) == (expected.received, expected.rejections, expected.lines)
    assert Counter(found.warnings) == Counter(expected.warnings)
    assert sorted(found.indexes) == expected.indexes
    events: dict[int, Event] = {}
    if batch is not None:
        mentions = {place: mention for mention, places in batch.mentions.items() for place in places.tolist()}
        events = {index: batch.event(place, mentions.get(place)) for place, index in enumerate(found.indexes)}
        for place in range(len(batch)):
            assert batch.event_id(place) == events[found.indexes[place]].event_id
            assert batch.sends[place] == (events[found.indexes[place]].type == "sent")
    for index, event in zip(expected.indexes, expected.events, strict=True):
        if not event.campaign_id:  # nothing is said about a campaign
            event = Event(**{**{name: getattr(event, name) for name in Event.__struct_fields__}, **_NO_HINTS})
        assert events[index] == event
    taken = []
    if form == "ndjson":
        raws = [line.strip() for line in body.split(b"\n") if line.strip()]
        plain = bulk.plain_events(raws, Validator(policy, NOW), policy.limits)
        taken = [] if plain is None else plain.indexes.tolist()
    return expected, taken


_NO_HINTS = {"parent_campaign_id": "", "campaign_name": "", "delivery_type": "", "flow_name": ""}

PLAIN = [click(f"e-{number}", user_id=f"u-{number}", time=TIME + number) for number in range(5)]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"time": TIME * 1000 + 7},
        {"time": TIME * 10**6 + 7999},
        {"time": "2026-03-18T10:00:00Z"},
        {"time": "2026-03-18T10:00:00.123Z"},
        {"time": "2026-03-18T10:00:00.123456Z"},
        {"time": "2026-03-18T10:00:00+00:00"},
        {"time": "2026-03-18T10:00:00.123+00:00"},
        {"time": "2026-03-18T10:00:00.123999+00:00"},
        {"time": "2026-03-18T10:00:00.123456+02:00"},
        {"time": "2026-03-18t10:00:00Z"},
        {"time": None, "ts": TIME},
        {"type": "sent", "provider": "ses", "message_id": "m-1", "transport": "sms"},
        {"type": "opened", "machine": True, "variation": 2, "locale": "en", "device_id": "d-1"},
        {"type": "failed", "reason": "frequency_cap", "instance_id": "run-1"},
        {"type": "removed", "channel": None, "reason": "no_address", "platform": "IOS"},
        {"type": "custom", "name": "purchase", "campaign_id": None, "channel": None},
        {"user_id": None, "device_id": "d-1"},
        {"user_id": "ü-1", "campaign_name": "Autumn", "parent_campaign_id": OTHER_CAMPAIGN, "flow_name": "F"},
        {"campaign_id": None, "campaign_key": "autumn"},
        {"event_id": 'quote"colon":'},
    ],
)  # fmt: skip
def test_ordinary_events_are_taken_at_a_glance(change: dict[str, Any]) -> None:
    events = [{name: value for name, value in {**event, **change}.items() if value is not None} for event in PLAIN]
    parsed, taken = both_ways(ndjson(*events))
    assert not parsed.rejections
    assert taken == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": " a"}, {"event_id": "a\u0000"}, {"event_id": ""}, {"event_id": 7}, {"event_id": "x" * 129},
        {"user_id": "ada@example.net"}, {"user_id": "+15551230001"}, {"user_id": "Null"}, {"user_id": 1001},
        {"user_id": "a "}, {"time": 0}, {"time": TIME + 0.5}, {"time": True}, {"time": "2026-03-18T10:00:00"},
        {"time": "2026-02-30T10:00:00Z"}, {"time": "2026-03-18T23:59:60Z"}, {"time": "2026-03-18T24:00:00Z"},
        {"time": "٢٠٢٦-03-18T10:00:00Z"}, {"time": "1760000123"},
        {"time": TIME + 3600 * 2}, {"time": TIME + 3600 * 30}, {"time": TIME - 86400 * 91}, {"time": 10**18},
        {"ts": TIME}, {"type": "nonsense"}, {"type": "sent", "colour": "red"}, {"attributes": {"a": 1}},
        {"variation": 1.0}, {"machine": 1}, {"channel": "PIGEON"}, {"workspace_id": "v"}, {"revenue": "1.5"},
        {"link": "https://example.com/?a=1"}, {"reason_detail": "call +15551230001"}, {"locale": "all_locales"},
        {"type": "uninstall", "instance_id": "i"}, {"message_id": ""}, {"device_id": "a@b.example"},
        {"campaign_id": None},
    ],
    ids=str,
)  # fmt: skip
def test_one_unusual_event_is_judged_alone_and_does_not_stop_the_others(change: dict[str, Any]) -> None:
    odd = {name: value for name, value in {**click("odd"), **change}.items() if value is not None}
    _, taken = both_ways(ndjson(*PLAIN[:2], odd, *PLAIN[2:]))
    assert 2 not in taken
    assert taken == [0, 1, 3, 4, 5]


values = {
    "event_id": st.sampled_from(["a", "b", "c|d", "é", "a ", "", "x" * 128, '"', "e:1", 7, None]),
    "type": st.sampled_from(["sent", "SENT", "click", "custom", "failed", "bounce", "uninstall", "nope", 1, None]),
    "time": st.sampled_from(
        [TIME, TIME * 1000, TIME * 10**6, TIME + 7200, TIME + 10**6, 1, -1, 10**17, 1.5, True, str(TIME),
         "2026-03-18T10:00:00Z", "2026-03-18T10:00:00.120Z", "2026-03-18T10:00:00.999999+00:00",
         "2026-03-18T10:00:60Z", "2026-13-18T10:00:00Z",
         "2026-03-18T10:00:00+01:00", "2026-03-18 10:00:00Z", "x", None]
    ),
    "campaign_id": st.sampled_from([CAMPAIGN, CAMPAIGN.upper(), "short", 5, None]),
    "channel": st.sampled_from(["EMAIL", "email", "PUSH", "", "PIGEON", None]),
    "user_id": st.sampled_from(["u-1", "U|2", "+155512300012", "a@b.example", "none", " x", 17, True, 1.5, None]),
}  # fmt: skip
extras = {
    "ts": st.sampled_from([TIME, "2026-03-18T10:00:00Z"]),
    "device_id": st.sampled_from(["d-1", "d 2", "+1", "", 5]),
    "message_id": st.sampled_from(["m-1", "m 2", "", "\n", 5]),
    "provider": st.sampled_from(["ses", "fcm", ""]),
    "instance_id": st.sampled_from(["i-1", "", "x" * 65]),
    "platform": st.sampled_from(["ANDROID", "ios", "EMAIL", "x y"]),
    "locale": st.sampled_from(["en", "", "all_locales"]),
    "variation": st.sampled_from([1, "1", "variation_1", True, 1.0, 10**30]),
    "machine": st.sampled_from([True, False, 1, "true"]),
    "reason": st.sampled_from(["frequency_cap", "", "Something Else"]),
    "name": st.sampled_from(["purchase", "moe_x"]),
    "campaign_name": st.sampled_from(["Autumn", ""]),
    "attributes": st.sampled_from([{}, {"a": {"b": [1]}}, {"email": "x"}]),
    "revenue": st.sampled_from([1, "1.5", 1.25]),
    "link": st.just("https://example.com/?q=1"),
    "colour": st.sampled_from(["red", {"a": 1}]),
}
records = st.builds(
    lambda common, rest, nulls: {k: v for k, v in {**common, **rest}.items() if v is not None or nulls},
    st.fixed_dictionaries(values),
    st.fixed_dictionaries({}, optional={name: st.one_of(some, st.none()) for name, some in extras.items()}),
    st.booleans(),
)
plain_records = st.integers(0, 30).map(lambda number: click(f"e-{number}", time=TIME - 40_000 * number))
texts = st.one_of(
    plain_records.map(json.dumps),
    records.map(json.dumps),
    records.map(lambda record: json.dumps(record, ensure_ascii=False)),
    plain_records.map(lambda record: json.dumps(record, separators=(",", " : "))),
    plain_records.map(lambda record: json.dumps(record).replace("{", '{"event_id":"twice",')),
    plain_records.map(lambda record: json.dumps(record).replace('"EMAIL"', "NaN")),
    plain_records.map(lambda record: f" {json.dumps(record)}\t\r"),
    plain_records.map(lambda record: json.dumps(record, indent=1)),
    plain_records.map(lambda record: json.dumps(record) * 2),
    plain_records.map(lambda record: json.dumps({**record, "user_id": "null"})),
    st.sampled_from(
        ["{", "}", "[]", "1", "{}", '{"event_id":"a"}', "", "{} {}", '{"a":{}', "\ufeff{}", '{"a":"\\ud800"}']
    ),
)


@examples(300)
@given(
    lines=st.lists(texts, max_size=12),
    strict=st.booleans(),
    pii=st.sampled_from(["hash", "reject", "allow"]),
)
@example(lines=[json.dumps(event) for event in PLAIN], strict=True, pii="hash")
def test_any_body_gives_the_same_both_ways(lines: list[str], strict: bool, pii: Any) -> None:
    policy = Policy(workspace_id="w", pseudonym_key=b"p" * 32, strict=strict, pii_mode=pii)
    both_ways("\n".join(lines).encode("utf-8", "surrogatepass"), policy)


@examples(100)
@given(st.lists(st.one_of(plain_records, records, st.sampled_from([1, "a\nb", [], {}, None])), min_size=1, max_size=8))
def test_any_array_gives_the_same_both_ways(items: list[Any]) -> None:
    for indent in (None, 1):
        both_ways(json.dumps(items, indent=indent).encode(), form="json")
        both_ways(json.dumps({"events": items}, indent=indent).encode(), form="json")


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ([{"platform": None, "device_id": None, "ts": None}] * 5, [0, 1, 2, 3, 4]),
        ([{"link": None, "attributes": None, "revenue": None}] * 5, [0, 1, 2, 3, 4]),
        ([{"goal": None}] * 5, []),  # would be worth a warning
        ([{"colour": None}, {}, {}, {}, {}], []),
        ([{}, {"colour": "red"}, {}, {"link": "https://example.com/"}, {"attributes": {"a": [1]}}], [0, 2]),
        ([{"variation": 1}, {"variation": "1"}, {}, {"variation": 2}, {"variation": 1.5}], [0, 2, 3]),
        ([{"user_id": 7}, {}, {"user_id": 8}, {}, {}], []),
        ([{}, {"user_id": 7}, {}, {}, {}], [0, 2, 3, 4]),
        ([{"time": "2026-03-18T10:00:00.5Z"}, {"time": "2026-03-18T10:00:00Z"}] * 2, [0, 1, 2, 3]),
        ([{"time": "2026-03-18T10:00:00+05:30"}, {"time": "2026-03-18T10:00:00,05:30"}] * 2, [0, 2]),
    ],
    ids=str,
)  # fmt: skip
def test_fields_that_some_events_do_not_have(changes: list[dict[str, Any]], taken: list[int]) -> None:
    body = ndjson(*({**event, **change} for event, change in zip(PLAIN, changes, strict=False)))
    assert both_ways(body)[1] == taken


def test_arrays_and_envelopes(monkeypatch: pytest.MonkeyPatch) -> None:
    for body in (PLAIN, {"events": PLAIN}, {"events": PLAIN, "defaults": {"locale": "en"}}):
        parsed, _ = both_ways(json.dumps(body).encode(), form="json")
        assert len(parsed.events) == 5


def test_no_more_days_than_allowed_whichever_way() -> None:
    policy = Policy(workspace_id="w", pseudonym_key=b"p" * 32, limits=Limits(days=3))
    spread = [click(f"e-{number}", time=TIME - 86_400 * number) for number in range(5)]
    parsed, taken = both_ways(ndjson(*spread), policy)
    assert [rejection.code for rejection in parsed.rejections] == ["too_many_days"] * 2
    assert taken == []
    mixed = [*spread[:3], click("odd", time=TIME - 86_400 * 4, link="https://example.com/")]
    parsed, taken = both_ways(ndjson(*mixed), policy)
    assert (taken, [rejection.index for rejection in parsed.rejections]) == ([0, 1, 2], [3])


def test_few_events_are_not_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "FEWEST_EVENTS", 6)
    _, taken = both_ways(ndjson(*PLAIN))
    assert taken == []
