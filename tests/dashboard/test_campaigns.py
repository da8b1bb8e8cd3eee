"""Pages about campaigns say what the Stats API says, and only when there is something new to say."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from campanile.dashboard.campaigns.service import encode_cursor
from campanile.dashboard.ranges import ATTRIBUTION_LABELS
from tests.conftest import NOW
from tests.dashboard.site import Site

pytestmark = pytest.mark.slow

MAIL, PUSH, PARENT, CHILD = (f"{number:024x}" for number in (1, 2, 3, 4))
NASTY = "\"'><img src=x onerror=alert(1)>春のセール Größe"
DAYS = {"start_date": "2026-03-10", "end_date": "2026-03-18"}
RANGE = "from=2026-03-10&to=2026-03-18"
GOALS = {"goals": [{"goal_name": "Buy", "goal_event_name": "bought", "is_primary_goal": True,
                    "revenue_attribute": "price", "revenue_currency": "EUR"}]}  # fmt: skip


class Attributes(HTMLParser):
    """Elements with data- attributes, in order: their attributes, and the cells below them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self.tags: set[str] = set()
        self.names: set[str] = set()
        """Of all attributes."""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names.update(name for name, _ in attributes)
        data = {name: value or "" for name, value in attributes if name.startswith("data-")}
        if data:
            self.found.append(data)

    def after(self, name: str, value: str) -> dict[str, str]:
        """The data of the first elements behind the one where `name` is `value`, until the next such element."""
        start = next(place for place, data in enumerate(self.found) if data.get(name) == value)
        merged = dict(self.found[start])
        for data in self.found[start + 1 :]:
            if name in data:
                break
            for key, content in data.items():
                merged.setdefault(key, content)
        return merged

    def values(self, name: str) -> list[str]:
        return [data[name] for data in self.found if name in data]


def document(campaign_id: str, channel: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "channel": channel,
        "campaign_delivery_type": "ONE_TIME",
        "status": "SENT",
        "created_at": "2026-03-01T10:00:00Z",
        "basic_details": {"name": name, "tags": ["spring"]},
        **more,
    }


def event(campaign_id: str, channel: str, user: int, kind: str, **more: Any) -> dict[str, Any]:
    moment = NOW - timedelta(days=1 + user % 5, hours=3)
    return {
        "event_id": f"{campaign_id}-{user}-{kind}",
        "type": kind,
        "time": moment.isoformat(),
        "campaign_id": campaign_id,
        "channel": channel,
        "user_id": f"user-{user % 20}",
        **({"platform": ("ANDROID", "IOS")[user % 2]} if channel == "PUSH" else {}),
        **more,
    }


def events() -> Iterator[dict[str, Any]]:
    for campaign_id, channel, kinds in (
        (MAIL, "EMAIL", ("qualified", "attempted", "sent", "delivered", "open", "click")),
        (PUSH, "PUSH", ("qualified", "attempted", "sent", "impression", "click")),
        (CHILD, "EMAIL", ("attempted", "sent", "delivered")),
    ):
        for user in range(24):
            node = {"locale": ("de", "ja")[user % 2], "variation": f"variation_{1 + user % 3 % 2}"}
            for step, kind in enumerate(kinds):
                if user % (step + 1) == 0:
                    yield event(campaign_id, channel, user, kind, **node)
            if user % 5 == 1:
                yield event(campaign_id, channel, user, "failed", reason="provider_down")
    for user in (0, 10, 15):
        moment = (NOW - timedelta(hours=20)).isoformat()
        yield {"event_id": f"bought-{user}", "type": "custom", "name": "bought", "user_id": f"user-{user}",
               "time": moment, "attributes": {"price": 12.5}}  # fmt: skip


@pytest.fixture(name="shop", scope="module")
def _shop(site: Site) -> Site:
    site.server.import_campaigns(
        site.owner,
        [
            document(MAIL, "EMAIL", NASTY, conversion_goal_details=GOALS),
            document(PUSH, "PUSH", "=cmd|' /C calc'!A0"),
            document(PARENT, "EMAIL", "Newsletter"),
            {"campaign_id": CHILD, "parent_id": PARENT, "status": "SENT", "created_at": "2026-03-02T10:00:00Z"},
        ],
    )
    verdicts = site.server.send_events(site.owner, list(events()))
    assert verdicts["rejected"] == 0, verdicts
    return site


