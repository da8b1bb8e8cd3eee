"""Which rows a report has, in which order, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from campanile.campaigns.schemas import Campaign, Goal
from campanile.engine import Engine
from campanile.kit.times import window
from campanile.reports import rows as rows_module
from campanile.reports.schemas import CustomColumn, Filters, Splits
from tests.reports.past import ALL_OF_IT, Register, read, rows_service, spec_of
from tests.reports.vectors import vectors
from tests.support.log import campaign_of, workspace_of, write

pytestmark = pytest.mark.slow

KOLKATA = "Asia/Kolkata"
FIRST = date(2025, 3, 1)
DAYS = window(FIRST, FIRST + timedelta(days=2), KOLKATA)
PARENT, C1, C2, OTHER = ("66e93302000000000000000" + digit for digit in "1234")
Fields = dict[str, Any]


def at(day: int, hour: int = 12) -> str:
    """An instant of a day of the window, counted from 1."""
    local = datetime(2025, 3, 1, hour, tzinfo=ZoneInfo(KOLKATA)) + timedelta(days=day - 1)
    return local.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment(day: int) -> datetime:
    return datetime.fromisoformat(at(day).replace("Z", "+00:00"))


def campaign(campaign_id: str, channel: str = "PUSH", **fields: Any) -> Campaign:
    plain = campaign_of({"campaign_id": campaign_id, "channel": channel, "platforms": ["ANDROID"]})
    known = {"created_at": moment(1), "delivery_type": "ONE_TIME", "status": "SENT", **fields}
    if channel not in ("PUSH", "IN_APP", "OSM"):
        known["platforms"] = ()
    return msgspec.structs.replace(plain, **known)


def event(campaign_id: str, type: str, ts: str, user: str = "u", channel: str = "PUSH", **fields: Any) -> Fields:
    platform = "ANDROID" if channel == "PUSH" else channel
    values = {"type": type, "ts": ts, "campaign_id": campaign_id, "channel": channel, "platform": platform}
    name = "-".join(str(part) for part in (campaign_id[-2:], type, ts, user, *fields.values()))
    return {"event_id": name, "user_id": user, **values, **fields}


def family() -> list[Campaign]:
    """A periodic parent with two runs, sent on the first and the second day."""
    parent = campaign(PARENT, delivery_type="PERIODIC", status="ACTIVE", created_at=moment(1))
    return [parent] + [
        campaign(name, parent_id=PARENT, delivery_type="PERIODIC", sent_time=moment(day), created_at=moment(day))
        for name, day in ((C1, 1), (C2, 2))
    ]


def family_events() -> list[Fields]:
    """Counters in every cell from each run's send to the third day."""
    return [
        event(name, kind, at(day), f"u{day}", variation=variation, locale=locale)
        for name, sent in ((C1, 1), (C2, 2))
        for day in range(sent, 4)
        for kind in ("sent", "click")
        for variation in ("variation_1", "variation_2")
        for locale in ("default", "en")
    ]


def made(
    engine: Engine,
    known: Sequence[Campaign],
    events: Sequence[Fields],
    splits: Splits,
    *,
    documents: Mapping[str, Fields] | None = None,
    settings: Mapping[str, Any] | None = None,
    as_of: int = ALL_OF_IT,
    channels: Sequence[str] = ("PUSH",),
    **more: Any,
) -> tuple[dict[str, list[Fields]], dict[str, str]]:
    """Rows by channel, and warnings by code."""
    write(engine, "w", events)
    workspace = workspace_of("w", {"timezone": KOLKATA, **(settings or {})})
    spec = spec_of(channels, splits, **more)
    found, warnings = read(rows_service(engine, Register(known, documents)), workspace, spec, DAYS, as_of)
    return found, {warning.code: warning.message for warning in warnings}


@pytest.mark.parametrize("vector", vectors("rows"))
def test_vectors(chdb_engine: Engine, vector: Fields) -> None:
    chosen = {name: name in vector["split"] for name in ("date", "child", "variation", "locale")}
    splits = Splits(**chosen, parent_totals=vector.get("parent_totals", False))
    found, warnings = made(chdb_engine, family(), family_events(), splits)
    assert len(found["PUSH"]) == vector["rows"]
    whole = 2 if splits.parent_totals else 1
    assert sum(row["campaign-stats.sent"] for row in found["PUSH"]) == whole * 20
    assert ("parent_totals" in warnings) == splits.parent_totals


