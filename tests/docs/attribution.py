"""The worked examples of `docs/attribution.md`, from the golden files that the tests compare the engine with.

`python -m tests.docs.attribution` renews what stands between the marks `<!-- example: NAME -->` and `<!-- end -->`;
the rest of the page is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.attribution import CONTROLS, TYPES, Fields, instant
from tests.oracle.attribution_cases import CASES

PAGE = Path(__file__).parent.parent.parent / "docs" / "attribution.md"
HEADINGS = ("View-through", "Click-through", "In-session", "Total conversions", "Click conversions")
"""What people call the five types, in the order of `TYPES`."""
GROUPS = {"campaign_control_group": "campaign control group", "global_control_group": "global control group"}
NAMES = {"IOS": "iOS", "EMAIL": "E-mail", "WHATSAPP": "WhatsApp", "MWEB": "the mobile web", "WEB": "the web"}
_EXAMPLE = re.compile(r"(<!-- example: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(page: str) -> str:
    """The page with its examples as the golden files have them now."""
    return _EXAMPLE.sub(lambda match: f"{match[1]}{example(CASES[match[2]])}{match[3]}", page)


def examples(page: str) -> list[str]:
    """Names of the examples of a page."""
    return [match[2] for match in _EXAMPLE.finditer(page)]


def example(case: Fields) -> str:
    """One example: who asks for what, what happened, what is credited."""
    names = {fields["campaign_id"]: fields.get("name", fields["campaign_id"]) for fields in case["campaigns"]}
    parts = [_campaigns(case, names), _table(("when", "who", "what"), _happenings(case, names)), _numbers(case, names)]
    return "\n".join([*parts, *_days(case, names)])


def _campaigns(case: Fields, names: Mapping[str, str]) -> str:
    said = []
    for fields in case["campaigns"]:
        if "parent_campaign_id" in fields:
            said.append(f"{names[fields['campaign_id']]}: a run of {names[fields['parent_campaign_id']]}")
            continue
        goals = ", ".join(_goal(goal) for goal in fields.get("goals", ()))
        hours = fields.get("attribution_window_in_hours", 36)
        born = f", created on {_day(instant(fields['created_at']))}" if "created_at" in fields else ""
        channel = _channel(fields["channel"])
        said.append(f"{names[fields['campaign_id']]}: {channel}, window {hours} h, goal {goals}{born}")
    return "".join(f"- {line}\n" for line in said)


def _goal(goal: Fields) -> str:
    condition = goal.get("goal_event_attribute")
    filtered = f" where {condition['name']} {condition['condition']} {condition['value']}" if condition else ""
    own = goal.get("attribution_window_in_hours")
    return f"“{goal['goal_event_name']}”{filtered}" + (f" within {own} h" if own else "")


def _channel(name: str) -> str:
    return name if name in ("SMS", "MMS", "RCS", "OSM") else NAMES.get(name, name.replace("_", " ").capitalize())


def _happenings(case: Fields, names: Mapping[str, str]) -> Iterator[Sequence[str]]:
    zone = ZoneInfo(case["settings"]["timezone"])
    exact = any(instant(event["ts"]).microsecond for event in case["events"])
    seen: set[str] = set()
    for event in case["events"]:
        if event["type"] == "user_merge":
            what = f"{event['from_user_id']} turns out to be {event['to_user_id']}"
            yield _moment(instant(event["ts"]).astimezone(zone), exact=exact), "", what
            continue
        what = _what(event, names) + (" (the same event again)" if event["event_id"] in seen else "")
        seen.add(event["event_id"])
        yield _moment(instant(event["ts"]).astimezone(zone), exact=exact), event["user_id"], what


def _moment(at: datetime, *, exact: bool) -> str:
    time = at.isoformat(timespec="milliseconds")[11:23] if exact else at.strftime("%H:%M")
    return f"{_day(at)} {time}"


def _day(at: date) -> str:
    return f"{at.day} {at.strftime('%b')}"


def _what(event: Fields, names: Mapping[str, str]) -> str:
    place = f" on {_channel(event['platform'])}" if event.get("platform") else ""
    if event["type"] == "custom":
        amount = event.get("attributes", {}).get("amount")
        return f"**{event['name']}**{place}" + (f", amount {amount}" if amount is not None else "")
    run = f", run {event['instance_id']}" if event.get("instance_id") else ""
    if event["type"] == "removed":
        return f"held out of {names[event['campaign_id']]} by the {GROUPS[event['reason']]}{run}"
    machine = " by a machine" if event.get("machine") else ""
    return f"{names[event['campaign_id']]}: {event['type']}{machine}{place}{run}"


def _numbers(case: Fields, names: Mapping[str, str]) -> str:
    rows = [
        (names[campaign] + (f", {goal}" if len(goals) > 1 else ""), *(_shown(case["expected"], campaign, goal)))
        for campaign, goals in case["expected"][TYPES[0]].items()
        for goal in goals
    ]
    for group in CONTROLS:
        expected = case.get("expected_control", {}).get(group)
        if expected is not None:
            rows += [
                (f"{names[campaign]}, {GROUPS[group]}", *_shown(expected, campaign, goal))
                for campaign, goals in expected[TYPES[0]].items()
                for goal in goals
                if any(expected[kind][campaign][goal]["total"] for kind in TYPES)
            ]
    return _table(("credited", *HEADINGS), rows)


def _days(case: Fields, names: Mapping[str, str]) -> Iterator[str]:
    """When conversions are counted, where the example is about that."""
    for campaign, goals in case.get("expected_breakdown", {}).get(TYPES[0], {}).items():
        for parts in goals.values():
            if len(goals) == 1 and "by_touch_date" in parts:
                days = ", ".join(
                    f"{value['total']} on {_day(date.fromisoformat(day))}" for day, value in parts["by_date"].items()
                )
                yield f"{names[campaign]}, view-through by day: {days}.\n"


def _shown(expected: Fields, campaign: str, goal: str) -> Iterator[str]:
    for kind in TYPES:
        value = expected[kind][campaign][goal]
        text = str(value["total"]) if value["total"] else "–"
        if value["unique"] != value["total"]:
            text += f", {value['unique']} unique"
        if value["revenue"]:
            text += (
                f", {value['revenue']:g} revenue"
                if isinstance(value["revenue"], float)
                else (f", {value['revenue']} revenue")
            )
        yield text


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
