"""The demo's own count of purchases: event by event it comes out the same, and it finds wrong answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from campanile.demo import Demo, build
from campanile.demo.check import compare_purchases
from campanile.demo.credits import CHECKED, TOTAL_CONVERSIONS, VIEW_THROUGH, Credits, Earned, Place
from campanile.demo.documents import attribution_hours
from campanile.demo.plans import INCONCLUSIVE, MISMATCH, PURCHASE_EVENT, PURCHASE_GOAL, TIMEZONE, WINNER, Plan, plan
from campanile.experiments.statistics import Arm, Split, check_split, compare, contest

TODAY = date(2025, 10, 20)
FIRST, LAST = TODAY - timedelta(days=31), TODAY - timedelta(days=1)
ZONE = ZoneInfo(TIMEZONE)
DEPTHS = {
    "EMAIL": {"sent": 1, "delivered": 1, "open": 2, "click": 3},
    "SMS": {"sent": 1, "delivered": 2, "click": 3},
    "PUSH": {"sent": 1, "impression": 2, "click": 3},
    "WHATSAPP": {"sent": 1, "delivered": 1, "read": 2, "click": 3},
    "CARDS": {"sent": 1, "delivered": 1, "impression": 2, "click": 3},
}
SHOWN = {"impression": 2, "click": 3}
VIEWS = {"EMAIL": "open", "SMS": "delivered", "WHATSAPP": "delivered"}


pytestmark = pytest.mark.slow

Event = dict[str, Any]


class Touch(NamedTuple):
    at: datetime
    root: str
    instance: str
    platform: str
    variation: str
    depth: int
    view: bool
    group: str
    hours: int
    event_id: str


Lives = dict[str, tuple[list[Touch], list[Event]]]
"""By person."""


@pytest.fixture(scope="module")
def demo() -> Demo:
    return build(TODAY, seed=1)


@pytest.fixture(scope="module")
def events(demo: Demo) -> list[Event]:
    return list(demo.events())


@pytest.fixture(scope="module")
def credits(demo: Demo) -> Credits:
    return Credits(demo, FIRST, LAST)


@pytest.fixture(scope="module")
def lives(demo: Demo, events: list[Event]) -> Lives:
    """By person: everything that may earn credit, and the purchases of the days in question."""
    plans = {table.plan.campaign_id: table.plan for table in demo.tables if PURCHASE_EVENT in table.plan.goals}
    found: Lives = defaultdict(lambda: ([], []))
    for event in events:
        touches, orders = found[event["user_id"]]
        if event.get("name") == PURCHASE_EVENT:
            if FIRST <= datetime.fromisoformat(event["time"]).astimezone(ZONE).date() <= LAST:
                orders.append(event)
        elif event.get("campaign_id") in plans and (touch := touch_of(event, plans[event["campaign_id"]])):
            touches.append(touch)
    return found


def touch_of(event: Event, of: Plan) -> Touch | None:
    kind, channel = event["type"], of.channel
    depth = DEPTHS.get(channel, SHOWN).get(kind, 0)
    view = kind == VIEWS.get(channel, "impression")
    if kind == "sent" and not of.delivery_tracking:
        depth, view = 2, True
    group = event["reason"] if kind == "removed" and event["reason"].endswith("control_group") else ""
    if not depth and not group:
        return None
    return Touch(
        at=datetime.fromisoformat(event["time"]),
        root=of.parent_id or of.campaign_id,
        instance=event.get("instance_id", of.campaign_id),
        platform=event["platform"].lower() if "platform" in event else channel,
        variation=event.get("variation", ""),
        depth=depth,
        view=view,
        group=group,
        hours=attribution_hours(of),
        event_id=event["event_id"],
    )


def winners(touches: list[Touch], root: str, attribution: str, group: str, at: datetime) -> Iterator[Touch]:
    """The one touch that earns a purchase for a campaign, if any does."""
    open_ = [t for t in touches if t.group == group and timedelta(0) <= at - t.at <= timedelta(hours=t.hours)]
    if attribution == VIEW_THROUGH:
        open_ = [t for t in open_ if t.root == root and (t.view or t.group)]
        yield from [max(open_, key=lambda t: (t.at, t.event_id))] if open_ else []
    elif open_ and (best := max(open_, key=lambda t: (t.depth, t.at, t.event_id))).root == root:
        yield best


@pytest.mark.parametrize("attribution", CHECKED)
@pytest.mark.parametrize(
    "key", [WINNER, MISMATCH, "push-summer-sale", "email-newsletter", "flow-cart-push", "sms-pickup", "web-hero"]
)
def test_counted_event_by_event(credits: Credits, lives: Lives, key: str, attribution: str) -> None:
    root = plan(key)
    counted: dict[Place, list[tuple[str, str, int]]] = defaultdict(list)
    for person, (touches, orders) in lives.items():
        for order in orders:
            at = datetime.fromisoformat(order["time"])
            cents = round(order["attributes"]["total"] * 100)
            for group in ("", "campaign_control_group", "global_control_group"):
                for touch in winners(touches, root.campaign_id, attribution, group, at):
                    if group and root.platforms:
                        continue  # hold-outs per platform are left to the tests of the store
                    places = {group or "all_variations", touch.variation if len(root.variations) > 1 else ""}
                    for place in places - {""}:
                        counted[(touch.platform, place)].append((person, touch.instance, cents))
    expected = {
        place: Earned(len(rows), len({row[:2] for row in rows}), sum(row[2] for row in rows))
        for place, rows in counted.items()
    }
    found = {**credits.of(root, attribution), **credits.held_out(root, attribution)}
    assert {place: earned for place, earned in found.items() if earned.total} == expected
    assert expected


def test_every_campaign_with_the_goal_is_counted_once(credits: Credits) -> None:
    keys = [root.key for root in credits.roots]
    assert len(keys) == len(set(keys))
    assert "email-newsletter" in keys
    assert "email-newsletter-1" not in keys
    assert "connector-loyalty" not in keys


def test_last_interaction_credits_every_purchase_once_at_most(demo: Demo, credits: Credits) -> None:
    everything = [credits.of(root, TOTAL_CONVERSIONS) for root in credits.roots]
    credited = sum(
        earned.total for places in everything for (_, variation), earned in places.items() if "all" in variation
    )
    assert 500 < credited < demo.orders.person.size


def test_a_wrong_answer_is_found(credits: Credits) -> None:
    data: dict[str, Any] = {}
    for root in credits.roots:
        platforms: dict[str, Any] = {}
        for (platform, variation), earned in {
            **credits.of(root, VIEW_THROUGH),
            **credits.held_out(root, VIEW_THROUGH),
        }.items():
            goal = {"total": earned.total, "unique": earned.unique, "revenue": earned.cents / 100}
            node = {"conversion_goal_stats": {PURCHASE_GOAL: goal}}
            locales = platforms.setdefault(platform, {"locales": {"all_locales": {"variations": {}}}})
            locales["locales"]["all_locales"]["variations"][variation] = node
        data[root.campaign_id] = [{"platforms": platforms}]
    right = compare_purchases(credits, {"data": data}, VIEW_THROUGH)
    assert right.wrong == ()
    assert right.checked > 150
    nodes = data[plan(WINNER).campaign_id][0]["platforms"]["EMAIL"]["locales"]["all_locales"]["variations"]
    nodes["variation_1"]["conversion_goal_stats"][PURCHASE_GOAL]["revenue"] += 0.01
    del nodes["campaign_control_group"]
    wrong = compare_purchases(credits, {"data": data}, VIEW_THROUGH).wrong
    assert len(wrong) == 4
    assert "variation_1" in wrong[0]
    assert "campaign_control_group" in wrong[1]


# ---- The three experiments ---------------------------------------------------------------------------------------


def arms(events: list[Event], key: str) -> tuple[dict[str, Arm], list[int]]:
    """People sent to, per variation and in all, and held out by the campaign, with those who bought in time; and how
    many were tried and held out."""
    wanted = plan(key)
    sent: dict[str, Event] = {}
    held: dict[str, Event] = {}
    tried: set[str] = set()
    orders: dict[str, list[datetime]] = defaultdict(list)
    for event in events:
        user = event["user_id"]
        if event.get("name") == PURCHASE_EVENT:
            orders[user].append(datetime.fromisoformat(event["time"]))
        elif event.get("campaign_id") == wanted.campaign_id:
            if event["type"] == "sent":
                sent[user] = event
            if event["type"] in ("attempted", "impression", "failed"):
                tried.add(user)
            if event.get("reason") == "campaign_control_group":
                held[user] = event
    reach = timedelta(hours=attribution_hours(wanted))

    def arm(people: dict[str, Event]) -> Arm:
        start = {user: datetime.fromisoformat(event["time"]) for user, event in people.items()}
        return Arm(
            sum(any(timedelta(0) <= at - start[user] <= reach for at in orders[user]) for user in people), len(people)
        )

    found = {"sent": arm(sent), "held": arm(held)}
    for variation in wanted.variations:
        found[variation.name] = arm({u: e for u, e in sent.items() if e["variation"] == variation.name})
    return found, [len(tried), len(held)]


def split(key: str, sizes: list[int]) -> Split:
    return check_split(sizes, [100 - plan(key).control, plan(key).control])


def test_one_clear_winner(events: list[Event]) -> None:
    found, sizes = arms(events, WINNER)
    effect = compare(found["sent"], found["held"])
    assert effect.status == "significant"
    assert effect.difference is not None
    assert effect.difference > 2
    assert contest({name: found[name] for name in ("variation_1", "variation_2")}).winner == "variation_2"
    assert split(WINNER, sizes).status == "as_declared"


def test_one_inconclusive_test(events: list[Event]) -> None:
    found, sizes = arms(events, INCONCLUSIVE)
    assert compare(found["sent"], found["held"]).status == "not_significant"
    assert split(INCONCLUSIVE, sizes).status == "as_declared"


def test_one_sample_ratio_mismatch(events: list[Event]) -> None:
    _, sizes = arms(events, MISMATCH)
    found = split(MISMATCH, sizes)
    assert found.status == "mismatch"
    assert found.p_value is not None
    assert found.p_value < 1e-6


@pytest.mark.parametrize("key", ["push-summer-sale", "email-ab-tents", "inapp-membership", "email-newsletter-8"])
def test_the_other_campaigns_kept_their_control_groups(events: list[Event], key: str) -> None:
    _, sizes = arms(events, key)
    assert split(key, sizes).status == "as_declared"
