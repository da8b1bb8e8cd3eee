"""What somebody filled in, between the fields of a form and the document that the service reads.

Nothing is judged here: what cannot be right is passed on as it is, and the service says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from campanile.reports.schemas import CHANNELS
from campanile.reports.service import delivery_types

Document = dict[str, Any]

SPLITS = ("date", "child", "variation", "locale")
CUSTOM_COLUMNS = 100
"""Own columns of one form that are looked at; the service allows fewer."""
NUMBER_DIGITS = 9
"""Longer texts are not read as numbers."""
SLUG_CHARACTERS = 40

_NOT_SLUG = re.compile(r"[^a-z0-9]+")


class Fields(Protocol):
    """The fields of a form."""

    def text(self, name: str, default: str = "") -> str: ...

    def all(self, name: str) -> list[str]: ...

    def __contains__(self, name: str) -> bool: ...


class Custom(msgspec.Struct, frozen=True, kw_only=True):
    """An own column."""

    key: str = ""
    """Empty until it is saved: then it is made of the header."""
    header: str = ""
    channels: tuple[str, ...] = ()
    """Empty: all that are chosen."""
    expression: str = ""
    type: str = "number"
    decimals: str = "2"
    on_zero_division: str = "blank"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a form holds; texts are as somebody typed them."""

    name: str = ""
    channels: tuple[str, ...] = ()
    types: dict[str, tuple[str, ...]] = {}
    """Channel → delivery types; a channel that is missing has all."""
    range: str = "yesterday"
    """A preset, `days` or `absolute`."""
    days: str = "14"
    offset: str = "0"
    first: str = ""
    last: str = ""
    rule: str = "active_or_counted"
    window: str = "in_range"
    mode: str = "all"
    ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    match: str = "any"
    untagged: bool = False
    created_by: str = ""
    """Separated by commas."""
    statuses: tuple[str, ...] = ()
    archived: bool = False
    columns: dict[str, tuple[str, ...]] = {}
    """Channel → keys; a channel that is missing has the usual ones."""
    custom: tuple[Custom, ...] = ()
    splits: frozenset[str] = frozenset({"child"})
    parent_totals: bool = False
    skip_zero_days: bool = False
    format: str = "csv"
    delimiter: str = ","
    compression: str = "zip"
    bom: bool = False
    newline: str = "lf"
    formula_guard: bool = True
    lists: str = "literal"
    manifest: bool = False
    on_empty: str = "no_file"
    schedule: str = "daily"
    """A kind, or `asap`."""
    zone: str = ""
    at_date: str = ""
    at_time: str = ""
    time: str = "06:00"
    start: str = ""
    weekdays: tuple[str, ...] = ("1",)
    day: str = "1"
    every: str = "1"
    unit: str = "days"
    end: str = "never"
    end_date: str = ""
    end_runs: str = ""
    rest: bool = True
    emails: str = ""
    """Separated by commas."""
    email_login: bool = False
    webhook: str = ""


TEXTS = (
    "name", "range", "days", "offset", "first", "last", "rule", "window", "mode", "match", "created_by", "format",
    "delimiter", "compression", "newline", "lists", "on_empty", "schedule", "zone", "at_date", "at_time", "time",
    "start", "day", "every", "unit", "end", "end_date", "end_runs", "emails", "webhook",
)  # fmt: skip
TICKS = (
    "untagged", "archived", "parent_totals", "skip_zero_days", "bom", "formula_guard", "manifest", "rest",
    "email_login",
)  # fmt: skip
"""Boxes: true when the form has them."""


def given(form: Fields) -> Given:
    """What a form says. Every form has all fields, hidden or not, so a box that is not there is not ticked."""
    values: dict[str, Any] = {name: form.text(name).strip(" ") for name in TEXTS}
    values |= {name: name in form for name in TICKS}
    channels = tuple(token for token in CHANNELS if token in form.all("channel"))
    return Given(
        **values,
        channels=channels,
        types={token: tuple(found) for token in CHANNELS if (found := form.all(f"types.{token}"))},
        ids=tuple(dict.fromkeys(form.text("ids").split())),
        tags=tuple(dict.fromkeys(tag for tag in form.all("tag") if tag)),
        statuses=tuple(dict.fromkeys(form.all("status"))),
        columns={token: tuple(keys) for token in CHANNELS if (keys := form.text(f"columns.{token}").split())},
        custom=tuple(_customs(form)),
        splits=frozenset(form.all("split")),
        weekdays=tuple(dict.fromkeys(form.all("weekday"))),
    )


