"""The objects inside a campaign document that are interpreted: goals, control groups, content, UTM, reach."""

from __future__ import annotations

from typing import Any

import msgspec

from campanile.campaigns import vocabulary
from campanile.campaigns.checks import Findings

GOALS = 10
"""Conversion goals of one campaign."""
GOAL_CHARACTERS = 128
"""Longest name of a goal, its event, its revenue attribute or currency."""
WINDOW_HOURS = (1, 8760)
"""Shortest and longest attribution window: an hour, a year."""
LOCALES = 100
"""Locales a document may list."""
LOCALE_CHARACTERS = 64
VARIATIONS = (1, 50)
"""Fewest and most variations of one campaign."""
REACH = (0, 2**53)
"""Users a campaign may reach: a JSON integer that every reader understands."""


def conversion_goals(find: Findings, value: Any) -> dict[str, Any] | None:
    target = "conversion_goal_details"
    given: dict[str, Any] | None = find.typed(value, dict, target)
    if given is None:
        return None
    result = {key: item for key, item in given.items() if item is not None}
    window = "attribution_window_in_hours"
    find.integer(given.get(window), f"{target}.{window}", *WINDOW_HOURS)
    goals: list[Any] | None = find.typed(given.get("goals"), list, f"{target}.goals")
    if goals is None:
        return result
    if len(goals) > GOALS:
        find.add("too_many", f"{target}.goals", f"{target}.goals may have at most {GOALS} entries")
        return result
    result["goals"] = [_goal(find, goal, f"{target}.goals.{index}", index) for index, goal in enumerate(goals)]
    names: set[str] = set()
    primary = 0
    for index, goal in enumerate(result["goals"]):
        name = goal.get("goal_name")
        if name in names:
            find.add("duplicate", f"{target}.goals.{index}.goal_name", "goal names must differ")
        if isinstance(name, str):
            names.add(name)
        primary += goal.get("is_primary_goal") is True
    if primary > 1:
        find.add("duplicate", f"{target}.goals", "at most one goal can be the primary one")
    return result


def _goal(find: Findings, value: Any, target: str, index: int) -> dict[str, Any]:
    if type(value) is not dict:
        find.add("type", target, f"{target} must be an object")
        return {}
    result = {key: item for key, item in value.items() if item is not None and key != "name"}
    name = value.get("goal_name") if value.get("goal_name") is not None else value.get("name")
    name = f"Goal {index + 1}" if name is None else name
    result["goal_name"] = find.text(name, f"{target}.goal_name", GOAL_CHARACTERS, shortest=1)
    for key in ("goal_event_name", "revenue_attribute", "revenue_currency"):
        find.text(value.get(key), f"{target}.{key}", GOAL_CHARACTERS)
    find.typed(value.get("goal_event_attribute"), dict, f"{target}.goal_event_attribute")
    find.typed(value.get("is_primary_goal"), bool, f"{target}.is_primary_goal")
    window = "attribution_window_in_hours"
    find.integer(value.get(window), f"{target}.{window}", *WINDOW_HOURS)
    return result


def control_groups(find: Findings, value: Any) -> dict[str, Any] | None:
    target = "control_group_details"
    given: dict[str, Any] | None = find.typed(value, dict, target)
    if given is None:
        return None
    enabled = find.typed(
        given.get("is_campaign_control_group_enabled"), bool, f"{target}.is_campaign_control_group_enabled"
    )
    share = "campaign_control_group_percentage"
    if enabled and given.get(share) is None:
        find.add("required", f"{target}.{share}", f"{target}.{share} is required when the group is enabled")
    find.integer(given.get(share), f"{target}.{share}", 0, 100)
    find.typed(given.get("is_global_control_group_enabled"), bool, f"{target}.is_global_control_group_enabled")
    return {key: item for key, item in given.items() if item is not None}


def campaign_content(find: Findings, value: Any) -> dict[str, Any] | None:
    target = "campaign_content"
    given: dict[str, Any] | None = find.typed(value, dict, target)
    if given is None:
        return None
    result = {key: item for key, item in given.items() if item is not None}
    locales = find.texts(given.get("locales"), f"{target}.locales", LOCALES, LOCALE_CHARACTERS)
    if locales is not None:
        result["locales"] = [locale for locale in locales if locale != "default"]
        if not vocabulary.RESERVED.isdisjoint(locales):
            find.add("format", f"{target}.locales", f"{target}.locales holds a reserved word")
    details: dict[str, Any] | None = find.typed(given.get("variation_details"), dict, f"{target}.variation_details")
    if details is not None:
        find.integer(details.get("no_of_variations"), f"{target}.variation_details.no_of_variations", *VARIATIONS)
        _shares(
            find,
            details.get("manual_distribution_percentage"),
            f"{target}.variation_details.manual_distribution_percentage",
        )
    return result


def _shares(find: Findings, value: Any, target: str) -> None:
    given: dict[str, Any] | None = find.typed(value, dict, target)
    total = 0.0
    for name, item in (given or {}).items():
        share = _percentage(item)
        if share is None:
            find.add("range", f"{target}.{name}", f"{target}.{name} must be a percentage from 0 to 100")
        else:
            total += share
    if total > 100:
        find.add("range", target, f"{target} must add up to 100 at most")


def _percentage(value: Any) -> float | None:
    """A number or the text of one; both are in use."""
    if isinstance(value, str) and value.strip().replace(".", "", 1).isdecimal() and value.isascii():
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return float(value)


def utm_parameters(find: Findings, value: Any) -> dict[str, str] | None:
    """All values become strings."""
    target = "utm_params"
    given: dict[str, Any] | None = find.typed(value, dict, target)
    if given is None:
        return None
    result = {}
    for name, item in given.items():
        if isinstance(item, str):
            result[name] = item
        elif isinstance(item, int | float) and not isinstance(item, bool):
            result[name] = msgspec.json.encode(item).decode()
        elif item is not None:
            find.add("type", f"{target}.{name}", f"{target}.{name} must be a string")
    return result


def reachability(find: Findings, value: Any) -> dict[str, Any] | None:
    target = "reachability_details"
    given: dict[str, Any] | None = find.typed(value, dict, target)
    if given is None:
        return None
    result = {key: item for key, item in given.items() if item is not None}
    find.integer(given.get("count"), f"{target}.count", *REACH)
    updated = find.timestamp(given.get("last_updated_time"), f"{target}.last_updated_time")
    if updated is not None:
        result["last_updated_time"] = updated
    return result
