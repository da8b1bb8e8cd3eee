"""How clients in the wild ask the Stats API, and their answers read as those clients read them.

Each test is one client: its requests, its way of paging and stopping, the members it takes. What they find is compared
with a count over the events that were sent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from campanile.workspaces.schemas import CreatedWorkspace
from tests.stats.inprocess import InProcess, basic, running
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.slow

PATH = "/core-services/v1/campaign-stats"
TODAY = date(2026, 3, 20)
PUSHES = [f"{number:024x}" for number in range(1, 13)]
"""Twelve campaigns: more than fit on a page."""
MAIL, FLOW = "e0" * 12, "f0" * 12
UNKNOWN = "ab" * 12
ACTIVE = (date(2026, 3, 1), date(2026, 3, 10))
"""First and last day with events."""
ALL = "all_variations"

Json = dict[str, Any]


def campaigns() -> Iterator[Json]:
    shared = {"campaign_delivery_type": "ONE_TIME", "status": "SENT", "created_at": "2026-02-01T00:00:00Z"}
    goal = {"goal_name": "Purchase", "goal_event_name": "purchase", "revenue_attribute": "amount"}
    goals = {"conversion_goal_details": {"attribution_window_in_hours": 48, "goals": [goal]}}
    for number, campaign_id in enumerate(PUSHES):
        basics = {"name": f"Push {number}", "platforms": ["ANDROID", "IOS"]}
        yield {"campaign_id": campaign_id, "channel": "PUSH", "basic_details": basics, **shared}
    yield {"campaign_id": MAIL, "channel": "EMAIL", "basic_details": {"name": "Mail"}, **goals, **shared}
    flow = {"flow_id": "f1" * 12, "flow_name": "Welcome", "campaign_delivery_type": "EVENT_TRIGGERED"}
    yield {"campaign_id": FLOW, "channel": "WHATSAPP", "basic_details": {"name": "Hello"}, **goals, **shared, **flow}


def events() -> Iterator[Json]:
    """On each active day some users per campaign, on both platforms; every user of mail and flow buys later."""
    days = [ACTIVE[0] + timedelta(days=number) for number in range((ACTIVE[1] - ACTIVE[0]).days + 1)]
    for number, day in enumerate(days):
        for position, campaign_id in enumerate(PUSHES):
            for user in range(1 + position % 3):
                platform = "IOS" if user % 2 else "ANDROID"
                kinds = ("attempted", "sent", "impression", "click") if number % 2 else ("attempted", "sent")
                for kind in kinds:
                    yield _event(day, kind, campaign_id, "PUSH", user, platform=platform, device_id=f"d{user}")
        for campaign_id, channel, kinds in (
            (MAIL, "EMAIL", ("attempted", "sent", "delivered", "open", "click", "hard_bounce")),
            (FLOW, "WHATSAPP", ("sent", "delivered", "read", "click")),
        ):
            for kind in kinds:
                yield _event(day, kind, campaign_id, channel, number)
        buyer = {"user_id": f"u{number}", "name": "purchase", "attributes": {"amount": 10.5}}
        yield {"event_id": f"buy-{number}", "type": "custom", "time": f"{day}T13:00:00Z", **buyer}


def _event(day: date, kind: str, campaign_id: str, channel: str, user: int, **more: str) -> Json:
    named = {"event_id": f"{day}-{kind}-{campaign_id}-{user}", "type": kind, "time": f"{day}T12:00:00Z"}
    return {**named, "campaign_id": campaign_id, "channel": channel, "user_id": f"u{user}", **more}


COUNTED = Counter((event["time"][:10], event.get("campaign_id"), event["type"]) for event in events())


def total(kind: str, campaign_ids: Sequence[str], first: date = ACTIVE[0], last: date = ACTIVE[1]) -> int:
    """What a plain count over the events gives."""
    return sum(
        count
        for (day, campaign_id, each), count in COUNTED.items()
        if each == kind and campaign_id in campaign_ids and str(first) <= day <= str(last)
    )


class Shop(NamedTuple):
    """A server with the events in it, and how its owner asks."""

    server: InProcess
    owner: CreatedWorkspace

    def post(self, body: Json, **headers: str) -> Any:
        self.server.fresh_window()
        return self.send(body, **headers)

    def send(self, body: Json, **headers: str) -> Any:
        """Without waiting for another window of the rate limit."""
        given = {
            "Authorization": basic(self.owner.workspace.id, self.owner.report_key),
            "MOE-APPKEY": self.owner.workspace.id,
            "Content-Type": "application/json",
            **headers,
        }
        return self.server.client.post(PATH, content=json.dumps(body), headers=given)

    def ask(self, first: date, last: date, **more: Any) -> Json:
        metrics = {"metric_type": "TOTAL", "attribution_type": "VIEW_THROUGH"}
        answer = self.post({"request_id": "r", "start_date": str(first), "end_date": str(last), **metrics, **more})
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def configured(self, act: Callable[[], Any], **changes: str) -> Any:
        """What `act` gives while the workspace has these settings."""
        self.server.configure(self.owner.workspace.id, changes)
        try:
            return act()
        finally:
            self.server.configure(self.owner.workspace.id, dict.fromkeys(changes, ""))


@pytest.fixture(name="shop", scope="module")
def _shop(embedded: EmbeddedEngine) -> Iterator[Shop]:
    with running(embedded, datetime(2026, 3, 20, 12, tzinfo=UTC)) as server:
        owner = server.services.workspaces.create("A", id="WSCLIENTS")
        assert server.import_campaigns(owner, campaigns())["failed"] == 0
        assert server.send_events(owner, events())["rejected"] == 0
        yield Shop(server, owner)


def test_vendors_agent_server(shop: Shop) -> None:
    """Up to 50 ids and a constant request id; the aggregate platform, else the first; missing ids are zeros."""
    wanted = [*PUSHES, MAIL, *(f"{number:024x}" for number in range(1000, 1037))]
    assert len(wanted) == 50

    def read(found: Json, campaign_id: str) -> Json:
        (entry,) = found["data"].get(campaign_id, [{"platforms": {}}])
        platforms = entry["platforms"]
        platform = platforms.get("ALL_PLATFORMS", next(iter(platforms.values()), {"locales": {}}))
        locale = platform["locales"].get("all_locale", next(iter(platform["locales"].values()), None))
        numbers: Json = locale["variations"][ALL]["performance_stats"] if locale else {}
        return numbers

    asked = {"campaign_ids": wanted, "request_id": "mcp-request"}
    settings = {"max_campaign_ids": "50", "stats_dialect": "live"}
    found = shop.configured(lambda: shop.ask(*ACTIVE, **asked), **settings)
    assert found["response_id"] == "mcp-request"
    for campaign_id in (PUSHES[0], PUSHES[2], MAIL):
        numbers = read(found, campaign_id)
        assert numbers["sent"] == total("sent", [campaign_id])
        assert all(type(numbers.get(name, 0)) is int for name in ("attempted", "sent", "failed", "impression", "click"))
        assert all(isinstance(numbers[name], int | float) for name in ("ctr", "sent_rate", "failure_rate"))
    assert read(found, wanted[-1]) == {}


def test_warehouse_connector_by_days(shop: Shop) -> None:
    """No ids, one day at a time; stops by the counters; each campaign's numbers become the columns of a row."""
    rows: list[Json] = []
    day = ACTIVE[0] - timedelta(days=1)
    while day <= ACTIVE[1] + timedelta(days=1):
        offset = 0
        while True:
            page = shop.ask(day, day, offset=offset, limit=10)
            assert type(page["total_campaigns"]) is int
            for campaign_id, entries in page["data"].items():
                for platform, inner in entries[0]["platforms"].items():
                    stats = inner["locales"]["all_locales"]["variations"][ALL]["performance_stats"]
                    rows.append({"date": str(day), "campaign_id": campaign_id, "platform": platform, **stats})
            offset += 10
            if offset >= page["total_campaigns"]:
                break
        if day in (ACTIVE[0] - timedelta(days=1), ACTIVE[1] + timedelta(days=1)):
            assert page["data"] == {}
        day += timedelta(days=1)
    assert len({(row["date"], row["campaign_id"], row["platform"]) for row in rows}) == len(rows)
    assert sum(row["sent"] for row in rows) == total("sent", [*PUSHES, MAIL, FLOW])


