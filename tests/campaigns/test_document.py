"""Documents: every spelling means the same, and everything wrong is told at once."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.campaigns import vocabulary
from campanile.campaigns.checks import parse_time, time_text
from campanile.campaigns.document import NESTING, canonical, respell, same
from tests.campaigns.samples import DOCUMENTS, FLOW, NEW, NEWSLETTER, OTHER, SALE_DOCUMENT, simple


def read(raw: dict[str, Any]) -> dict[str, Any]:
    document, problems = canonical(respell(raw)[0])
    assert problems == []
    return document


def wrong(raw: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.type, problem.attribute) for problem in canonical(respell(raw)[0])[1]]


def test_all_problems_are_listed_in_the_order_of_the_fields() -> None:
    raw = {
        "channel": "FAX",
        "status": "running",
        "basic_details": {"tags": "sale"},
        "control_group_details": {"is_campaign_control_group_enabled": True, "campaign_control_group_percentage": 120},
    }
    assert wrong(raw) == [
        ("enum", "channel"),
        ("required", "campaign_delivery_type"),
        ("enum", "status"),
        ("required", "basic_details.name"),
        ("type", "basic_details.tags"),
        ("range", "control_group_details.campaign_control_group_percentage"),
    ]


GOALS = "conversion_goal_details.goals"
CONTENT = "campaign_content"
SHARES = f"{CONTENT}.variation_details.manual_distribution_percentage"


@pytest.mark.parametrize(
    ("members", "problems"),
    [
        ({"channel": None}, [("required", "channel")]),
        ({"channel": 5}, [("type", "channel")]),
        ({"channel": ""}, [("enum", "channel")]),
        ({"campaign_id": "camp_abc123xyz"}, [("format", "campaign_id")]),
        ({"campaign_id": NEW + "0"}, [("format", "campaign_id")]),
        ({"campaign_id": 5}, [("type", "campaign_id")]),
        ({"campaign_delivery_type": "DAILY"}, [("enum", "campaign_delivery_type")]),
        ({"campaign_delivery_type": "DEVICE_TRIGGERED"}, [("enum", "campaign_delivery_type")]),
        ({"channel": "SMS", "campaign_delivery_type": "API_TRIGGERED"}, [("enum", "campaign_delivery_type")]),
        ({"status": "ready"}, [("enum", "status")]),
        ({"status": True}, [("type", "status")]),
        ({"basic_details": []}, [("type", "basic_details")]),
        ({"basic_details": {}}, [("required", "basic_details.name")]),
        ({"basic_details": {"name": "   "}}, [("required", "basic_details.name")]),
        ({"basic_details": {"name": "x" * 513}}, [("too_long", "basic_details.name")]),
        ({"basic_details": {"name": "nul \0"}}, [("format", "basic_details.name")]),
        ({"basic_details": {"name": "x", "tags": ["t"] * 101}}, [("too_many", "basic_details.tags")]),
        ({"basic_details": {"name": "x", "tags": ["ok", 5, None, "", "t" * 129]}},
         [("type", "basic_details.tags.1"), ("type", "basic_details.tags.2"), ("required", "basic_details.tags.3"),
          ("too_long", "basic_details.tags.4")]),
        ({"basic_details": {"name": "x", "team": "t" * 129}}, [("too_long", "basic_details.team")]),
        ({"basic_details": {"name": "x", "platforms": "ANDROID"}}, [("type", "basic_details.platforms")]),
        ({"basic_details": {"name": "x", "platforms": ["ANDROID"]}}, [("enum", "basic_details.platforms")]),
        ({"channel": "PUSH", "platforms": ["android", "TIZEN", 5]},
         [("enum", "basic_details.platforms.1"), ("type", "basic_details.platforms.2")]),
        ({"channel": "PUSH", "platforms": ["MWEB"]}, [("enum", "basic_details.platforms")]),
        ({"created_by": "x" * 255}, [("too_long", "created_by")]),
        ({"created_at": "yesterday"}, [("format", "created_at")]),
        ({"created_at": 1720000000}, [("type", "created_at")]),
        ({"updated_at": "2024-02-30T00:00:00Z"}, [("format", "updated_at")]),
        ({"sent_time": "2024-07-04"}, [("format", "sent_time")]),
        ({"scheduling_details": "now"}, [("type", "scheduling_details")]),
        ({"campaign_start_time": "2024-02-02T00:00:00", "campaign_end_time": "2024-02-01T23:59:59.999"},
         [("range", "scheduling_details.expiry_time")]),
        ({"scheduling_details": {"start_time": "x"}}, [("format", "scheduling_details.start_time")]),
        ({"parent_id": "x"}, [("format", "parent_id")]),
        ({"campaign_id": NEW, "parent_id": NEW.upper()}, [("format", "parent_id")]),
        ({"parent_id": NEWSLETTER, "flow_id": FLOW}, [("format", "flow_id")]),
        ({"flow_id": "x"}, [("format", "flow_id")]),
        ({"flow_name": "x" * 513}, [("too_long", "flow_name")]),
        ({"conversion_goal_details": {"attribution_window_in_hours": 0}},
         [("range", "conversion_goal_details.attribution_window_in_hours")]),
        ({"conversion_goal_details": {"attribution_window_in_hours": 36.0}},
         [("type", "conversion_goal_details.attribution_window_in_hours")]),
        ({"conversion_goal_details": {"goals": {}}}, [("type", GOALS)]),
        ({"conversion_goal_details": {"goals": [{}] * 11}}, [("too_many", GOALS)]),
        ({"conversion_goal_details": {"goals": [5, {"goal_name": ""}, {"goal_name": "g" * 129}]}},
         [("type", f"{GOALS}.0"), ("required", f"{GOALS}.1.goal_name"), ("too_long", f"{GOALS}.2.goal_name")]),
        ({"conversion_goal_details": {"goals": [{"goal_name": "a"}, {"name": "a"}]}},
         [("duplicate", f"{GOALS}.1.goal_name")]),
        ({"conversion_goal_details": {"goals": [{"goal_name": "Goal 2"}, {}]}},
         [("duplicate", f"{GOALS}.1.goal_name")]),
        ({"conversion_goal_details": {"goals": [{"name": n, "is_primary_goal": True} for n in "ab"]}},
         [("duplicate", GOALS)]),
        ({"conversion_goal_details": {"goals": [{"is_primary_goal": "yes", "goal_event_attribute": []}]}},
         [("type", f"{GOALS}.0.goal_event_attribute"), ("type", f"{GOALS}.0.is_primary_goal")]),
        ({"control_group_details": {"is_campaign_control_group_enabled": True}},
         [("required", "control_group_details.campaign_control_group_percentage")]),
        ({"control_group_details": {"is_global_control_group_enabled": 1}},
         [("type", "control_group_details.is_global_control_group_enabled")]),
        ({CONTENT: {"locales": ["de"] * 101}}, [("too_many", f"{CONTENT}.locales")]),
        ({CONTENT: {"locales": ["all_locales"]}}, [("format", f"{CONTENT}.locales")]),
        ({CONTENT: {"variation_details": {"no_of_variations": 51}}},
         [("range", f"{CONTENT}.variation_details.no_of_variations")]),
        ({CONTENT: {"variation_details": {"manual_distribution_percentage": {"a": "60", "b": 41}}}},
         [("range", SHARES)]),
        ({CONTENT: {"variation_details": {"manual_distribution_percentage": {"a": "many", "b": -1, "c": True}}}},
         [("range", f"{SHARES}.a"), ("range", f"{SHARES}.b"), ("range", f"{SHARES}.c")]),
        ({"utm_params": {"utm_source": ["x"]}}, [("type", "utm_params.utm_source")]),
        ({"utm_params": {"utm_source": True}}, [("type", "utm_params.utm_source")]),
        ({"reachability_details": {"count": -1, "last_updated_time": "x"}},
         [("range", "reachability_details.count"), ("format", "reachability_details.last_updated_time")]),
        ({"segmentation_details": []}, [("type", "segmentation_details")]),
        ({"connector": "SENDGRID"}, [("type", "connector")]),
        ({"attempts": "none"}, [("enum", "attempts")]),
        ({"attempts": []}, [("type", "attempts")]),
        ({"delivery_tracking": "yes"}, [("type", "delivery_tracking")]),
    ],
)  # fmt: skip
def test_a_wrong_member(members: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert wrong(simple(**members)) == problems


def test_messages_do_not_repeat_what_was_sent() -> None:
    raw = simple(channel="ada@example.com", created_at="ada@example.com", team="ada@example.com" * 20)
    _, problems = canonical(respell(raw)[0])
    assert len(problems) == 3
    assert not any("ada" in problem.message for problem in problems)


def test_deep_nesting_is_refused() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: Any = []
        for _ in range(levels - 3):
            value = [value]
        return simple(segmentation_details={"included_filters": value})

    assert wrong(nested(NESTING)) == []
    assert wrong(nested(NESTING + 1)) == [("range", "body")]


def test_defaults() -> None:
    assert read(simple()) == {
        "channel": "EMAIL",
        "campaign_delivery_type": "ONE_TIME",
        "status": "ACTIVE",
        "basic_details": {"name": "x", "tags": []},
    }
    assert read({"parent_id": NEWSLETTER}) == {"status": "ACTIVE", "parent_id": NEWSLETTER}


def test_values_are_brought_into_one_form() -> None:
    raw = simple(
        campaign_id=NEW.upper(),
        status="completed",
        campaign_delivery_type="Business_Triggered",
        basic_details={"name": " x ", "tags": ["b", "a", "b"], "team": None, "business_event": "restock"},
        created_at="2024-07-04 08:00:54.847999",
        sent_time="2024-07-04T10:00:54+02:00",
        campaign_content={"locales": ["default", "de", "de"], "content": {"email": {"subject": None}}},
        utm_params={"utm_source": "a", "n": 5, "f": 1.5, "utm_term": None},
        created_by=None,
    )
    assert read(raw) == {
        "campaign_id": NEW,
        "channel": "EMAIL",
        "campaign_delivery_type": "BUSINESS_EVENT_TRIGGERED",
        "status": "SENT",
        "basic_details": {"name": "x", "tags": ["b", "a"], "business_event": "restock"},
        "created_at": "2024-07-04T08:00:54.847Z",
        "sent_time": "2024-07-04T08:00:54Z",
        "campaign_content": {"locales": ["de"], "content": {"email": {"subject": None}}},
        "utm_params": {"utm_source": "a", "n": "5", "f": "1.5"},
    }


def test_unknown_members_are_ignored_and_reported() -> None:
    raw = simple(mood="good", revision=3, total_child_campaigns=0, source="api", auto_registered=True)
    document, remarks = respell(raw)
    assert [(remark.target, remark.message) for remark in remarks] == [("mood", "unknown field ignored")]
    assert same(canonical(document)[0], read(simple()))


def test_a_row_of_the_details_endpoint_loads_unchanged() -> None:
    raw = {
        "campaign_id": OTHER, "channel": "SMS", "platform": [], "campaign_delivery_type": "ONE_TIME",
        "campaign_name": "Promo", "campaign_team": "Sales", "campaign_tags": ["promo"], "campaign_status": "Scheduled",
        "campaign_start_time": "2024-12-28T12:18:00",
        "reachability_details": {"count": 7, "last_updated_time": "2024-11-27T09:05:42.661000"},
    }  # fmt: skip
    assert read(raw) == {
        "campaign_id": OTHER,
        "channel": "SMS",
        "campaign_delivery_type": "ONE_TIME",
        "status": "SCHEDULED",
        "basic_details": {"name": "Promo", "team": "Sales", "tags": ["promo"], "platforms": []},
        "scheduling_details": {"start_time": "2024-12-28T12:18:00Z"},
        "reachability_details": {"count": 7, "last_updated_time": "2024-11-27T09:05:42.661Z"},
    }


def test_canonical_members_come_before_aliases() -> None:
    raw = simple(campaign_name="alias", status="PAUSED", campaign_status="Active", id=OTHER, campaign_id=NEW)
    raw["name"] = "alias"
    raw["scheduling_details"] = {"start_time": "2024-01-01T00:00:00Z"}
    raw["campaign_start_time"] = "2023-01-01T00:00:00Z"
    document = read(raw)
    assert (document["basic_details"]["name"], document["status"], document["campaign_id"]) == ("x", "PAUSED", NEW)
    assert document["scheduling_details"]["start_time"] == "2024-01-01T00:00:00Z"
    raw["basic_details"]["name"] = raw["status"] = raw["campaign_id"] = None
    document = read(raw)
    assert (document["basic_details"]["name"], document["status"], document["campaign_id"]) == (
        "alias",
        "ACTIVE",
        OTHER,
    )


def test_merging_replaces_given_members_and_completes_the_basic_details() -> None:
    base = read(SALE_DOCUMENT)
    merged, _ = respell({"status": "STOPPED", "campaign_tags": ["new"], "utm_params": {"utm_source": "x"}}, base)
    assert merged == {
        **base,
        "status": "STOPPED",
        "basic_details": {**base["basic_details"], "tags": ["new"]},
        "utm_params": {"utm_source": "x"},
    }
    merged, _ = respell({"campaign_start_time": "2024-01-01T00:00:00Z", "created_by": None}, base)
    assert merged == {**base, "scheduling_details": {"start_time": "2024-01-01T00:00:00Z"}}


@pytest.mark.parametrize("number", range(len(DOCUMENTS)))
def test_the_canonical_form_is_a_fixed_point(number: int) -> None:
    once = read(DOCUMENTS[number])
    assert json.dumps(read(copy.deepcopy(once))) == json.dumps(once)


def test_numbers_and_booleans_are_told_apart() -> None:
    one, true = read(simple(connector={"x": 1})), read(simple(connector={"x": True}))
    assert one == true  # which is why `same` compares otherwise
    assert not same(one, true)
    assert same({**one, "updated_at": "2024-01-01T00:00:00Z"}, one)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-04T08:00:54.847Z", "2024-07-04T08:00:54.847Z"),
        ("2024-07-04 08:00:54.847000", "2024-07-04T08:00:54.847Z"),
        ("2024-07-04 20:32:00", "2024-07-04T20:32:00Z"),
        ("2024-06-24T14:30:18.9", "2024-06-24T14:30:18.900Z"),
        ("2024-06-24t14:30:18.123456789z", "2024-06-24T14:30:18.123Z"),
        ("2024-06-24T14:30:18-07:30", "2024-06-24T22:00:18Z"),
        ("2024-06-24T14:30:18+0530", "2024-06-24T09:00:18Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+01:00", None),
        ("2024-06-24", None),
        ("2024-06-24T14:30", None),
        ("2024-W26-1T14:30:18", None),
        ("2024-06-24T24:00:00Z", None),
        ("2024-06-24T14:30:18+24:00", None),
        ("٢٠٢٤-06-24T14:30:18", None),
        ("", None),
    ],
)
def test_times(text: str, expected: str | None) -> None:
    instant = parse_time(text)
    assert (None if instant is None else time_text(instant)) == expected


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_time_reads_back(instant: datetime) -> None:
    instant = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    assert parse_time(time_text(instant)) == instant


SPELLINGS = {
    "OSM": ["OSM", "ONSITE", "ON_SITE"],
    "IN_APP": ["IN_APP", "INAPP"],
    "CARDS": ["CARDS", "CARD"],
    "CONNECTOR": ["CONNECTOR", "CONNECTORS"],
    "FACEBOOK_AUDIENCE": ["FACEBOOK", "FACEBOOK_AUDIENCE"],
    "GOOGLE_ADS_AUDIENCE": ["GOOGLE ADS", "GOOGLE_ADS", "GOOGLE_ADS_AUDIENCE"],
}
ALIASES = {
    ("campaign_id",): [("id",), ("_id",)],
    ("campaign_delivery_type",): [("delivery_type",)],
    ("status",): [("campaign_status",)],
    ("basic_details", "name"): [("name",), ("campaign_name",)],
    ("basic_details", "tags"): [("tags",), ("campaign_tags",)],
    ("basic_details", "team"): [("team",), ("campaign_team",)],
    ("basic_details", "platforms"): [("platforms",), ("platform",)],
    ("scheduling_details", "start_time"): [("campaign_start_time",)],
    ("scheduling_details", "expiry_time"): [("campaign_end_time",)],
}
"""Place in the canonical document → other places for the same value."""


def cased(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text, text.lower(), text.title(), f" {text} "])


@st.composite
def spelt_differently(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A plain document, and the same in a random spelling."""
    channel = draw(st.sampled_from(vocabulary.CHANNELS))
    kinds = [name for name, only in vocabulary.DELIVERY_TYPES.items() if only in (None, channel)]
    platforms = vocabulary.PLATFORMS[: 3 if channel == "PUSH" else 4] if channel in vocabulary.PLATFORM_CHANNELS else ()
    instant = draw(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001 - spelt without a zone
    plain: dict[str, Any] = {
        "campaign_id": NEW,
        "channel": channel,
        "campaign_delivery_type": draw(st.sampled_from(kinds)),
        "status": draw(st.sampled_from(vocabulary.STATUSES)),
        "basic_details": {"name": draw(st.sampled_from(["Ünï", "a b"])), "tags": ["x"], "team": "t"},
        "scheduling_details": {"start_time": f"{instant.isoformat(timespec='milliseconds')}Z"},
    }
    if platforms:
        plain["basic_details"]["platforms"] = draw(st.lists(st.sampled_from(platforms), unique=True, min_size=1))
    spelt = copy.deepcopy(plain)
    spelt["channel"] = draw(st.sampled_from(SPELLINGS.get(channel, [channel])).flatmap(cased))
    spelt["campaign_delivery_type"] = draw(cased(plain["campaign_delivery_type"]))
    spelt["status"] = draw(cased(plain["status"]))
    spelt["campaign_id"] = draw(st.sampled_from([NEW, NEW.upper()]))
    if platforms:
        spelt["basic_details"]["platforms"] = [draw(cased(name)) for name in plain["basic_details"]["platforms"]]
    separator = draw(st.sampled_from("T "))
    spelt["scheduling_details"]["start_time"] = instant.isoformat(separator) + draw(
        st.sampled_from(["", "Z", "+00:00"])
    )
    for place, others in ALIASES.items():
        holder = spelt
        for name in place[:-1]:
            holder = holder.get(name, {})
        other = draw(st.sampled_from([None, *others]))
        if other is not None and place[-1] in holder:
            spelt[other[0]] = holder.pop(place[-1])
            if draw(st.booleans()):
                holder[place[-1]] = None
    for name in ("basic_details", "scheduling_details"):
        if not spelt[name] and draw(st.booleans()):
            del spelt[name]
    return plain, dict(draw(st.permutations(list(spelt.items()))))


@given(spelt_differently())
def test_every_spelling_gives_the_same_canonical_document(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    plain, spelt = pair
    assert json.dumps(read(spelt)) == json.dumps(read(plain))
