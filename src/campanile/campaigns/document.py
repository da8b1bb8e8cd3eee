"""Campaign documents: any accepted spelling in, one canonical form out (campaign specification 9.1).

Reading happens in two steps. `respell` brings every alias to the canonical place without judging values; `canonical`
checks the values, in the order in which the specification lists the fields, and reports all problems at once.
"""

from __future__ import annotations

from typing import Any

import msgspec

from campanile.campaigns import vocabulary
from campanile.campaigns.checks import Findings
from campanile.campaigns.parts import (
    campaign_content,
    control_groups,
    conversion_goals,
    reachability,
    utm_parameters,
)
from campanile.campaigns.schemas import Remark
from campanile.errors import Problem

NAME_CHARACTERS = 512
"""Longest name of a campaign or flow."""
TAGS = 100
"""Tags of one campaign."""
LABEL_CHARACTERS = 128
"""Longest tag or team."""
PERSON_CHARACTERS = 254
"""Longest e-mail address."""

NESTING = 64
"""Levels of objects and arrays in a document; far below what JSON libraries survive."""

_Aliases = dict[str, tuple[str, ...]]
_TOP_ALIASES: _Aliases = {
    "campaign_id": ("id", "_id"),
    "campaign_delivery_type": ("delivery_type",),
    "status": ("campaign_status",),
    "parent_id": ("parent_campaign_id",),
}
_BASIC_ALIASES: _Aliases = {
    "name": ("name", "campaign_name"),
    "tags": ("tags", "campaign_tags"),
    "team": ("team", "campaign_team"),
    "platforms": ("platforms", "platform"),
}
_SCHEDULE_ALIASES: _Aliases = {"start_time": ("campaign_start_time",), "expiry_time": ("campaign_end_time",)}
_FREE_OBJECTS = (
    "trigger_condition", "segmentation_details", "delivery_controls", "advanced", "connector",
    "campaign_audience_limit",
)  # fmt: skip
"""Stored as given."""
_CANONICAL = (
    "campaign_id", "channel", "campaign_delivery_type", "status", "basic_details", "created_by", "updated_by",
    "created_at", "updated_at", "sent_time", "scheduling_details", "parent_id", "flow_id", "flow_name",
    "conversion_goal_details", "control_group_details", "campaign_content", "utm_params", "reachability_details",
    *_FREE_OBJECTS, "sender_name", "attempts", "delivery_tracking",
)  # fmt: skip
_READ_ONLY = frozenset(
    {
        "total_child_campaigns", "version_number", "revision", "source", "auto_registered", "first_event_at",
        "last_event_at", "observed_platforms", "observed_locales", "observed_variations",
    }
)  # fmt: skip
"""Members of our own answers (and of the originals) that a document may carry back without effect."""
_ALIASES = frozenset(
    name for table in (_TOP_ALIASES, _BASIC_ALIASES, _SCHEDULE_ALIASES) for names in table.values() for name in names
)
_KNOWN = _ALIASES.union(_CANONICAL)


def respell(raw: dict[str, Any], base: dict[str, Any] | None = None) -> tuple[dict[str, Any], tuple[Remark, ...]]:
    """`raw` with canonical member names, `null` members dropped; and remarks on members that mean nothing here.

    With `base`, a canonical document, the members of `raw` replace those of `base`; `basic_details` and single times
    of the schedule replace one by one.
    """
    given = {name: value for name, value in raw.items() if value is not None}
    document = {name: given[name] for name in _CANONICAL if name in given}
    for name, aliases in _TOP_ALIASES.items():
        _fill(document, name, given, aliases)
    base = base or {}
    document = base | document
    _fill_object(document, "basic_details", given, _BASIC_ALIASES, base, merge_given=True)
    _fill_object(document, "scheduling_details", given, _SCHEDULE_ALIASES, base, merge_given=False)
    remarks = tuple(
        Remark(name, "unknown field ignored") for name in raw if name not in _KNOWN and name not in _READ_ONLY
    )
    return document, remarks


def _fill(target: dict[str, Any], name: str, given: dict[str, Any], aliases: tuple[str, ...]) -> None:
    if name not in target:
        for alias in aliases:
            if alias in given:
                target[name] = given[alias]
                return