def base(site: Site) -> str:
    return f"/w/{site.id}/campaigns"


def show(site: Site, path: str) -> str:
    answer = site.viewer.get(path)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def stats(site: Site, campaign_id: str, metric_type: str, attribution: str = "VIEW_THROUGH") -> Any:
    """The node over everything; the platform where the API's dialect has no node over all of them."""
    site.server.fresh_window()
    site.server.configure(site.id, {"stats_dialect": "live"})
    answer = site.server.stats(site.owner, request_id="x", campaign_ids=[campaign_id], **DAYS,
                               attribution_type=attribution, metric_type=metric_type)  # fmt: skip
    platforms = answer["data"][campaign_id][0]["platforms"]
    return platforms["ALL_PLATFORMS"]["locales"]["all_locale"]["variations"]["all_variations"]


@pytest.mark.parametrize("campaign_id", [MAIL, PUSH, PARENT, CHILD])
def test_every_number_is_that_of_the_stats_api(shop: Site, campaign_id: str) -> None:
    page = Attributes(show(shop, f"{base(shop)}/{campaign_id}?{RANGE}"))
    total, unique = (stats(shop, campaign_id, metric_type) for metric_type in ("TOTAL", "UNIQUE"))
    assert total["performance_stats"]["sent"] > 0
    aliases = {"bounce", "open"}
    shown = {field: page.after("data-metric", field) for field in page.values("data-metric")}
    assert set(shown) == set(total["performance_stats"]) - aliases
    for field, data in shown.items():
        assert float(data["data-total"]) == total["performance_stats"][field], field
        assert float(data["data-unique"]) == unique["performance_stats"][field], field
    steps = {key: int(page.after("data-step", key)["data-total"]) for key in page.values("data-step")}
    assert steps == total["delivery_funnel"]
    reasons = {key: int(page.after("data-reason", key)["data-total"]) for key in page.values("data-reason")}
    assert reasons == {key: count for key, count in total["failure_breakdown"].items() if count}
    if reasons:
        assert sum(reasons.values()) > 0


def test_conversions_are_those_of_the_stats_api(shop: Site) -> None:
    for attribution in ("VIEW_THROUGH", "CLICK_THROUGH", "TOTAL_CONVERSIONS"):
        page = Attributes(show(shop, f"{base(shop)}/{MAIL}?{RANGE}&attribution={attribution}"))
        (goal,) = stats(shop, MAIL, "TOTAL", attribution)["conversion_goal_stats"].values()
        data = page.after("data-goal", "Buy")
        found = {key: float(data[f"data-{key}"]) for key in ("total", "unique", "cvr", "revenue")}
        assert found == {key: goal[key] for key in found}
    assert found["total"] > 0
    table = show(shop, f"{base(shop)}/{MAIL}/attributions?{RANGE}")
    assert len(re.findall(r'data-attribution="', table)) == 5


def test_splits_show_one_kind_of_number_at_a_time(shop: Site) -> None:
    numbers = Attributes(show(shop, f"{base(shop)}/{PUSH}?{RANGE}&count=unique"))
    assert numbers.values("data-split") == ["platforms", "locales", "variations"]
    fields = set(numbers.values("data-field"))
    assert fields
    percent = Attributes(show(shop, f"{base(shop)}/{PUSH}?{RANGE}&show=percent"))
    assert not fields & set(percent.values("data-field"))
    assert "ctr" in percent.values("data-field")


def test_definitions_are_on_the_page(shop: Site) -> None:
    text = show(shop, f"{base(shop)}/{MAIL}?{RANGE}")
    assert "Messages the provider accepted. No promise of arrival." in text
    assert "clicks ÷ delivered" in text
    assert "rates divide by unique all opens" in text


