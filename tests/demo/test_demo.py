"""The sample shop: deterministic, valid for the events API, plausible, and counted right."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campanile.demo import Demo, build
from campanile.demo.check import FIELDS, compare, expected, expected_visits
from campanile.demo.plans import PLANS, TIMEZONE, VISIT_GOAL, plan
from campanile.demo.table import REASONS

pytestmark = pytest.mark.slow

TODAY = date(2025, 10, 20)
Event = dict[str, Any]


@pytest.fixture(scope="module")
def demo() -> Demo:
    return build(TODAY, seed=1)


@pytest.fixture(scope="module")
def events(demo: Demo) -> list[Event]:
    return list(demo.events())


def of(events: list[Event], key: str, *types: str) -> Iterator[Event]:
    wanted = plan(key).campaign_id
    return (event for event in events if event.get("campaign_id") == wanted and event["type"] in types)


def rate(events: list[Event], key: str, numerator: str, denominator: str, **match: object) -> float:
    counts = Counter(
        event["type"]
        for event in of(events, key, numerator, denominator)
        if not event.get("machine") and all(event.get(name) == value for name, value in match.items())
    )
    return counts[numerator] / counts[denominator]


def test_the_same_day_and_seed_give_the_same_bytes() -> None:
    first = b"".join(batch.body for batch in build(TODAY, seed=3).batches())
    second = b"".join(batch.body for batch in build(TODAY, seed=3).batches())
    assert first == second
    assert build(TODAY, seed=3).documents() == build(TODAY, seed=3).documents()


def test_another_seed_gives_other_events() -> None:
    one = list(islice(build(TODAY, seed=1).events(), 500))
    other = list(islice(build(TODAY, seed=2).events(), 500))
    assert one != other


def test_event_ids_are_unique(events: list[Event]) -> None:
    assert len({event["event_id"] for event in events}) == len(events)


def test_there_are_a_few_hundred_thousand_events(events: list[Event]) -> None:
    assert 250_000 < len(events) < 500_000


def test_every_event_has_the_fields_its_type_needs(events: list[Event]) -> None:
    for event in events:
        assert 1 <= len(event["event_id"]) <= 128
        assert event["user_id"].startswith("u-")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        if event["type"] == "custom":
            assert event["name"]
            assert "campaign_id" not in event
        else:
            assert re.fullmatch(r"[0-9a-f]{24}", event["campaign_id"])
            assert event["channel"] in FIELDS
        if event["type"] in ("removed", "failed", "undelivered"):
            assert event["reason"] in REASONS
        if event["type"] == "conversion":
            assert event["goal"]
            assert event["attribution"]


def test_all_events_lie_in_the_sixty_days_before_today(events: list[Event]) -> None:
    zone = ZoneInfo(TIMEZONE)
    days = {datetime.fromisoformat(event["time"]).astimezone(zone).date() for event in events}
    assert max(days) == TODAY - timedelta(days=1)
    assert min(days) >= TODAY - timedelta(days=61)


def test_requests_respect_the_limits_of_the_events_api(demo: Demo) -> None:
    total = 0
    for batch in demo.batches():
        lines = batch.body.split(b"\n")
        assert len(lines) == batch.count <= 10_000
        assert len(batch.body) < 20 * 1024 * 1024
        assert len({json.loads(line)["time"][:10] for line in lines}) <= 100
        total += batch.count
    assert total > 250_000


def test_messages_end_in_exactly_one_of_sent_or_failed(events: list[Event]) -> None:
    outcomes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in events:
        if event["type"] in ("attempted", "sent", "failed") and event["channel"] in (
            "PUSH",
            "EMAIL",
            "SMS",
            "WHATSAPP",
        ):
            message = event["event_id"].split(":")[0]
            outcomes[(event["campaign_id"], message)].append(event["type"])
    assert outcomes
    found = {tuple(sorted(types)) for types in outcomes.values()}
    assert found - {("attempted",)} == {("attempted", "failed"), ("attempted", "sent")}


def test_what_arrived_was_sent_before(events: list[Event]) -> None:
    sent = {event["event_id"].split(":")[0]: event["time"] for event in of(events, "email-ab-tents", "sent")}
    later = list(of(events, "email-ab-tents", "delivered", "open", "click", "hard_bounce", "unsubscribe"))
    assert later
    for event in later:
        assert sent[event["event_id"].split(":")[0]] < event["time"]


def test_nobody_held_out_gets_the_message(events: list[Event]) -> None:
    for key in ("push-summer-sale", "email-ab-tents", "inapp-membership"):
        held = {event["user_id"] for event in of(events, key, "removed") if event["reason"].endswith("control_group")}
        reached = {event["user_id"] for event in of(events, key, "attempted", "sent", "impression", "click")}
        assert held
        assert not held & reached


def test_the_newsletter_has_eight_runs_and_no_events_of_its_own(events: list[Event]) -> None:
    parent = plan("email-newsletter").campaign_id
    runs = {event["campaign_id"] for event in events if event.get("parent_campaign_id") == parent}
    assert len(runs) == 8
    assert parent not in {event.get("campaign_id") for event in events}


def test_the_subject_line_test_has_a_clear_winner(events: list[Event]) -> None:
    opens = [
        rate(events, "email-ab-tents", "open", "delivered", variation=f"variation_{number}") for number in (1, 2, 3)
    ]
    assert opens[0] < opens[1] < opens[2]
    assert opens[2] > 1.4 * opens[0]


def test_engagement_is_plausible(events: list[Event]) -> None:
    assert 0.15 < rate(events, "email-ssv", "open", "delivered") < 0.5
    assert 0.01 < rate(events, "email-ssv", "click", "delivered") < 0.1
    assert 0.6 < rate(events, "push-summer-sale", "impression", "sent") < 0.85
    assert 0.02 < rate(events, "push-summer-sale", "click", "impression") < 0.15
    assert 0.95 < rate(events, "sms-flash", "delivered", "sent") < 1
    assert 0.6 < rate(events, "whatsapp-size-guide", "read", "delivered") < 0.85
    assert not list(of(events, "sms-pickup", "delivered"))


def test_machines_open_mail(events: list[Event]) -> None:
    opens = Counter(bool(event.get("machine")) for event in of(events, "email-ab-tents", "open"))
    assert opens[True] > 1_000
    assert opens[False] > 1_000


def test_people_sleep(events: list[Event]) -> None:
    zone = ZoneInfo(TIMEZONE)
    hours = Counter(datetime.fromisoformat(event["time"]).astimezone(zone).hour for event in events if "name" in event)
    assert sum(hours[hour] for hour in range(2, 5)) * 4 < sum(hours[hour] for hour in range(18, 21))


def test_purchases_follow_clicks_more_often_than_chance(events: list[Event]) -> None:
    buyers = {event["user_id"] for event in events if event.get("name") == "order_placed"}
    clickers = {event["user_id"] for event in of(events, "email-ab-tents", "click") if not event.get("machine")}
    everybody = {event["user_id"] for event in events}
    assert len(buyers & clickers) / len(clickers) > 1.1 * len(buyers) / len(everybody)


def test_documents_fit_the_campaign_api(demo: Demo) -> None:
    documents = demo.documents()
    assert len(documents) == len(PLANS) == len({document["campaign_id"] for document in documents})
    seen: set[object] = set()
    for document in documents:
        assert document["channel"] in {
            "PUSH", "EMAIL", "SMS", "WHATSAPP", "IN_APP", "CARDS", "ONSITE", "WEB_PERSONALIZATION", "FACEBOOK",
            "GOOGLE ADS", "CONNECTORS",
        }  # fmt: skip
        assert document.get("parent_id") in (None, *seen)
        seen.add(document["campaign_id"])
    names = "".join(str(document["basic_details"]) for document in documents)
    assert "Größenberatung" in names
    assert "夏のアウトドア特集" in names


@pytest.mark.parametrize("metric_type", ["TOTAL", "UNIQUE"])
@pytest.mark.parametrize("key", ["push-summer-sale", "email-ab-tents", "email-newsletter", "cards-weekend"])
def test_expected_counts_agree_with_the_events_themselves(
    demo: Demo, events: list[Event], key: str, metric_type: str
) -> None:
    first, last = TODAY - timedelta(days=14), TODAY - timedelta(days=3)
    zone = ZoneInfo(TIMEZONE)
    wanted = plan(key)
    counted: dict[tuple[str, str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        if wanted.campaign_id not in (event.get("campaign_id"), event.get("parent_campaign_id")):
            continue
        if not first <= datetime.fromisoformat(event["time"]).astimezone(zone).date() <= last:
            continue
        platform = event.get("platform", event["channel"])
        platform = platform.lower() if "platform" in event else platform
        for locale in {"all_locales", event.get("locale", "all_locales")}:
            for variation in {"all_variations", event.get("variation", "all_variations")}:
                counted[(platform, locale, variation)][event["type"]].append(event["user_id"])
    nodes = expected(demo, wanted.campaign_id, first, last, metric_type)
    assert nodes
    assert set(nodes) == set(counted)
    for node, counts in nodes.items():
        for field, kinds in FIELDS[wanted.channel].items():
            users = [user for kind in kinds for user in counted[node][kind]]
            assert counts[field] == (len(users) if metric_type == "TOTAL" else len(set(users))), (node, field)


def answer_of(demo: Demo, first: date, last: date) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for campaign_id in (each.campaign_id for each in PLANS):
        platforms: dict[str, Any] = {}
        for (platform, locale, variation), counts in expected(demo, campaign_id, first, last, "TOTAL").items():
            locales = platforms.setdefault(platform, {"locales": {}})["locales"]
            nodes = locales.setdefault(locale, {"variations": {}})["variations"]
            goal = {VISIT_GOAL: expected_visits(demo, campaign_id, first, last)}
            nodes[variation] = {"performance_stats": dict(counts), "conversion_goal_stats": goal}
        if platforms:
            data[campaign_id] = [{"platforms": platforms}]
    return {"data": data}


def test_comparison_finds_a_wrong_and_a_missing_number(demo: Demo) -> None:
    campaign_id = plan("push-summer-sale").campaign_id
    first, last = TODAY - timedelta(days=20), TODAY
    answer = answer_of(demo, first, last)
    right = compare(demo, answer, first, last, "TOTAL")
    assert right.checked > 300
    assert right.wrong == ()

    locales = answer["data"][campaign_id][0]["platforms"]["ios"]["locales"]
    locales["all_locales"]["variations"]["all_variations"]["performance_stats"]["sent"] += 1
    del locales["ja"]["variations"]["variation_1"]
    found = compare(demo, answer, first, last, "TOTAL").wrong
    assert any("all_locales / all_variations sent" in sentence for sentence in found)
    assert any("ja / variation_1" in sentence for sentence in found)


def test_comparison_finds_wrong_conversions(demo: Demo) -> None:
    first, last = TODAY - timedelta(days=20), TODAY
    answer = answer_of(demo, first, last)
    nodes = answer["data"][plan("email-ab-tents").campaign_id][0]["platforms"]["EMAIL"]["locales"]["all_locales"]
    visits = nodes["variations"]["all_variations"]["conversion_goal_stats"][VISIT_GOAL]
    assert visits["total"] >= visits["unique"] > 5
    visits["revenue"] += 0.01
    assert [VISIT_GOAL in sentence for sentence in compare(demo, answer, first, last, "TOTAL").wrong] == [True]