def test_warehouse_connector_by_29_days(shop: Shop) -> None:
    """The same without counters: on until a page is short; and it gives up on 401."""
    first, seen = TODAY - timedelta(days=29), list[str]()
    while True:
        page = shop.ask(first, TODAY, offset=len(seen), limit=10)["data"]
        seen += page
        if len(page) < 10:
            break
    assert len(seen) == len(set(seen)) == len(PUSHES) + 2
    body = {"request_id": "r", "start_date": str(first), "end_date": str(TODAY)}
    assert shop.post(body, Authorization=basic("WSCLIENTS", "wrong-key")).status_code == 401


def test_pandas_loader(shop: Shop) -> None:
    """Sends a member of its own; reads the aggregates of the live service; ends on a short page or by the counters."""

    def load() -> dict[str, tuple[int, int, float]]:
        found, offset = {}, 0
        while True:
            page = shop.ask(*ACTIVE, offset=offset, limit=10, channel="ALL")
            for campaign_id, entries in page["data"].items():
                platforms = entries[0]["platforms"]
                aggregate = platforms.get("ALL_PLATFORMS") or next(iter(platforms.values()))
                node = aggregate["locales"]["all_locale"]["variations"][ALL]
                goal = node["conversion_goal_stats"].get("Purchase", {})
                converted = goal.get("total", goal.get("unique", 0))
                found[campaign_id] = (node["performance_stats"]["sent"], converted, goal.get("revenue", 0))
            if len(page["data"]) < 10 or offset + 10 >= page["total_campaigns"]:
                return found
            offset += 10

    found = shop.configured(load, stats_dialect="live")
    assert found == {
        **{campaign_id: (total("sent", [campaign_id]), 0, 0) for campaign_id in PUSHES},
        MAIL: (10, 10, 105.0),
        FLOW: (10, 10, 105.0),
    }


