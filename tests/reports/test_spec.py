"""Definitions as callers write them: what is accepted, what is refused, and where."""

from __future__ import annotations

import time
from datetime import date
from datetime import time as Time
from typing import Any

import msgspec
import pytest

from campanile.errors import InvalidInput, Unprocessable
from campanile.jobs.schedule import Schedule
from campanile.reports.periods import AbsolutePeriod, RollingPeriod
from campanile.reports.reading import MOST_PROBLEMS
from campanile.reports.schemas import (
    CHANNELS,
    ChannelSelection,
    CustomColumn,
    EmailDelivery,
    FileFormat,
    Filters,
    ReportSpec,
    RestDelivery,
    Splits,
)
from campanile.reports.spec import DELIVERY_TYPES, READ_ONLY, read
from tests.reports.reading import plain, problems, refused
from tests.reports.samples import (
    CAMPAIGN,
    DEFINITION,
    GONE,
    KOLKATA,
    SMALL,
    changed,
    circumstances,
    spec,
)
from tests.reports.vectors import vectors

# --- what is accepted


def test_every_member() -> None:
    found = read(DEFINITION, circumstances())
    assert found.state == "ACTIVE"
    assert found.spec == ReportSpec(
        name="Daily campaigns T-1",
        channels=(ChannelSelection("PUSH", ("ONE_TIME", "PERIODIC")), ChannelSelection("EMAIL")),
        period=RollingPeriod("yesterday"),
        filters=Filters(tags=("sale",)),
        columns={"PUSH": ("campaign.id", "campaign.name", "campaign-stats.sent", "custom.android_share")},
        custom=(
            CustomColumn(
                key="custom.android_share",
                header="Android click share",
                channels=("PUSH",),
                expression="100 * @{campaign-stats.android.clicks} / @{campaign-stats.clicks}",
                type="percent",
                decimals=2,
            ),
        ),
        schedule=Schedule(kind="daily", time_zone=KOLKATA, time_of_day=Time(6), start_date=date(2025, 3, 1)),
        delivery=(RestDelivery(), EmailDelivery(recipients=("ops@example.com",))),
    )
    assert [column.key for column in found.spec.custom_of("PUSH")] == ["custom.android_share"]
    assert found.spec.custom_of("EMAIL") == ()


def test_the_fewest_members() -> None:
    found = read(SMALL, circumstances())
    assert found.state is None
    assert found.spec == ReportSpec(
        name="Small",
        channels=(ChannelSelection("EMAIL"),),
        period=RollingPeriod("yesterday"),
        rule="active_or_counted",
        data_window="selected_range",
        campaigns="all",
        splits=Splits(date=False, child=True, variation=False, locale=False),
        format=FileFormat(kind="csv", separator=",", formula_guard=True, compression="zip"),
        schedule=Schedule(kind="daily", time_zone=KOLKATA, time_of_day=Time(6), start_date=date(2025, 3, 5)),
        delivery=(RestDelivery(),),
    )


OTHERS: dict[str, dict[str, Any]] = {
    "all channels": {"selection__scopes": [{"channel": channel} for channel in reversed(CHANNELS)]},
    "absolute": {"selection__date_range": {"type": "absolute", "start": "2025-01-01", "end": "2025-04-01"}},
    "days": {"selection__date_range": {"type": "rolling", "days": 90, "offset_days": 365}},
    "manual": {"selection__campaigns": {"mode": "manual", "ids": [CAMPAIGN.upper(), CAMPAIGN, "f" * 24]}},
    "filters": {
        "selection__filters": {
            "tags": {"match": "all", "values": ["a", "b", "a"]},
            "created_by": ["ana@example.com"],
            "statuses": ["Sent", "EXPIRED"],
            "include_archived": True,
        }
    },
    "untagged": {"selection__filters": {"tags": {"untagged": True}}, "selection__rule": "active_only"},
    "lifetime": {"content__performance_window": "lifetime", "content__parent_totals": True, "on_empty": "header_only"},
    "splits": {"content__split": dict.fromkeys(("date", "child", "variation", "locale"), True)},
    "xlsx": {"format": {"type": "xlsx", "delimiter": ","}},
    "pipes": {"format": {"delimiter": "|", "bom": True, "newline": "crlf", "formula_guard": False, "lists": "json"}},
    "tar": {"format": {"compression": "tar"}, "delivery": {"email": {"recipients": ["a@b.example"]}}},
    "webhook": {"delivery": {"webhook": {"url": "https://hooks.example.com:8443/a?b=c"}}},
    "weekly": {"schedule": {"type": "weekly", "weekdays": [7, 1], "time": "23:59", "time_zone": "Europe/Berlin"}},
    "monthly": {
        "schedule": {"type": "monthly", "day": 31, "time": "00:00", "end": {"type": "after_runs", "runs": 1000}}
    },
    "every ten days": {
        "schedule": {"type": "custom", "unit": "days", "every": 10, "time": "05:00", "start_date": "2020-01-01",
                     "end": {"type": "on_date", "date": "2026-01-01"}}
    },
    "every two weeks": {
        "schedule": {"type": "custom", "unit": "weeks", "every": 2, "weekdays": [3], "time": "05:00"}
    },
    "every quarter": {"schedule": {"type": "custom", "unit": "months", "every": 3, "day": "last", "time": "05:00"}},
    "once": {"schedule": {"type": "once", "at": "2025-03-05T17:31"}},
    "asap": {"schedule__type": "once", "schedule__at": "asap", "schedule__time": GONE,
             "selection__date_range": {"type": "rolling", "preset": "today"}},
    "draft": {"state": "DRAFT", "schedule": None, "delivery": GONE},
}  # fmt: skip