def test_rows_are_in_the_order_of_the_specification(chdb_engine: Engine) -> None:
    early = campaign(OTHER, sent_time=moment(1) - timedelta(hours=1))
    unsent = campaign("66e933020000000000000000", sent_time=None)
    splits = Splits(date=True, variation=True, locale=True, parent_totals=True)
    found, _ = made(chdb_engine, [unsent, *family(), early], family_events(), splits)
    places = [
        (row["campaign.id"], row["split.date"].day, row["split.variation"], row["split.locale"])
        for row in found["PUSH"]
    ]
    assert list(dict.fromkeys(place[0] for place in places)) == [OTHER, PARENT, C1, C2, unsent.campaign_id]
    assert [place[1:] for place in places if place[0] == C2] == [
        (day, variation, locale)
        for day in (2, 3)
        for variation in ("Variation 1", "Variation 2")
        for locale in ("default", "en")
    ]
    assert {row["campaign.parent_id"] for row in found["PUSH"] if row["campaign.id"] in (C1, C2)} == {PARENT}
    assert {row["campaign.parent_id"] for row in found["PUSH"] if row["campaign.id"] == PARENT} == {None}


RUNS: list[tuple[dict[str, bool], dict[str, tuple[int, int]]]] = [
    ({"child": False}, {PARENT: (3, 2)}),
    ({"child": True}, {C1: (1, 1), C2: (2, 2)}),
    ({"child": True, "parent_totals": True}, {PARENT: (3, 2), C1: (1, 1), C2: (2, 2)}),
]
"""Rows that are chosen → the messages and users of each on the second day, when one user gets both runs."""


def check_runs(engine: Engine, chosen: Mapping[str, bool], expected: Mapping[str, tuple[int, int]]) -> None:
    """With columns of all platforms together, and nothing that rows keep apart but days."""
    known = [msgspec.structs.replace(each, channel="EMAIL", platforms=()) for each in family()]
    sent = [event(name, "sent", at(2), user, "EMAIL") for name, user in ((C1, "u1"), (C2, "u1"), (C2, "u2"))]
    columns = {"EMAIL": ["campaign.id", "campaign-stats.sent", "campaign-stats.unique_sent"]}
    found, _ = made(engine, known, sent, Splits(date=True, **chosen), channels=["EMAIL"], columns=columns)
    counted = {
        row["campaign.id"]: (row["campaign-stats.sent"], row["campaign-stats.unique_sent"])
        for row in found["EMAIL"]
        if row["split.date"] == date(2025, 3, 2)
    }
    assert {name: numbers for name, numbers in counted.items() if numbers != (0, 0)} == expected


@pytest.mark.parametrize(("chosen", "expected"), RUNS, ids=["whole", "runs", "both"])
def test_who_got_several_runs_is_one_user_of_their_parent(
    chdb_engine: Engine, chosen: dict[str, bool], expected: dict[str, tuple[int, int]]
) -> None:
    check_runs(chdb_engine, chosen, expected)


@pytest.mark.parametrize(("chosen", "expected"), RUNS, ids=["whole", "runs", "both"])
def test_they_are_one_user_on_a_cluster(
    cluster_engine: Engine, chosen: dict[str, bool], expected: dict[str, tuple[int, int]]
) -> None:
    check_runs(cluster_engine, chosen, expected)


def test_a_parent_beside_its_children_has_a_row_only_for_events_of_its_own(chdb_engine: Engine) -> None:
    found, _ = made(chdb_engine, family(), family_events(), Splits())
    assert [row["campaign.id"] for row in found["PUSH"]] == [C1, C2]
    found, _ = made(chdb_engine, family(), [event(PARENT, "sent", at(2))], Splits())
    assert [(row["campaign.id"], row["campaign-stats.sent"]) for row in found["PUSH"]] == [
        (PARENT, 1),
        (C1, 12),
        (C2, 8),
    ]