def _fill_object(
    document: dict[str, Any],
    name: str,
    given: dict[str, Any],
    aliases: _Aliases,
    base: dict[str, Any],
    *,
    merge_given: bool,
) -> None:
    """The object `name`, completed by top-level aliases of its members; something that is no object stays as it is."""
    own = given.get(name, {})
    if not isinstance(own, dict):
        return
    members = {key: value for key, value in own.items() if value is not None}
    for member, names in aliases.items():
        _fill(members, member, given, names)
    if merge_given or name not in given:
        members = base.get(name, {}) | members
    if members or name in document:
        document[name] = members


def canonical(document: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """A respelt document in canonical form; it is of use only if there are no problems.

    Members without value are absent, except `status` and the tags, which have defaults. A child may leave out what it
    has from its parent; what depends on the channel is then checked by `channel_problems` once the channel is known.
    """
    find = Findings()
    if _deeper_than(NESTING, document):
        find.add("range", "body", f"the document may be nested {NESTING} levels deep")
        return {}, find.problems
    result: dict[str, Any] = {}
    is_child = document.get("parent_id") is not None

    def keep(name: str, value: Any) -> None:
        if value is not None:
            result[name] = value

    identifier = document.get("campaign_id")
    keep("campaign_id", find.hexadecimal(identifier, "campaign_id", _understood(identifier, vocabulary.campaign_id)))
    keep("channel", _word(find, document, "channel", vocabulary.channel, _DOCUMENT_CHANNELS, required=not is_child))
    kind = _word(
        find,
        document,
        "campaign_delivery_type",
        vocabulary.delivery_type,
        tuple(vocabulary.DELIVERY_TYPES),
        required=not is_child,
    )
    keep("campaign_delivery_type", kind)
    if kind is not None and "channel" in result:
        find.problems.extend(delivery_type_problems(kind, result["channel"]))
    status = _word(find, document, "status", vocabulary.status, vocabulary.STATUSES, required=False)
    result["status"] = status or "ACTIVE"
    keep("basic_details", _basic_details(find, document.get("basic_details"), result.get("channel"), is_child))
    for name in ("created_by", "updated_by"):
        keep(name, find.text(document.get(name), name, PERSON_CHARACTERS))
    for name in ("created_at", "updated_at", "sent_time"):
        keep(name, find.timestamp(document.get(name), name))
    keep("scheduling_details", _schedule(find, document.get("scheduling_details")))
    for name in ("parent_id", "flow_id"):
        value = document.get(name)
        keep(name, find.hexadecimal(value, name, _understood(value, vocabulary.campaign_id)))
    keep("flow_name", find.text(document.get("flow_name"), "flow_name", NAME_CHARACTERS))
    if is_child and document.get("flow_id") is not None:
        find.add("format", "flow_id", "flow_id and parent_id exclude each other")
    if "parent_id" in result and result["parent_id"] == result.get("campaign_id"):
        find.add("format", "parent_id", "a campaign cannot be its own parent")
    keep("conversion_goal_details", conversion_goals(find, document.get("conversion_goal_details")))
    keep("control_group_details", control_groups(find, document.get("control_group_details")))
    keep("campaign_content", campaign_content(find, document.get("campaign_content")))
    keep("utm_params", utm_parameters(find, document.get("utm_params")))
    keep("reachability_details", reachability(find, document.get("reachability_details")))
    for name in _FREE_OBJECTS:
        keep(name, find.typed(document.get(name), dict, name))
    keep("sender_name", find.text(document.get("sender_name"), "sender_name", NAME_CHARACTERS))
    attempts = document.get("attempts")
    understood = attempts if attempts in ("explicit", "implied") else None
    keep("attempts", find.choice(attempts, "attempts", understood, ("explicit", "implied")))
    keep("delivery_tracking", find.typed(document.get("delivery_tracking"), bool, "delivery_tracking"))
    return result, find.problems


_DOCUMENT_CHANNELS = tuple(vocabulary.DOCUMENT_CHANNELS.get(name, name) for name in vocabulary.CHANNELS)


def channel_problems(document: dict[str, Any], channel: str) -> list[Problem]:
    """What a child says that does not go with the channel of its parent."""
    find = Findings()
    if "campaign_delivery_type" in document:
        find.problems.extend(delivery_type_problems(document["campaign_delivery_type"], channel))
    platforms = document.get("basic_details", {}).get("platforms", [])
    find.problems.extend(_platform_problems(platforms, channel))
    return find.problems


def delivery_type_problems(delivery_type: str, channel: str) -> list[Problem]:
    """Some delivery types exist for one channel only."""
    only = vocabulary.DELIVERY_TYPES[delivery_type]
    if only is None or only == channel:
        return []
    message = f"campaign_delivery_type {delivery_type} exists for {only} only"
    return [Problem("enum", message, "campaign_delivery_type")]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two canonical documents say the same; when they were last changed does not matter."""
    return _comparable(one) == _comparable(other)


def _comparable(document: dict[str, Any]) -> bytes:
    # As JSON, because to Python 1, 1.0 and true are equal.
    return msgspec.json.encode({**document, "updated_at": ""}, order="sorted")


def _deeper_than(limit: int, value: dict[str, Any]) -> bool:
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _understood(value: Any, meaning: Any) -> str | None:
    return meaning(value) if isinstance(value, str) else None


def _word(
    find: Findings, document: dict[str, Any], name: str, meaning: Any, allowed: tuple[str, ...], *, required: bool
) -> str | None:
    value = document.get(name)
    if value is None and required:
        find.required(name)
    return find.choice(value, name, _understood(value, meaning), allowed)


def _basic_details(find: Findings, value: Any, channel: str | None, is_child: bool) -> dict[str, Any] | None:
    target = "basic_details"
    given: dict[str, Any] | None = find.typed(value, dict, target)
    if value is not None and given is None:
        return None
    given = given or {}
    name = given.get("name")
    if name is None and not is_child:
        find.required(f"{target}.name")
    name = find.text(name.strip() if isinstance(name, str) else name, f"{target}.name", NAME_CHARACTERS, shortest=1)
    tags = find.texts(given.get("tags"), f"{target}.tags", TAGS, LABEL_CHARACTERS)
    if tags is None and not is_child:
        tags = []
    team = find.text(given.get("team"), f"{target}.team", LABEL_CHARACTERS)
    platforms = _platforms(find, given.get("platforms"), channel)
    result = {**dict.fromkeys(("name", "tags", "team", "platforms")), **given}
    result.update(name=name, tags=tags, team=team, platforms=platforms)
    return {key: item for key, item in result.items() if item is not None} or None


def _platforms(find: Findings, value: Any, channel: str | None) -> list[str] | None:
    target = "basic_details.platforms"
    given: list[Any] | None = find.typed(value, list, target)
    if given is None:
        return None
    platforms: dict[str, None] = {}
    for index, item in enumerate(given):
        name = item.strip().upper() if isinstance(item, str) else None
        if item is None:
            find.add("type", f"{target}.{index}", f"{target}.{index} must be a string")
        elif known := find.choice(
            item, f"{target}.{index}", name if name in vocabulary.PLATFORMS else None, vocabulary.PLATFORMS
        ):
            platforms[known] = None
    if channel is not None:
        find.problems.extend(_platform_problems(list(platforms), channel))
    return list(platforms)


def _platform_problems(platforms: list[str], channel: str) -> list[Problem]:
    target = "basic_details.platforms"
    shown = vocabulary.DOCUMENT_CHANNELS.get(channel, channel)
    if platforms and channel not in vocabulary.PLATFORM_CHANNELS:
        return [Problem("enum", f"{target} must be empty for {shown}", target)]
    if channel == "PUSH" and "MWEB" in platforms:
        return [Problem("enum", f"{target}: MWEB does not exist for PUSH", target)]
    return []


def _schedule(find: Findings, value: Any) -> dict[str, Any] | None:
    target = "scheduling_details"
    given: dict[str, Any] | None = find.typed(value, dict, target)
    if given is None:
        return None
    result = dict(given)
    for name in ("start_time", "expiry_time"):
        result.pop(name, None)
        text = find.timestamp(given.get(name), f"{target}.{name}")
        if text is not None:
            result[name] = text
    if {"start_time", "expiry_time"} <= result.keys() and _order(result["expiry_time"]) < _order(result["start_time"]):
        find.add("range", f"{target}.expiry_time", f"{target}.expiry_time must not be before start_time")
    return result


def _order(text: str) -> str:
    """Canonical times compare as texts once all have the same number of digits."""
    return text if "." in text else text.replace("Z", ".000Z")