def test_loader_that_met_the_real_answer(shop: Shop) -> None:
    """Every campaign is a list with one object in it."""
    for entries in shop.ask(*ACTIVE)["data"].values():
        assert isinstance(entries, list) and len(entries) == 1 and list(entries[0]) == ["platforms"]


def test_metrics_web_app(shop: Shop) -> None:
    """Batches of ten ids, a header of its own, `open` and `bounced`; a campaign that is missing has zeros."""
    wanted = [*PUSHES, MAIL, UNKNOWN]
    found: dict[str, Counter[str]] = {campaign_id: Counter() for campaign_id in wanted}
    for start in range(0, len(wanted), 10):
        body = {
            "request_id": "metrics", "campaign_ids": wanted[start : start + 10], "metric_type": "TOTAL",
            "start_date": str(ACTIVE[0]), "end_date": str(ACTIVE[1]), "attribution_type": "CLICK_THROUGH",
        }  # fmt: skip
        answer = shop.post(body, APP_SECRET_KEY="unused")
        assert answer.status_code == 200
        for campaign_id, entries in answer.json()["data"].items():
            for platform in entries[0]["platforms"].values():
                stats = platform["locales"]["all_locales"]["variations"][ALL]["performance_stats"]
                found[campaign_id].update({name: stats.get(name, 0) for name in ("sent", "open", "bounced", "click")})
    assert found[MAIL] == {"sent": 10, "open": 10, "bounced": 10, "click": 10}
    assert found[PUSHES[1]]["sent"] == total("sent", [PUSHES[1]])
    assert not any(found[UNKNOWN].values())


def test_web_dashboard(shop: Shop) -> None:
    """Adds up every platform and locale of three windows of 30 days; shows what an error describes; lives with 403."""
    sums: Counter[str] = Counter()
    for number in range(3):
        last = TODAY - timedelta(days=30 * number + number)
        answer = shop.ask(last - timedelta(days=30), last, campaign_ids=[PUSHES[2], MAIL])
        for entries in answer["data"].values():
            for platform in entries[0]["platforms"].values():
                for locale in platform["locales"].values():
                    stats = locale["variations"][ALL]["performance_stats"]
                    sums["sent"] += stats["sent"]
                    sums["clicks"] += stats.get("clicks", stats.get("click", 0))
                    sums["impressions"] += stats.get("impressions", stats.get("impression", 0))
    counted = {"sent": "sent", "clicks": "click", "impressions": "impression"}
    assert dict(sums) == {name: total(kind, [PUSHES[2], MAIL]) for name, kind in counted.items()}

    too_long = shop.post({
        "request_id": "r", "start_date": str(TODAY - timedelta(days=31)), "end_date": str(TODAY),
        "metric_type": "TOTAL", "attribution_type": "VIEW_THROUGH",
    })  # fmt: skip
    assert too_long.status_code == 400 and "end_date" in too_long.json()["description"]
    forbidden = shop.post({}, Authorization=basic("WSCLIENTS", shop.owner.ingest_key))
    assert forbidden.status_code == 403 and forbidden.json()["title"]