def test_every_number_explains_itself(shop: Site) -> None:
    """Each column of numbers on each page has a definition, for the pointer and for screen readers."""
    for path in ("", f"/campaigns?{RANGE}", *(f"/campaigns/{name}?{RANGE}" for name in (MAIL, PUSH, PARENT)),
                 f"/campaigns/{MAIL}/attributions?{RANGE}", f"/campaigns/{MAIL}/experiment?{RANGE}"):  # fmt: skip
        text = show(shop, f"/w/{shop.id}{path}")
        heads = re.findall(r'<th scope="col" class="num"[^>]*>(.*?)</th>', text, re.DOTALL)
        if "/experiment" not in path:
            assert heads, path
        assert [head for head in heads if 'class="tip"' not in head] == [], path
        for reason in re.findall(r'<li data-reason="[^"]*">(.*?)</li>', text, re.DOTALL):
            assert "percentage is of all reasons" in reason
        for number in re.findall(r'<div class="kpi">\s*<dt>(.*?)</dt>', text, re.DOTALL):
            assert 'class="tip"' in number


def test_series_add_up(shop: Site) -> None:
    for unit in ("hour", "day", "week"):
        page = Attributes(show(shop, f"{base(shop)}/{MAIL}?{RANGE}&unit={unit}"))
        columns = 6  # sent, delivered, opens, clicks, failed and the start
        rows = page.values("data-at")
        values = [int(data["data-value"]) for data in page.found if set(data) == {"data-value"}]
        assert len(values) == len(rows) * (columns - 1)
        assert sum(values[:: columns - 1]) == stats(shop, MAIL, "TOTAL")["performance_stats"]["sent"]


def test_names_stay_names(shop: Site) -> None:
    for path in (base(shop), f"{base(shop)}/{MAIL}", f"{base(shop)}/{MAIL}/attributions"):
        page = Attributes(show(shop, path))
        assert [name for name in page.names if name.startswith("on") or name == "style"] == []
        assert "&lt;img src=x" in show(shop, path)


def test_live_answers_nothing_until_something_moves(shop: Site) -> None:
    path = f"{base(shop)}/{MAIL}"
    page = Attributes(show(shop, f"{path}?{RANGE}"))
    (mark,), (live,) = page.values("data-mark"), page.values("data-live")
    quiet = shop.viewer.get(f"{live}&mark={mark}")
    assert (quiet.status_code, quiet.content) == (204, b"")
    other = {"event_id": "other-1", "type": "sent", "time": NOW.isoformat(), "campaign_id": PUSH, "channel": "PUSH",
             "platform": "IOS", "user_id": "somebody"}  # fmt: skip
    shop.server.send_events(shop.owner, [other])
    assert shop.viewer.get(f"{live}&mark={mark}").status_code == 204
    shop.server.send_events(
        shop.owner, [{**other, "event_id": "mail-1", "campaign_id": MAIL, "channel": "EMAIL", "platform": None}]
    )
    moved = shop.viewer.get(f"{live}&mark={mark}")
    assert moved.status_code == 200
    part = Attributes(moved.text)
    assert "html" not in part.tags
    before, after = (int(found.after("data-metric", "sent")["data-total"]) for found in (page, part))
    assert after == before + 1
    (fresh,) = part.values("data-mark")
    assert shop.viewer.get(f"{live}&mark={fresh}").status_code == 204
    shop.server.send_events(
        shop.owner, [{"event_id": "bought-late", "type": "custom", "name": "bought", "user_id": "user-0",
                      "time": NOW.isoformat(), "attributes": {"price": 1}}]
    )  # fmt: skip
    assert shop.viewer.get(f"{live}&mark={fresh}").status_code == 200
    assert shop.viewer.get(f"{live}&mark=nonsense").status_code == 200