def test_the_days_of_a_campaign_are_those_of_its_life_and_its_counters(chdb_engine: Engine) -> None:
    campaigns = [
        campaign(PARENT, status="ACTIVE", delivery_type="EVENT_TRIGGERED", created_at=moment(2)),
        campaign(C1, sent_time=moment(1)),
        campaign(C2, status="ACTIVE", delivery_type="EVENT_TRIGGERED", created_at=moment(3)),
    ]
    events = [event(C1, "click", at(2)), event(C2, "click", at(1))]
    found, _ = made(chdb_engine, campaigns, events, Splits(date=True))
    days = {
        name: [row["split.date"].day for row in found["PUSH"] if row["campaign.id"] == name]
        for name in (PARENT, C1, C2)
    }
    assert days == {PARENT: [2, 3], C1: [1, 2], C2: [1, 2, 3]}
    found, _ = made(chdb_engine, campaigns, [], Splits(date=True, skip_zero_days=True))
    assert [(row["campaign.id"], row["split.date"].day) for row in found["PUSH"]] == [(C1, 2), (C2, 1)]


def test_the_whole_life_counts_what_the_window_only_selects(chdb_engine: Engine) -> None:
    old, new = campaign(C1, sent_time=moment(-9), created_at=moment(-9)), campaign(C2, sent_time=moment(2))
    events = [event(C1, "sent", at(-9)), event(C1, "click", at(2), "late"), event(OTHER, "sent", at(-9))]
    campaigns = [old, new, campaign(OTHER, sent_time=moment(-9), created_at=moment(-9))]
    found, _ = made(chdb_engine, campaigns, events, Splits(), data_window="lifetime")
    sent = {row["campaign.id"]: (row["campaign-stats.sent"], row["campaign-stats.clicks"]) for row in found["PUSH"]}
    assert sent == {C1: (1, 1), C2: (0, 0)}
    found, _ = made(chdb_engine, campaigns, [], Splits())
    assert {row["campaign.id"]: row["campaign-stats.sent"] for row in found["PUSH"]} == {C1: 0, C2: 0}
    run = (moment(3) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    found, _ = made(chdb_engine, campaigns, [], Splits(date=True), data_window="lifetime", as_of=run)
    days = [row["split.date"] for row in found["PUSH"] if row["campaign.id"] == C1]
    assert days == [date(2025, 2, 19) + timedelta(days=number) for number in range(13)]


def test_a_run_sees_nothing_that_was_stored_after_its_mark(chdb_engine: Engine) -> None:
    events = family_events()
    for mark in (0, 7, len(events) // 2, len(events)):
        chdb_engine.truncate()
        whole, _ = made(chdb_engine, family(), events, Splits(date=True, variation=True), as_of=mark)
        chdb_engine.truncate()
        part, _ = made(chdb_engine, family(), events[:mark], Splits(date=True, variation=True))
        assert _numbers(whole["PUSH"]) == _numbers(part["PUSH"])


def _numbers(rows: Sequence[Fields]) -> list[Fields]:
    """Rows with a counter; how many zero days there are depends on the last one."""
    counters = ("campaign-stats.sent", "campaign-stats.clicks")
    return [row for row in rows if any(row[key] for key in counters)]


@pytest.mark.parametrize("splits", [Splits(date=True, locale=True, parent_totals=True), Splits(variation=True)])
def test_how_rows_are_cut_into_portions_changes_nothing(
    chdb_engine: Engine, monkeypatch: pytest.MonkeyPatch, splits: Splits
) -> None:
    whole, _ = made(chdb_engine, family(), family_events(), splits)
    for block, rows, events in ((1, 4_000, 10**6), (500, 1, 10**6), (500, 5, 10**6), (2, 4_000, 1), (500, 4_000, 9)):
        monkeypatch.setattr(rows_module, "TARGETS_PER_BLOCK", block)
        monkeypatch.setattr(rows_module, "ROWS_PER_PORTION", rows)
        monkeypatch.setattr(rows_module, "EVENTS_PER_PORTION", events)
        assert made(chdb_engine, family(), [], splits)[0] == whole


def test_events_without_a_label_are_not_lost(chdb_engine: Engine) -> None:
    campaigns = [campaign(C1, sent_time=moment(1)), campaign(C2, sent_time=moment(1)), campaign(OTHER, locales=("de",))]
    events = [
        event(C1, "sent", at(1), "a", locale="en", variation="variation_2"),
        event(C1, "sent", at(1), "b", variation="Blue"),
        event(C1, "sent", at(1), "c", locale="default"),
        event(C2, "sent", at(1), "a", locale="en"),
        event(C2, "sent", at(1), "b"),
        event(OTHER, "sent", at(1), "b"),
    ]
    found, _ = made(chdb_engine, campaigns, events, Splits(locale=True))
    rows = [(row["campaign.id"], row["split.locale"], row["campaign-stats.sent"]) for row in found["PUSH"]]
    assert sorted(rows, key=str) == sorted(
        [
            (C1, "default", 1), (C1, "en", 1), (C1, None, 1),
            (C2, "default", 1), (C2, "en", 1),
            (OTHER, "default", 1), (OTHER, "de", 0),
        ],
        key=str,
    )  # fmt: skip
    found, _ = made(chdb_engine, campaigns, [], Splits(variation=True))
    rows = [(row["campaign.id"], row["split.variation"], row["campaign-stats.sent"]) for row in found["PUSH"]]
    assert sorted(rows, key=str) == sorted(
        [
            (C1, "Variation 2", 1), (C1, "Blue", 1), (C1, None, 1),
            (C2, "Variation 1", 2), (OTHER, "Variation 1", 1),
        ],
        key=str,
    )  # fmt: skip


def test_a_channel_without_locales_keeps_one_row(chdb_engine: Engine) -> None:
    campaigns = [campaign(C1, "EMAIL", sent_time=moment(1)), campaign(C2, "MMS", sent_time=moment(1))]
    events = [event(C2, "sent", at(1), channel="MMS", locale=locale) for locale in ("en", "fr")]
    found, warnings = made(chdb_engine, campaigns, events, Splits(locale=True), channels=("EMAIL", "MMS"))
    assert [(row["split.locale"], row["campaign-stats.sent"]) for row in found["MMS"]] == [("All Locales", 2)]
    assert [row["split.locale"] for row in found["EMAIL"]] == ["default"]
    assert "MMS" in warnings["locale_split_ignored"]


def test_columns_keep_their_order_and_splits_find_their_place(chdb_engine: Engine) -> None:
    keys = ("campaign-stats.sent", "campaign.id", "campaign.status")
    found, _ = made(chdb_engine, [campaign(C1)], [], Splits(date=True, variation=True), columns={"PUSH": keys})
    assert list(found["PUSH"][0]) == ["split.date", "split.variation", *keys]
    keys = ("campaign.id", "split.date", "campaign-stats.sent")
    found, _ = made(chdb_engine, [campaign(C1)], [], Splits(date=True), columns={"PUSH": keys})
    assert list(found["PUSH"][0]) == list(keys)
    found, _ = made(chdb_engine, [campaign(C1)], [], Splits(), columns={"PUSH": keys})
    assert found["PUSH"][0]["split.date"] is None


CUSTOM = (
    CustomColumn(
        key="custom.rate",
        header="Rate",
        channels=("PUSH",),
        expression="@{campaign-stats.clicks} / @{campaign-stats.unique_impressions}",
        decimals=3,
    ),
    CustomColumn(
        key="custom.big", header="Big", channels=("PUSH",), expression="100000000000000 * 10 * @{campaign-stats.clicks}"
    ),
    CustomColumn(key="custom.gone", header="Gone", channels=("PUSH",), expression="@{campaign-stats.no_more} + 1"),
    CustomColumn(
        key="custom.zero", header="Zero", channels=("PUSH",), expression="1 / @{campaign-stats.sent}",
        on_zero_division="zero", type="percent", decimals=1,
    ),
)  # fmt: skip


def test_custom_columns_are_computed_from_the_numbers_of_their_row(chdb_engine: Engine) -> None:
    events = [event(C1, "click", at(1)), event(C1, "click", at(2))]
    events += [event(C1, "impression", at(2), user) for user in ("a", "b", "c")]
    keys = ("campaign.id", *(column.key for column in CUSTOM))
    found, warnings = made(
        chdb_engine,
        [campaign(C1, sent_time=moment(1))],
        events,
        Splits(date=True),
        columns={"PUSH": keys},
        custom=CUSTOM,
    )
    assert [row["custom.rate"] for row in found["PUSH"]] == [None, Decimal("0.333")]
    assert [row["custom.big"] for row in found["PUSH"]] == [None, None]
    assert [row["custom.gone"] for row in found["PUSH"]] == [None, None]
    assert [row["custom.zero"] for row in found["PUSH"]] == [0, 0]
    assert {"division_by_zero", "numeric_overflow", "attribute_missing"} <= warnings.keys()
    assert C1 in warnings["numeric_overflow"]


def test_custom_columns_come_after_the_default_ones(chdb_engine: Engine) -> None:
    found, _ = made(chdb_engine, [campaign(C1)], [], Splits(), custom=CUSTOM[:1])
    assert list(found["PUSH"][0])[-1] == "custom.rate"
    assert len(found["PUSH"][0]) == 43


def test_columns_of_the_other_attribution_model_are_blank(chdb_engine: Engine) -> None:
    goal = Goal(name="buy", event="bought")
    keys = (
        "campaign-stats.goal_1.view_through.converted_users",
        "campaign-stats.goal_1.total_conversions.converted_users",
    )
    found, warnings = made(
        chdb_engine,
        [campaign(C1, goals=(goal,))],
        [],
        Splits(),
        columns={"PUSH": keys},
        settings={"attribution_model": "last_interaction"},
    )
    assert tuple(found["PUSH"][0].values()) == (None, 0)
    assert "View Through" in warnings["attribution_model_inactive"]


def test_picked_campaigns_are_there_whatever_filters_say(chdb_engine: Engine) -> None:
    campaigns = [
        *family(),
        campaign(OTHER, sent_time=moment(-9), created_at=moment(-9)),
        campaign("66e9330200000000000000ff"),
    ]
    picked: Fields = {"campaigns": (PARENT, OTHER, "f" * 24), "filters": Filters(statuses=("PAUSED",))}
    found, warnings = made(chdb_engine, campaigns, family_events(), Splits(), **picked)
    assert [row["campaign.id"] for row in found["PUSH"]] == [OTHER, C1, C2]
    assert "f" * 24 in warnings["campaign_not_found"]
    found, _ = made(chdb_engine, campaigns, [], Splits(child=False), campaigns=(C2,))
    assert [(row["campaign.id"], row["campaign-stats.sent"]) for row in found["PUSH"]] == [(C2, 8)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [C1, C2]),
        (Filters(include_archived=True), [C1, C2, OTHER]),
        (Filters(tags=("sale",)), [C1]),
        (Filters(tags=("sale", "new")), [C1, C2]),
        (Filters(tags=("sale", "new"), tags_match="all"), []),
        (Filters(tags=("Sale",)), []),
        (Filters(untagged=True), []),
        (Filters(created_by=("ADA@example.com",)), [C2]),
        (Filters(statuses=("STOPPED",)), [C2]),
    ],
)
def test_filters(chdb_engine: Engine, filters: Filters, expected: list[str]) -> None:
    campaigns = [
        campaign(C1, sent_time=moment(1)),
        campaign(C2, status="FAILED", updated_at=moment(2)),
        campaign(OTHER, status="ARCHIVED", sent_time=moment(1)),
    ]
    documents: dict[str, Fields] = {
        C1: {"basic_details": {"tags": ["sale"]}, "created_by": "bob@example.com"},
        C2: {"basic_details": {"tags": ["new"]}, "created_by": "ada@example.com"},
        OTHER: {"basic_details": {"tags": []}},
    }
    found, warnings = made(chdb_engine, campaigns, [], Splits(), documents=documents, filters=filters)
    assert sorted(row["campaign.id"] for row in found["PUSH"]) == expected
    assert ("filter_value_unknown" in warnings) == (filters.tags == ("Sale",))