def test_catalogue_extractor(shop: Shop) -> None:
    """Chunks of 30 days and ten ids; an empty list of ids means all; every member becomes a column, uncapped."""
    everything = shop.ask(*ACTIVE, campaign_ids=[])
    assert everything["total_campaigns"] == len(PUSHES) + 2
    columns: set[str] = set()
    sent = 0
    wanted = [*PUSHES, MAIL, FLOW]
    for start in range(0, len(wanted), 10):
        page = shop.ask(ACTIVE[0], ACTIVE[0] + timedelta(days=29), campaign_ids=wanted[start : start + 10])
        for entries in page["data"].values():
            for platform in entries[0]["platforms"].values():
                node = platform["locales"]["all_locales"]["variations"][ALL]
                flat = {**node["performance_stats"], **node["delivery_funnel"]}
                assert all(isinstance(value, int | float) for value in flat.values())
                columns |= flat.keys()
                sent += node["performance_stats"]["sent"]
    assert {"attempted", "sent", "ctr", "active_device_token", "user_with_email"} <= columns
    assert sent == total("sent", wanted)


def test_flow_exporter(shop: Shop) -> None:
    """Windows of 30 calendar days; sums opens, reads, adjusted opens, conversions and revenue; waits when told to."""
    numbers: Counter[str] = Counter()
    first = ACTIVE[0] - timedelta(days=40)
    while first <= TODAY:
        last = min(first + timedelta(days=29), TODAY)
        for entries in shop.ask(first, last, campaign_ids=[MAIL, FLOW])["data"].values():
            for platform in entries[0]["platforms"].values():
                node = platform["locales"]["all_locales"]["variations"][ALL]
                stats, goal = node["performance_stats"], node["conversion_goal_stats"]["Purchase"]
                numbers["opens"] += stats.get("open", stats.get("read", 0))
                numbers["conversions"] += goal["total"]
                numbers["revenue"] += goal["revenue"]
        first = last + timedelta(days=1)
    assert numbers == {"opens": 20, "conversions": 20, "revenue": 210.0}
    adjusted = shop.configured(lambda: shop.ask(*ACTIVE, campaign_ids=[MAIL]), bot_mode="both")
    (platform,) = adjusted["data"][MAIL][0]["platforms"].values()
    assert platform["locales"]["all_locales"]["variations"][ALL]["performance_stats"]["adjusted_open"] == 10

    def one_too_many() -> Any:
        answers = [shop.send({"request_id": "r"}) for _ in range(3)]
        return answers[-1]

    shop.server.fresh_window()
    limited = shop.configured(one_too_many, rate_limit="2")
    waited = int(limited.headers["Retry-After"])
    assert (limited.status_code, limited.content, waited >= 1) == (429, b"", True)
    shop.server.clock.advance(waited)
    assert shop.send({"request_id": "r"}).status_code == 400


def test_hardened_client(shop: Shop) -> None:
    """Decodes JSON before it looks at the status: all errors but the documented empty one can be decoded."""
    wrong: list[tuple[Json, dict[str, str], int]] = [
        ({}, {}, 400),
        ({}, {"Authorization": basic("WSCLIENTS", "wrong-key")}, 401),
        ({}, {"Authorization": basic("WSCLIENTS", shop.owner.ingest_key)}, 403),
        ({}, {"Content-Type": "text/plain"}, 415),
    ]
    for body, headers, status in wrong:
        answer = shop.post(body, **headers)
        assert answer.status_code == status
        assert {"title", "description", "code"} <= answer.json().keys()


def test_draft_that_asks_for_too_much(shop: Shop) -> None:
    """A page of a hundred does not exist, and is not silently made smaller."""
    answer = shop.post({
        "request_id": "r", "start_date": str(ACTIVE[0]), "end_date": str(ACTIVE[1]), "limit": 100,
        "metric_type": "TOTAL", "attribution_type": "VIEW_THROUGH",
    })  # fmt: skip
    assert answer.status_code == 400 and "limit" in answer.json()["description"]