def test_files_hold_what_the_page_shows(shop: Site) -> None:
    path = f"{base(shop)}/{PUSH}"
    answer = shop.viewer.get(f"{path}/numbers.csv?{RANGE}")
    assert answer.headers["content-disposition"] == f'attachment; filename="campaign-{PUSH}-2026-03-10-2026-03-18.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    total, unique = (stats(shop, PUSH, metric_type) for metric_type in ("TOTAL", "UNIQUE"))
    whole = {"Platform": "ALL_PLATFORMS", "Locale": "all_locales", "Variation": "all_variations"}
    found = {
        row["Key"]: (float(row["Total"]), float(row["Unique"]))
        for row in rows
        if row["Section"] == "performance" and whole.items() <= row.items()
    }
    assert found == {
        key: (value, unique["performance_stats"][key]) for key, value in total["performance_stats"].items()
    }
    content = json.loads(shop.viewer.get(f"{path}/numbers.json?{RANGE}").content)
    node = content["total"]["ALL_PLATFORMS"]["all_locales"]["all_variations"]
    assert node["performance"] == total["performance_stats"]
    assert content["name"] == "=cmd|' /C calc'!A0"
    earned = shop.viewer.get(f"{base(shop)}/{MAIL}/attributions.csv?{RANGE}").content.decode("utf-8-sig")
    assert {row["Attribution"] for row in csv.DictReader(io.StringIO(earned))} == set(ATTRIBUTION_LABELS)
    experiment = json.loads(shop.viewer.get(f"{path}/experiment.json?{RANGE}").content)
    assert experiment["campaign_id"] == PUSH
    activity = shop.viewer.get(f"{path}/activity.csv?{RANGE}&unit=day").content.decode("utf-8-sig")
    assert sum(int(row["Sent"]) for row in csv.DictReader(io.StringIO(activity))) == total["performance_stats"]["sent"]


def test_the_list_finds_filters_and_pages(shop: Site) -> None:
    def names(query: str) -> list[str]:
        return re.findall(rf'{base(shop)}/([0-9a-f]{{24}})"><bdi>', show(shop, f"{base(shop)}?{query}"))

    assert set(names(RANGE)) == {MAIL, PUSH, PARENT, CHILD}
    assert names("q=größe") == [MAIL]
    assert names("channel=PUSH") == [PUSH]
    assert names("relation=children") == names(f"parent={PARENT}") == [CHILD]
    assert set(names("tags=spring&relation=top")) == {MAIL, PUSH, PARENT}
    assert names("sort=name&dir=asc")[0] == MAIL
    assert names("created_from=2026-03-02&created_to=2026-03-02") == [CHILD]
    assert names("q=nothing-like-this") == []
    assert "No campaign found" in show(shop, f"{base(shop)}?q=nothing-like-this")


def test_the_list_as_a_file_is_guarded(shop: Site) -> None:
    answer = shop.viewer.get(f"{base(shop)}.csv?{RANGE}&sort=name&dir=asc")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    names = {row["Campaign id"]: row["Name"] for row in rows}
    assert names[PUSH] == "'=cmd|' /C calc'!A0"
    assert names[MAIL] == NASTY
    sent = {row["Campaign id"]: row["Sent"] for row in rows}
    assert float(sent[CHILD]) == float(sent[PARENT]) == stats(shop, PARENT, "TOTAL")["performance_stats"]["sent"]


BROKEN = [("created", "text"), ("created", 1 << 70), ("name", 7), ("name", "nul\0")]


@pytest.mark.parametrize(
    "query",
    [
        "sort=revenue",
        "relation=cousins",
        "after=%25%25",
        "after=W10",
        "created_from=yesterday",
        "range=3d",
        "count=x",
        "q=%00",
        "tags=%00",
        *(f"sort={sort}&after={encode_cursor((value, 'f' * 24))}" for sort, value in BROKEN),
    ],
)
def test_broken_links_are_refused(shop: Site, query: str) -> None:
    assert shop.viewer.get(f"{base(shop)}?{query}").status_code == 400


def test_what_is_not_there(shop: Site) -> None:
    assert shop.viewer.get(f"{base(shop)}/{'f' * 24}").status_code == 404
    assert shop.viewer.get(f"{base(shop)}/nothing/live").status_code == 404
    assert shop.people["stranger"].get(f"{base(shop)}/{MAIL}").status_code == 404


def test_range_and_attribution_are_remembered(shop: Site) -> None:
    person = shop.people["analyst"]
    person.get(f"{base(shop)}?range=7d&attribution=CLICK_THROUGH")
    text = person.get(f"{base(shop)}/{MAIL}").text
    assert '<option value="7d" selected>' in text
    assert '<option value="CLICK_THROUGH" selected>' in text
    person.get(f"/w/{shop.id}?range=30d")
    assert '<option value="30d" selected>' in person.get(base(shop)).text