def _customs(form: Fields) -> Iterable[Custom]:
    for index in range(CUSTOM_COLUMNS):
        start = f"custom-{index}-"
        if f"{start}header" not in form:
            break
        yield Custom(
            key=form.text(f"{start}key"),
            header=form.text(f"{start}header").strip(),
            channels=tuple(form.all(f"{start}channel")),
            expression=form.text(f"{start}expression"),
            type=form.text(f"{start}type"),
            decimals=form.text(f"{start}decimals"),
            on_zero_division=form.text(f"{start}zero"),
        )


def keyed(customs: Sequence[Custom]) -> tuple[Custom, ...]:
    """The same with a key for each that has none, made of its header and unlike all others."""
    taken = {custom.key for custom in customs if custom.key}
    found = []
    for custom in customs:
        if not custom.key:
            slug = _NOT_SLUG.sub("_", custom.header.lower()).strip("_")
            slug = (slug if slug[:1].isalpha() else f"column_{slug}".rstrip("_"))[: SLUG_CHARACTERS - 4]
            key, number = f"custom.{slug}", 2
            while key in taken:
                key, number = f"custom.{slug}_{number}", number + 1
            taken.add(key)
            custom = msgspec.structs.replace(custom, key=key)
        found.append(custom)
    return tuple(found)


def raw(given: Given) -> Document:
    """The document that the service reads."""
    customs = keyed(given.custom)
    return {
        "name": given.name or None,
        "selection": {
            "scopes": [_scope(given, token) for token in given.channels],
            "date_range": _range(given),
            "rule": given.rule,
            "campaigns": {"mode": "all"} if given.mode == "all" else {"mode": "manual", "ids": list(given.ids)},
            "filters": {
                "tags": {"match": given.match, "values": list(given.tags), "untagged": given.untagged},
                "created_by": _several(given.created_by),
                "statuses": list(given.statuses),
                "include_archived": given.archived,
            },
        },
        "content": {
            "performance_window": given.window,
            "split": {name: name in given.splits for name in SPLITS},
            "parent_totals": given.parent_totals and "child" in given.splits,
            "skip_zero_days": given.skip_zero_days and "date" in given.splits,
            "columns": {token: _columns(given, customs, token) for token in given.channels if token in given.columns},
            "custom_attributes": [_custom(custom, given.channels) for custom in customs],
        },
        "format": {
            "type": given.format,
            "delimiter": given.delimiter if given.format == "csv" else ",",
            "bom": given.bom,
            "newline": given.newline,
            "formula_guard": given.formula_guard,
            "lists": given.lists,
            "compression": given.compression,
            "include_manifest": given.manifest,
        },
        "schedule": timing(given),
        "delivery": {
            "rest_api": given.rest,
            "email": {"recipients": _several(given.emails), "require_login": given.email_login}
            if given.emails
            else None,
            "webhook": {"url": given.webhook} if given.webhook else None,
        },
        "on_empty": given.on_empty,
    }


def _scope(given: Given, token: str) -> Document:
    types = given.types.get(token, ())
    every = not types or set(types) >= set(delivery_types(token))
    return {"channel": token} if every else {"channel": token, "delivery_types": list(types)}


def _range(given: Given) -> Document:
    if given.range == "absolute":
        return {"type": "absolute", "start": given.first or None, "end": given.last or None}
    if given.range == "days":
        return {"type": "rolling", "days": _number(given.days), "offset_days": _number(given.offset)}
    return {"type": "rolling", "preset": given.range}


def custom_keys(customs: Iterable[Custom], token: str) -> list[str]:
    """Keys of the own columns that exist in a channel."""
    return [custom.key for custom in customs if not custom.channels or token in custom.channels]


def _columns(given: Given, customs: Sequence[Custom], token: str) -> list[str]:
    """The chosen keys; own columns that have no place yet come last, those that are gone are left out."""
    own = custom_keys(customs, token)
    kept = [key for key in given.columns[token] if not key.startswith("custom.") or key in own]
    return [*kept, *(key for key in own if key not in kept)]


def _custom(custom: Custom, channels: Sequence[str]) -> Document:
    return {
        "key": custom.key,
        "header": custom.header or None,
        "channels": [token for token in channels if not custom.channels or token in custom.channels],
        "expression": custom.expression,
        "type": custom.type,
        "decimals": _number(custom.decimals),
        "on_zero_division": custom.on_zero_division,
    }