@pytest.mark.parametrize("members", OTHERS.values(), ids=OTHERS)
def test_what_is_read_can_be_shown_and_read_again(members: dict[str, Any]) -> None:
    given = circumstances()
    found = read(changed(SMALL, **members), given)
    shown = plain(found.spec)
    again = read({**shown, "state": found.state}, given)
    assert again.spec == found.spec
    assert plain(again.spec) == shown
    assert msgspec.json.decode(msgspec.json.encode(found.spec), type=ReportSpec) == found.spec, "as it is stored"


def test_the_shown_form_has_every_member_that_can_be_written() -> None:
    shown = plain(spec(DEFINITION))
    given = {name: value for name, value in DEFINITION.items() if name not in ("team_ids", "state")}
    del shown["selection"]["filters"]["tags"]
    assert set(given) == set(shown)
    filters = {
        name: value for name, value in given["selection"]["filters"].items() if name not in ("approved_by", "tags")
    }
    assert shown["selection"]["filters"] == filters
    for name in ("format", "schedule", "delivery", "content"):
        assert shown[name] == given[name]


def test_channels_come_in_the_order_of_files_and_by_any_of_their_names() -> None:
    scopes = [{"channel": name} for name in ("GOOGLE_ADS_AUDIENCE", "OSM", "FACEBOOK_AUDIENCE", "PUSH")]
    found = spec(selection__scopes=scopes)
    assert [scope.channel for scope in found.channels] == ["PUSH", "ON_SITE", "FACEBOOK", "GOOGLE_ADS"]


def test_recipients_are_told_apart_without_regard_to_case() -> None:
    found = spec(delivery={"email": {"recipients": ["Ops@Example.com", "ops@example.com", "x@example.com"]}})
    assert found.delivery == (EmailDelivery(recipients=("Ops@Example.com", "x@example.com")),)


def test_what_answers_add_may_be_sent_back() -> None:
    added = dict.fromkeys((*READ_ONLY, "warnings"), "x")
    assert read({**SMALL, **added}, circumstances()).spec == spec()


def test_the_zone_of_the_workspace_is_the_default() -> None:
    found = spec(given=circumstances(timezone="Pacific/Kiritimati"))
    assert found.schedule is not None
    assert (found.schedule.time_zone, found.schedule.start_date) == ("Pacific/Kiritimati", date(2025, 3, 6))


# --- what is refused

WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"name": GONE}, [("required", "name")]),
    ({"name": 5}, [("invalid_type", "name")]),
    ({"name": "a/b"}, [("name_invalid", "name")]),
    ({"team_ids": ["t"]}, [("invalid_value", "team_ids")]),
    ({"selection": GONE}, [("required", "selection")]),
    ({"selection": []}, [("invalid_type", "selection"), ("required", "selection.scopes"),
                         ("required", "selection.date_range")]),
    ({"selection__source": "flows"}, [("invalid_value", "selection.source")]),
    ({"selection__scopes": []}, [("required", "selection.scopes")]),
    ({"selection__scopes": [{"channel": "PUSH"}, {"channel": "PUSH"}]},
     [("invalid_value", "selection.scopes[1].channel")]),
    ({"selection__scopes": [{"channel": "PAGER"}]}, [("invalid_value", "selection.scopes[0].channel")]),
    ({"selection__scopes": [{"channel": "FLOWS"}]}, [("invalid_value", "selection.scopes[0].channel")]),
    ({"selection__scopes": ["PUSH"]},
     [("invalid_type", "selection.scopes[0]"), ("required", "selection.scopes[0].channel")]),
    ({"selection__scopes": [{"channel": "SMS", "delivery_types": ["ONE_TIME", "DEVICE_TRIGGERED", "X"]}]},
     [("delivery_type_not_supported", "selection.scopes[0].delivery_types[1]"),
      ("invalid_value", "selection.scopes[0].delivery_types[2]")]),
    ({"selection__scopes": [{"channel": "SMS", "delivery_types": []}]},
     [("invalid_value", "selection.scopes[0].delivery_types")]),
    ({"selection__date_range": GONE}, [("required", "selection.date_range")]),
    ({"selection__date_range": {"preset": "yesterday"}}, [("required", "selection.date_range.type")]),
    ({"selection__date_range": {"type": "rolling", "preset": "tomorrow"}},
     [("invalid_value", "selection.date_range.preset")]),
    ({"selection__date_range": {"type": "rolling", "days": 91}}, [("range_too_long", "selection.date_range.days")]),
    ({"selection__date_range": {"type": "rolling", "days": 0}}, [("invalid_value", "selection.date_range.days")]),
    ({"selection__date_range": {"type": "rolling"}}, [("required", "selection.date_range.days")]),
    ({"selection__date_range": {"type": "rolling", "days": 7, "offset_days": 366}},
     [("invalid_value", "selection.date_range.offset_days")]),
    ({"selection__date_range": {"type": "rolling", "preset": "yesterday", "days": 7}},
     [("unknown_field", "selection.date_range.days")]),
    ({"selection__date_range": {"type": "absolute", "start": "2025-3-1", "end": "20250302"}},
     [("invalid_value", "selection.date_range.start"), ("invalid_value", "selection.date_range.end")]),
    ({"selection__date_range": {"type": "absolute", "start": "2025-02-29", "end": "2025-03-01"}},
     [("invalid_value", "selection.date_range.start")]),
    ({"selection__date_range": {"type": "absolute", "start": "2025-03-06", "end": "2025-03-07"}},
     [("range_in_future", "selection.date_range.start")]),
    ({"selection__date_range": {"type": "rolling", "preset": "today"}},
     [("invalid_value", "selection.date_range.preset")]),
    ({"selection__rule": "all"}, [("invalid_value", "selection.rule")]),
    ({"selection__campaigns": {"mode": "manual"}}, [("required", "selection.campaigns.ids")]),
    ({"selection__campaigns": {"mode": "manual", "ids": []}}, [("required", "selection.campaigns.ids")]),
    ({"selection__campaigns": {"mode": "manual", "ids": ["x"]}}, [("invalid_value", "selection.campaigns.ids[0]")]),
    ({"selection__campaigns": {"mode": "manual", "ids": [CAMPAIGN] * 501}},
     [("too_many_campaigns", "selection.campaigns.ids")]),
    ({"selection__campaigns": {"mode": "all", "ids": []}}, [("unknown_field", "selection.campaigns.ids")]),
    ({"selection__filters": {"tags": {"untagged": True, "values": ["a"]}}},
     [("invalid_value", "selection.filters.tags.untagged")]),
    ({"selection__filters": {"statuses": ["DRAFT"]}}, [("invalid_value", "selection.filters.statuses[0]")]),
    ({"selection__filters": {"approved_by": ["a"]}}, [("invalid_value", "selection.filters.approved_by")]),
    ({"selection__filters": {"created_by": [""]}}, [("invalid_value", "selection.filters.created_by[0]")]),
    ({"content__performance_window": "all"}, [("invalid_value", "content.performance_window")]),
    ({"content__split": {"date": "yes"}}, [("invalid_type", "content.split.date")]),
    ({"content__split": {"day": True}}, [("unknown_field", "content.split.day")]),
    ({"content__split": {"locale": True}, "selection__scopes": [{"channel": "MMS"}]},
     [("locale_split_not_supported", "content.split.locale")]),
    ({"content__tag_categories": "fixed"}, [("invalid_value", "content.tag_categories")]),
    ({"content__columns": {"PUSH": "default"}}, [("invalid_value", "content.columns.PUSH")]),
    ({"content__columns": {"EMAIL": "all"}}, [("invalid_type", "content.columns.EMAIL")]),
    ({"content__columns": {"EMAIL": []}}, [("no_columns", "content.columns.EMAIL")]),
    ({"content__columns": {"EMAIL": ["split.date"]}}, [("no_columns", "content.columns.EMAIL")]),
    ({"content__columns": {"EMAIL": ["campaign.id", "campaign.id"]}},
     [("duplicate_column", "content.columns.EMAIL[1]")]),
    ({"content__columns": {"EMAIL": ["campaign.id", "campaign-stats.impressions", "Campaign.ID", "custom.x"]}},
     [("attribute_not_available_for_channel", "content.columns.EMAIL[1]"),
      ("unknown_attribute", "content.columns.EMAIL[2]"), ("unknown_attribute", "content.columns.EMAIL[3]")]),
    ({"content__columns": {"EMAIL": ["campaign.id"] * 501}}, [("too_many_columns", "content.columns.EMAIL")]),
    ({"format": {"type": "excel"}}, [("invalid_value", "format.type")]),
    ({"format": {"type": "xlsx", "delimiter": ";"}}, [("invalid_value", "format.delimiter")]),
    ({"format": {"delimiter": "§"}}, [("invalid_value", "format.delimiter")]),
    ({"format": {"compression": "rar"}}, [("compression_not_supported", "format.compression")]),
    ({"format": {"compression": "tar"}}, [("compression_needs_zip", "format.compression")]),
    ({"format": {"compression": "gz"}, "delivery": {}},
     [("no_delivery", "delivery")]),
    ({"schedule": GONE}, [("required", "schedule")]),
    ({"schedule": {"type": "hourly"}}, [("invalid_value", "schedule.type")]),
    ({"schedule": {"type": "daily"}}, [("required", "schedule.time")]),
    ({"schedule": {"type": "daily", "time": "6:00"}}, [("invalid_value", "schedule.time")]),
    ({"schedule": {"type": "daily", "time": "24:00"}}, [("invalid_value", "schedule.time")]),
    ({"schedule__time_zone": "Mars/Olympus"}, [("unknown_time_zone", "schedule.time_zone")]),
    ({"schedule__time_zone": "../../etc/passwd"}, [("unknown_time_zone", "schedule.time_zone")]),
    ({"schedule__weekdays": [1]}, [("unknown_field", "schedule.weekdays")]),
    ({"schedule": {"type": "weekly", "time": "06:00"}}, [("required", "schedule.weekdays")]),
    *(
        ({"schedule": {"type": "weekly", "time": "06:00", "weekdays": days}}, [("invalid_value", "schedule.weekdays")])
        for days in ([], [0], [8], [1, 1], ["1"], [True], [1.5], [1, 2, 3, 4, 5, 6, 7, 1])
    ),
    ({"schedule": {"type": "monthly", "time": "06:00", "day": 32}}, [("invalid_value", "schedule.day")]),
    ({"schedule": {"type": "monthly", "time": "06:00", "day": "last"}}, [("invalid_type", "schedule.day")]),
    ({"schedule": {"type": "custom", "time": "06:00"}},
     [("required", "schedule.unit"), ("required", "schedule.every")]),
    ({"schedule": {"type": "custom", "unit": "days", "every": 91, "time": "06:00"}},
     [("invalid_value", "schedule.every")]),
    ({"schedule": {"type": "custom", "unit": "months", "every": 13, "time": "06:00"}},
     [("invalid_value", "schedule.every"), ("required", "schedule.day")]),
    ({"schedule__start_date": "3000-01-01"}, [("invalid_value", "schedule.start_date")]),
    ({"schedule__end": {"type": "after_runs", "runs": 1001}}, [("invalid_value", "schedule.end.runs")]),
    ({"schedule__end": {"type": "on_date"}}, [("required", "schedule.end.date")]),
    ({"schedule__end": {"type": "on_date", "date": "2025-03-05"}}, [("schedule_empty", "schedule")]),
    ({"schedule": {"type": "once"}}, [("required", "schedule.at")]),
    ({"schedule": {"type": "once", "at": "2025-03-05T17:30"}}, [("schedule_in_past", "schedule.at")]),
    ({"schedule": {"type": "once", "at": "2025-03-06T12:00Z"}}, [("invalid_value", "schedule.at")]),
    ({"schedule": {"type": "once", "at": "asap", "time": "06:00"}}, [("unknown_field", "schedule.time")]),
    ({"delivery": GONE}, [("required", "delivery")]),
    ({"delivery": {"rest_api": False, "email": None}}, [("no_delivery", "delivery")]),
    ({"delivery": {"email": {}}}, [("required", "delivery.email.recipients")]),
    ({"delivery": {"email": {"recipients": ["a@b", "a b@c.example", "a@b.example\n"]}}},
     [("invalid_value", f"delivery.email.recipients[{number}]") for number in range(3)]),
    ({"delivery": {"email": {"recipients": [f"u{n}@example.com" for n in range(16)]}}},
     [("too_many_recipients", "delivery.email.recipients")]),
    *(
        ({"delivery": {"webhook": {"url": url}}}, [("invalid_value", "delivery.webhook.url")])
        for url in ("ftp://a.example", "//a.example", "https://u:p@a.example", "https://a.example/#x", "https://[::1",
                    "https://a.example/ b", "https://a.example/\n", "https://é.example", "x" * 3000)
    ),
    ({"on_empty": "nothing"}, [("invalid_value", "on_empty")]),
    ({"state": "PAUSED"}, [("invalid_value", "state")]),
    ({"colour": "red"}, [("unknown_field", "colour")]),
]  # fmt: skip