def test_what_was_never_published_has_no_row_without_a_counter(chdb_engine: Engine) -> None:
    campaigns = [
        campaign(name, status=status) for name, status in ((C1, "DRAFT"), (C2, "SCHEDULED"), (OTHER, "SENDING"))
    ]
    assert [row["campaign.id"] for row in made(chdb_engine, campaigns, [], Splits())[0]["PUSH"]] == [OTHER]
    found, _ = made(chdb_engine, campaigns, [event(C2, "click", at(1))], Splits())
    assert sorted(row["campaign.id"] for row in found["PUSH"]) == [C2, OTHER]
    found, _ = made(chdb_engine, campaigns, [], Splits(), rule="active_only")
    assert [row["campaign.id"] for row in found["PUSH"]] == [OTHER]


def test_what_a_row_says_about_its_campaign(chdb_engine: Engine) -> None:
    goal = {"name": "amount", "condition": "greaterThan", "value": 50}
    item = campaign(
        C1,
        name="Spring",
        sent_time=moment(1),
        status="RETIRED",
        delivery_type="EVENT_TRIGGERED",
        flow_id="f" * 24,
        flow_name="Welcome",
        goals=(Goal(name="buy", event="bought", attribute=msgspec.json.encode(goal).decode()),),
    )
    push = {
        "android": {"template_type": "BASIC", "basic_details": {"title": "Hi", "message": "There"}},
        "ios": {"basic_details": {"title": "Hi, iOS"}},
    }
    document: Fields = {
        "created_by": "ada@example.com",
        "basic_details": {"tags": ["sale", "new"], "team": "growth"},
        "scheduling_details": {"delivery_type": "ASAP", "expiry_time": "2025-04-01T00:00:00Z"},
        "trigger_condition": {
            "trigger_delay_type": "DELAY",
            "trigger_delay_value": 5,
            "trigger_delay_granularity": "MINUTES",
        },
        "segmentation_details": {"included_filters": {"filters": [{"filter_type": "custom_segments", "name": "VIP"}]}},
        "campaign_content": {"content": {"push": push}},
    }
    wanted = {
        "campaign.id": C1,
        "campaign.name": "Spring",
        "campaign.parent_id": None,
        "campaign.flow_name": "Welcome",
        "campaign.type": "Push Notification",
        "campaign.delivery_type": "Flows Event Triggered",
        "campaign.channel": "Push",
        "campaign.status": "Expired",
        "campaign.sending_type": "ASAP",
        "campaign.sent_time": moment(1),
        "campaign.end_time": datetime(2025, 4, 1, tzinfo=UTC),
        "campaign.created_by": "ada@example.com",
        "campaign.team": "growth",
        "campaign.trigger_delay": "DELAY 5 MINUTES",
        "campaign.segment_name": "VIP",
        "campaign.platforms": ("ANDROID",),
        "campaign.tags.default": (),
        "campaign.tags.uncategorized": ("sale", "new"),
        "campaign.goal_1.name": "buy",
        "campaign.goal_1.event": "bought",
        "campaign.goal_1.condition": "greaterThan",
        "campaign.goal_1.value": "50",
        "campaign.goal_2.name": None,
        "content.android.template_name": "BASIC",
        "content.android.title": "Hi",
        "content.ios.title": "Hi, iOS",
        "content.web.title": None,
    }
    found, _ = made(chdb_engine, [item], [], Splits(), documents={C1: document}, columns={"PUSH": tuple(wanted)})
    assert found["PUSH"] == [wanted]
    assert found["PUSH"][0]["campaign.end_time"].tzinfo == ZoneInfo(KOLKATA)


def test_content_is_that_of_the_variation_and_locale_of_the_row(chdb_engine: Engine) -> None:
    content: Fields = {
        locale: {f"variation_{number}": {"email": {"subject": f"{locale} {number}"}} for number in (1, 2)}
        for locale in ("default", "fr")
    }
    item = campaign(C1, "EMAIL", sent_time=moment(1), locales=("fr",), variations=("variation_1", "variation_2"))
    documents = {C1: {"campaign_content": {"content": content}}}

    def subjects(splits: Splits) -> list[Any]:
        found, _ = made(chdb_engine, [item], [], splits, documents=documents, channels=("EMAIL",))
        return [row["content.subject"] for row in found["EMAIL"]]

    assert subjects(Splits()) == ["default 1"]
    assert subjects(Splits(variation=True)) == ["default 1", "default 2"]
    assert subjects(Splits(variation=True, locale=True)) == ["default 1", "fr 1", "default 2", "fr 2"]