def timing(given: Given) -> Document:
    """The member `schedule`."""
    zone = given.zone or None
    if given.schedule == "asap":
        return {"type": "once", "time_zone": zone, "at": "asap"}
    if given.schedule == "once":
        return {"type": "once", "time_zone": zone, "at": f"{given.at_date}T{given.at_time}"}
    found: Document = {"type": given.schedule, "time_zone": zone, "time": given.time or None}
    found |= {"start_date": given.start or None, "end": _end(given)}
    weeks = given.schedule == "weekly" or (given.schedule == "custom" and given.unit == "weeks")
    months = given.schedule == "monthly" or (given.schedule == "custom" and given.unit == "months")
    if given.schedule == "custom":
        found |= {"every": _number(given.every), "unit": given.unit}
    if weeks:
        found["weekdays"] = [_number(number) for number in given.weekdays]
    if months:
        found["day"] = "last" if given.day == "last" and given.schedule == "custom" else _number(given.day)
    return found


def _end(given: Given) -> Document:
    if given.end == "on_date":
        return {"type": "on_date", "date": given.end_date or None}
    if given.end == "after_runs":
        return {"type": "after_runs", "runs": _number(given.end_runs)}
    return {"type": "never"}


def _number(text: str) -> int | str | None:
    if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS:
        return int(text)
    return text or None


def _several(text: str) -> list[str]:
    return [part for piece in text.split(",") if (part := piece.strip())]


def of_document(document: Mapping[str, Any], zone: str) -> Given:
    """The form that shows a stored document. `zone` is that of the workspace."""
    selection, content, file = document["selection"], document["content"], document["format"]
    scopes, filters, delivery = selection["scopes"], selection["filters"], document["delivery"] or {}
    email, hook = delivery.get("email") or {}, delivery.get("webhook") or {}
    return Given(
        name=document["name"],
        channels=tuple(scope["channel"] for scope in scopes),
        types={scope["channel"]: tuple(scope["delivery_types"]) for scope in scopes if "delivery_types" in scope},
        **_of_range(selection["date_range"]),
        rule=selection["rule"],
        window=content["performance_window"],
        mode=selection["campaigns"]["mode"],
        ids=tuple(selection["campaigns"].get("ids", ())),
        tags=tuple(filters["tags"]["values"]),
        match=filters["tags"]["match"],
        untagged=filters["tags"].get("untagged", False),
        created_by=", ".join(filters["created_by"]),
        statuses=tuple(filters["statuses"]),
        archived=filters["include_archived"],
        columns={token: tuple(keys) for token, keys in content["columns"].items() if keys != "default"},
        custom=tuple(
            Custom(**{**column, "channels": tuple(column["channels"]), "decimals": str(column["decimals"])})
            for column in content["custom_attributes"]
        ),
        splits=frozenset(name for name, on in content["split"].items() if on),
        parent_totals=content["parent_totals"],
        skip_zero_days=content["skip_zero_days"],
        format=file["type"],
        delimiter=file["delimiter"],
        compression=file["compression"],
        bom=file["bom"],
        newline=file["newline"],
        formula_guard=file["formula_guard"],
        lists=file["lists"],
        manifest=file["include_manifest"],
        on_empty=document["on_empty"],
        **_of_timing(document["schedule"], zone),
        rest=delivery.get("rest_api", False),
        emails=", ".join(email.get("recipients", ())),
        email_login=email.get("require_login", False),
        webhook=hook.get("url", ""),
    )


def _of_range(found: Mapping[str, Any]) -> Document:
    if found["type"] == "absolute":
        return {"range": "absolute", "first": found["start"], "last": found["end"]}
    if "preset" in found:
        return {"range": found["preset"]}
    return {"range": "days", "days": str(found["days"]), "offset": str(found["offset_days"])}


def _of_timing(found: Mapping[str, Any] | None, zone: str) -> Document:
    if found is None:
        return {"zone": zone}
    if found["type"] == "once":
        if found["at"] == "asap":
            return {"schedule": "asap", "zone": found["time_zone"]}
        day, _, time = found["at"].partition("T")
        return {"schedule": "once", "zone": found["time_zone"], "at_date": day, "at_time": time}
    shown: Document = {"schedule": found["type"], "zone": found["time_zone"], "time": found["time"],
                       "start": found["start_date"]}  # fmt: skip
    shown |= {name: str(found[name]) for name in ("every", "unit", "day") if name in found}
    if "weekdays" in found:
        shown["weekdays"] = tuple(str(number) for number in found["weekdays"])
    end = found["end"]
    shown |= {"end": end["type"], "end_date": end.get("date", ""), "end_runs": str(end.get("runs", ""))}
    return shown