@pytest.mark.parametrize(("members", "expected"), WRONG)
def test_what_is_wrong_is_named(members: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert problems(**members) == expected


@pytest.mark.parametrize("vector", vectors("range"))
def test_ranges(vector: dict[str, Any]) -> None:
    period = {"type": "absolute", "start": vector["start"], "end": vector["end"]}
    if vector.get("ok"):
        found = spec(selection__date_range=period)
        assert found.period == AbsolutePeriod(date.fromisoformat(vector["start"]), date.fromisoformat(vector["end"]))
    else:
        assert [code for code, _ in problems(selection__date_range=period)] == [vector["error"].lower()]


@pytest.mark.parametrize("channel", CHANNELS)
def test_delivery_types_by_channel(channel: str) -> None:
    refusals = []
    for name in DELIVERY_TYPES:
        try:
            spec(selection__scopes=[{"channel": channel, "delivery_types": [name]}])
        except Unprocessable:
            refusals.append(name)
    triggered = ["DEVICE_TRIGGERED", "LOCATION_TRIGGERED", "BROADCAST_LIVE_ACTIVITY"]
    expected = {"PUSH": [], "IN_APP": list(DELIVERY_TYPES[2:]), "ON_SITE": list(DELIVERY_TYPES[2:])}
    business = channel in ("EMAIL", "SMS", "MMS", "RCS")
    assert refusals == expected.get(channel, triggered if business else ["BUSINESS_EVENT_TRIGGERED", *triggered])


def test_everything_wrong_is_listed_in_the_order_of_the_document() -> None:
    raw = {
        "delivery": {"rest_api": 1},
        "selection": {"date_range": {"type": "absolute", "start": "2025-03-01", "end": "2025-01-01"}, "scopes": 7},
        "name": "",
    }
    error = refused(raw)
    assert [problem.attribute for problem in error.problems] == [
        "delivery",
        "delivery.rest_api",
        "selection.date_range.end",
        "selection.scopes",
        "name",
        "schedule",
    ]
    assert isinstance(error, Unprocessable)
    assert (error.error_type, error.attribute) == (error.problems[0].type, error.problems[0].attribute)


def test_unknown_members_are_a_malformed_request() -> None:
    assert isinstance(refused(changed(SMALL, colour=1)), InvalidInput)
    both = refused({"colour": 1, **changed(SMALL, name="1")})
    assert (both.status, both.error_type) == (400, "unknown_field")
    assert refused(changed(SMALL, name="1", colour=1)).status == 422


def test_long_lists_of_problems_are_cut() -> None:
    raw = {**SMALL, **{f"x{number}": 1 for number in range(40_000)}, "y" * 100_000: 1}
    started = time.perf_counter()
    error = refused(raw)
    assert len(error.problems) == MOST_PROBLEMS
    assert all(len(problem.attribute) <= 100 for problem in error.problems)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("raw", [None, [], "x", 5, True])
def test_other_bodies_are_no_definition(raw: Any) -> None:
    assert refused(raw).problems[0].type == "invalid_type"


def test_recipients_that_the_workspace_may_not_write_to() -> None:
    given = circumstances(recipient_allowed=lambda address: address.endswith("@example.com"))
    wrong = problems(given=given, delivery={"email": {"recipients": ["a@example.com", "b@example.org"]}})
    assert wrong == [("recipient_not_allowed", "delivery.email.recipients[1]")]
