"""Columns, custom columns and splits of a definition (report specification 3.1, 3.2, 4, 15.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from campanile.errors import Problem
from campanile.reports import offer
from campanile.reports.columns import columns_by_key, default_keys
from campanile.reports.expressions import ROUND_PLACES, ExpressionError, default_attribution, parse
from campanile.reports.reading import Fields
from campanile.reports.schemas import CHANNELS, CustomColumn, CustomType, Splits

COLUMNS = 500
"""Columns of one channel."""
CUSTOM_COLUMNS = 25
"""Custom columns of one channel."""
HEADER_CHARACTERS = 100
"""Longest header of a custom column."""
KEY_CHARACTERS = 200
"""Longest key of a column that is looked for."""
SUGGESTING_PROBLEMS = 5
"""Problems of a document after which no similar keys are looked for any more."""

_TYPES: tuple[CustomType, ...] = get_args(CustomType)
_ZEROS: tuple[Literal["blank", "zero"], ...] = ("blank", "zero")
_CUSTOM_KEY = re.compile(r"custom\.[a-z][a-z0-9_]{0,39}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def splits(fields: Fields, channels: Sequence[str]) -> Splits:
    """`fields` is the member `content`."""
    inner = fields.fields("split")
    found = {name: name == "child" for name in ("date", "child", "variation", "locale")}
    if inner is not None:
        found = {name: inner.boolean(name, default=default) for name, default in found.items()}
        inner.close()
        if found["locale"] and channels and not any(offer.splits_locales(channel) for channel in channels):
            inner.wrong("locale", "locale_split_not_supported", "is on, but no selected channel has locales")
    return Splits(
        **found,
        parent_totals=fields.boolean("parent_totals"),
        skip_zero_days=fields.boolean("skip_zero_days"),
    )


def columns(
    fields: Fields | None, channels: Sequence[str], custom: Sequence[CustomColumn]
) -> dict[str, tuple[str, ...]]:
    """Keys by channel; channels with default columns are left out. `fields` is the member `content.columns`."""
    found: dict[str, tuple[str, ...]] = {}
    if fields is None:
        return found
    for channel in list(fields.names()):
        if channel not in channels:
            fields.wrong(channel[:KEY_CHARACTERS], "invalid_value", "is not one of the selected channels")
        elif fields.value(channel) not in (None, "default"):
            found[channel] = _keys(fields, channel, custom)
    return found


def _keys(fields: Fields, channel: str, custom: Sequence[CustomColumn]) -> tuple[str, ...]:
    before = len(fields.find.problems)
    suggest = before < SUGGESTING_PROBLEMS
    own = {column.key for column in custom if channel in column.channels}
    found: dict[str, str] = {}
    for path, key in fields.texts(channel, most=COLUMNS, longest=KEY_CHARACTERS, code="too_many_columns"):
        if key in found:
            fields.find.add("duplicate_column", path, f"{path} names {key} a second time.")
        elif key not in own and (problem := offer.missing(key, channel, suggest=suggest)) is not None:
            fields.find.add(problem.type, path, f"{path}: {problem.message}.")
            suggest = False
        found[key] = path
    if len(fields.find.problems) == before and all(key.startswith("split.") for key in found):
        fields.wrong(channel, "no_columns", "must name at least one column besides those of splits")
    return tuple(found)


def custom_columns(fields: Fields, channels: Sequence[str], model: str) -> tuple[CustomColumn, ...]:
    """`fields` is the member `content`; `model` is the attribution model of the workspace."""
    found: list[CustomColumn] = []
    entries = fields.array("custom_attributes", most=CUSTOM_COLUMNS * len(CHANNELS), code="too_many_custom_attributes")
    for index, entry in enumerate(entries):
        inner = Fields(fields.find, entry, fields.path(f"custom_attributes[{index}]"))
        column = _custom_column(inner, channels, model)
        inner.close()
        if any(column.key == other.key for other in found):
            inner.wrong("key", "invalid_value", "is used twice")
        found.append(column)
    for channel in channels:
        if sum(channel in column.channels for column in found) > CUSTOM_COLUMNS:
            fields.wrong(
                "custom_attributes",
                "too_many_custom_attributes",
                f"may hold at most {CUSTOM_COLUMNS} columns for {channel}",
            )
    return tuple(found)


def _custom_column(fields: Fields, channels: Sequence[str], model: str) -> CustomColumn:
    key = fields.text("key", required=True) or ""
    if fields.has("key") and _CUSTOM_KEY.fullmatch(key) is None:
        fields.wrong("key", "invalid_value", "must be custom. and 1 to 40 lower-case letters, digits and _")
    header = fields.text("header", required=True) or ""
    if fields.has("header") and (not 1 <= len(header) <= HEADER_CHARACTERS or _CONTROL.search(header)):
        fields.wrong(
            "header", "header_invalid", f"must have 1 to {HEADER_CHARACTERS} characters, none of them a control one"
        )
    chosen: dict[str, None] = {}
    for path, channel in fields.texts("channels", most=len(CHANNELS), longest=KEY_CHARACTERS):
        if channel not in channels:
            fields.find.add("invalid_value", path, f"{path} is not one of the selected channels.")
        else:
            chosen[channel] = None
    if not fields.value("channels"):
        fields.wrong("channels", "required", "must name at least one channel")
    decimals = fields.integer("decimals", 0, ROUND_PLACES)
    return CustomColumn(
        key=key,
        header=header,
        channels=tuple(chosen),
        expression=_expression(fields, tuple(chosen), model),
        type=fields.choice("type", _TYPES) or "number",
        decimals=4 if decimals is None else decimals,
        on_zero_division=fields.choice("on_zero_division", _ZEROS) or "blank",
    )


def _expression(fields: Fields, channels: Sequence[str], model: str) -> str:
    text = fields.text("expression", required=True)
    if text is None:
        return ""
    path = fields.path("expression")
    suggest = len(fields.find.problems) < SUGGESTING_PROBLEMS
    for problem, position in expression_faults(text, channels, model, suggest=suggest):
        place = "" if position is None else f" (at character {position})"
        fields.find.add(problem.type, path, f"{path}: {problem.message}{place}.")
    return text


def expression_faults(
    text: str, channels: Sequence[str], model: str, *, suggest: bool = True
) -> list[tuple[Problem, int | None]]:
    """What is wrong with an expression over the columns of these channels, and after how many characters.

    Messages end without a full stop. `model` is the attribution model of the workspace.
    """
    try:
        expression = parse(text, attribution=default_attribution(model))
    except ExpressionError as error:
        return [(Problem(error.code, error.message.rstrip(".")), error.position)]
    return list(offer.faults(expression, channels, suggest=suggest))


def expression_columns(text: str, model: str) -> list[str]:
    """Keys of the columns that an expression reads, each once.

    Raises:
        ExpressionError: it cannot be read.
    """
    references = parse(text, attribution=default_attribution(model)).references
    return list(dict.fromkeys(reference.key for reference in references))


def check_headers(
    fields: Fields, keys: Mapping[str, Sequence[str]], custom: Sequence[CustomColumn], model: str
) -> None:
    """Refuse custom columns whose header another column of the same file has. `fields` is the member `content`."""
    headers: dict[str, set[str]] = {}
    for index, column in enumerate(custom):
        for channel in column.channels:
            if channel not in headers:
                headers[channel] = _headers(channel, keys.get(channel) or default_keys(channel, model))
            if column.header.casefold() in headers[channel]:
                path = fields.path(f"custom_attributes[{index}].header")
                message = f"{path}: {channel} has a column with this header already."
                fields.find.add("header_duplicate", path, message)
            headers[channel].add(column.header.casefold())


def _headers(channel: str, keys: Sequence[str]) -> set[str]:
    """Headers of the chosen columns, and of those that splits may add."""
    return {
        column.header.casefold()
        for key, column in columns_by_key(channel).items()
        if key in keys or key.startswith("split.")
    }
