"""How rows become events: a mapping file, columns that carry native names, and constants."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from campanile.cli.importer.sources import BadRow
from campanile.cli.importer.times import instant, rfc3339
from campanile.errors import InvalidInput
from campanile.kit.times import is_timezone

EVENT_FIELDS: tuple[str, ...] = (
    "event_id", "type", "time", "ts", "campaign_id", "campaign_key", "parent_campaign_id", "flow_id", "campaign_name",
    "flow_name", "campaign_delivery_type", "delivery_type", "instance_id", "channel", "platform", "locale",
    "variation", "user_id", "device_id", "provider", "message_id", "transport", "source", "step", "reason",
    "reason_detail", "link", "link_id", "machine", "name", "goal", "attribution", "revenue", "currency",
    "workspace_id", "bounce_type", "stage", "control_group", "device_platform",
)  # fmt: skip
"""Fields of an event; columns with these names need no mapping."""
ATTRIBUTES = "attributes"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?")
_WORDS = {"true": True, "yes": True, "1": True, "t": True, "false": False, "no": False, "0": False, "f": False}
_TYPED = frozenset({"machine", "variation"})
"""Fields whose texts may mean something else."""
SKIP = "skip"
"""As `on_unknown`: leave such rows out."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the value of one field comes from: exactly one of `column`, `const` and `concat`."""

    column: str | None = None
    const: str | int | float | bool | None = None
    concat: tuple[str, ...] | None = None
    """Columns and literal texts, joined; absent when one of the columns is. Names are columns, `'text'` is literal."""
    map: dict[str, str] | None = None
    """Replacements of values."""
    on_unknown: str | None = None
    """Value for what `map` does not name, or `skip` to leave the row out; default: keep it as it is."""
    format: str | None = None
    """Of times: `rfc3339`, `epoch`, `epoch_ms`, `epoch_us` or a strptime pattern."""
    timezone: str | None = None
    """Of times without offset."""


class MappingFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a mapping file (TOML or JSON)."""

    columns: dict[str, Rule | str] = {}
    """Per field of the event a rule, or just the name of a column."""
    skip: tuple[str, ...] = ()
    """Columns that are left out although they carry a native name."""


class Mapped(msgspec.Struct):
    """An event made from a row."""

    event: dict[str, Any]
    day: date | None
    """UTC day of its time, if that is known."""
    time: str
    """Its time as it is sent; empty if that is not known."""


class Skipped(msgspec.Struct, frozen=True):
    """A row the mapping leaves out."""


def read_mapping(path: Path) -> MappingFile:
    """
    Raises:
        InvalidInput: the file cannot be read or is not a mapping; the message says where.
    """
    try:
        content = path.read_bytes()
        is_json = path.suffix == ".json"
        parsed: Any = msgspec.json.decode(content) if is_json else tomllib.loads(content.decode("utf-8"))
        mapping = msgspec.convert(parsed, MappingFile)
    except OSError as error:
        raise InvalidInput(f"cannot read the mapping file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InvalidInput(f"{path} is not a mapping file: {error}") from error
    for target, rule in mapping.columns.items():
        if target not in EVENT_FIELDS and not target.startswith(f"{ATTRIBUTES}."):
            raise InvalidInput(f"{path}: {target} is not a field of an event; use {ATTRIBUTES}.{target}?")
        if isinstance(rule, Rule):
            if sum(part is not None for part in (rule.column, rule.const, rule.concat)) != 1:
                raise InvalidInput(f"{path}: {target} needs exactly one of column, const and concat")
            if rule.timezone and not is_timezone(rule.timezone):
                raise InvalidInput(f"{path}: {target}: {rule.timezone} is not a time zone")
    return mapping


class Converter:
    """Turns the rows of one file into events."""

    def __init__(
        self,
        columns: Sequence[str] | None,
        mapping: MappingFile | None = None,
        *,
        constants: Mapping[str, str] | None = None,
        timezone: str = "",
        time_format: str = "",
        texts: bool = False,
        id_prefix: str = "",
    ) -> None:
        """
        `columns` names the columns of the file, or is None where rows name their own fields; those pass unchanged
        when there is no mapping. `texts` says that all values are texts (CSV). Events without an id get
        `<id_prefix><row number>`.

        Raises:
            InvalidInput: an unknown time zone or constant.
        """
        self._mapping = mapping or MappingFile()
        self._open = columns is None and mapping is None
        self._columns = tuple(columns or ())
        self._known = frozenset(self._columns)
        self._texts = texts
        self._id_prefix = id_prefix
        self._constants = dict(constants or {})
        for name in self._constants:
            if name not in EVENT_FIELDS and not name.startswith(f"{ATTRIBUTES}."):
                raise InvalidInput(f"--set {name}: not a field of an event")
        if timezone and not is_timezone(timezone):
            raise InvalidInput(f"--timezone {timezone}: not a time zone")
        self._timezone = timezone
        self._time_format = time_format or "rfc3339"
        self.rules: dict[str, Rule] = {}
        for target, given in self._mapping.columns.items():
            self.rules[target] = Rule(column=given) if isinstance(given, str) else given
        taken = {rule.column for rule in self.rules.values()} | set(self._mapping.skip)
        for column in self._columns:
            native = column in EVENT_FIELDS or column == ATTRIBUTES or column.startswith(f"{ATTRIBUTES}.")
            if native and column not in taken:
                self.rules.setdefault(column, Rule(column=column))
        self._check_columns()
        copied = {name: rule.column for name, rule in self.rules.items() if self._is_copied(name, rule)}
        self._copied = [(name, column) for name, column in copied.items() if column is not None]
        """Fields whose texts need nothing done to them, which most are, with their columns."""
        self._worked_out = [(name, rule) for name, rule in self.rules.items() if name not in copied]
        time_rule = self.rules.get("time") or self.rules.get("ts") or Rule(column="time")
        self._zone = ZoneInfo(time_rule.timezone or timezone) if time_rule.timezone or timezone else None
        self._format = time_rule.format or self._time_format

    @property
    def unused(self) -> list[str]:
        """Columns that reach no field."""
        used = {rule.column for rule in self.rules.values()}
        used.update(part for rule in self.rules.values() for part in rule.concat or ())
        roots = {name.split(".")[0] for name in used if name is not None}
        return [column for column in self._columns if column not in used | roots]

    def digest(self) -> str:
        """Changes whenever the same row would become another event."""
        parts = (
            msgspec.to_builtins(self.rules), self._constants, self._timezone, self._time_format, self._texts,
            self._id_prefix,
        )  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()

    def describe(self) -> list[tuple[str, str]]:
        """Each field and where it comes from, for people."""
        lines = []
        for target, rule in self.rules.items():
            if rule.concat is not None:
                origin = " + ".join(part if self._is_column(part) else repr(part.strip("'")) for part in rule.concat)
            else:
                origin = f"column {rule.column}" if rule.column is not None else f"always {rule.const!r}"
            if rule.map:
                origin += f", {len(rule.map)} values replaced"
            lines.append((target, origin))
        lines += [(name, f"always {value!r}") for name, value in self._constants.items()]
        if "event_id" not in self.rules and not self._open:
            lines.append(("event_id", f"{self._id_prefix}<row>"))
        return lines

    def convert(self, row: Mapping[str, Any], number: int) -> Mapped | Skipped | BadRow:
        """The event of a row."""
        if self._open:
            event = dict(row)
        else:
            made = self._by_rules(row)
            if isinstance(made, Skipped):
                return made
            event = made
        for name, value in self._constants.items():
            _put(
                event, name, plain_text_value(value) if name.startswith(f"{ATTRIBUTES}.") else _plain(name, value, True)
            )
        if event.get("event_id") in (None, "") and self._id_prefix:
            event["event_id"] = f"{self._id_prefix}{number}"
        key = "ts" if "ts" in event and "time" not in event else "time"
        if event.get(key) is None:
            return Mapped(event, None, "")
        moment = instant(event[key], self._format, self._zone)
        if isinstance(moment, BadRow):
            return moment
        event[key] = text = rfc3339(moment)
        return Mapped(event, moment.date(), text)

    def _by_rules(self, row: Mapping[str, Any]) -> dict[str, Any] | Skipped:
        event: dict[str, Any] = {}
        for target, column in self._copied:
            value = row.get(column)
            if value.__class__ is str:
                event[target] = value
            elif value is not None:
                event[target] = _plain(target, value, self._texts)
        for target, rule in self._worked_out:
            value = self._value(row, rule)
            if value is None:
                continue
            if rule.map is not None:
                known = rule.map.get(str(value))
                if known is not None:
                    value = known
                elif rule.on_unknown == SKIP:
                    return Skipped()
                elif rule.on_unknown is not None:
                    if target == "type" and rule.on_unknown == "custom":
                        event.setdefault("name", str(value))
                    value = rule.on_unknown
            if target == ATTRIBUTES:
                if isinstance(value, Mapping):
                    event[ATTRIBUTES] = {**event.get(ATTRIBUTES, {}), **_jsonable(value)}
            elif target.startswith(f"{ATTRIBUTES}."):
                typed = self._texts and isinstance(value, str)
                _put(event, target, plain_text_value(value) if typed else _jsonable(value))
            else:
                event[target] = _plain(target, value, self._texts)
        return event

    def _value(self, row: Mapping[str, Any], rule: Rule) -> Any:
        if rule.const is not None:
            return rule.const
        if rule.column is not None:
            return _lookup(row, rule.column)
        texts = []
        for part in rule.concat or ():
            value = _lookup(row, part) if self._is_column(part) else part.strip("'")
            if value is None:
                return None
            texts.append(str(value))
        return "".join(texts)

    def _is_copied(self, target: str, rule: Rule) -> bool:
        column = rule.column
        free = target in EVENT_FIELDS and target not in _TYPED and rule.map is None
        return free and column is not None and column in self._known and "." not in column

    def _is_column(self, part: str) -> bool:
        """Whether a part of `concat` names a column; texts that look like names are quoted to be literal."""
        return part in self._known or _NAME.fullmatch(part) is not None

    def _check_columns(self) -> None:
        if not self._known:
            return
        for target, rule in self.rules.items():
            named = [rule.column] if rule.column is not None else [p for p in rule.concat or () if self._is_column(p)]
            for column in named:
                if column not in self._known and column.split(".")[0] not in self._known:
                    raise InvalidInput(f"mapping of {target}: the file has no column {column!r}")


def _lookup(row: Mapping[str, Any], name: str) -> Any:
    """A field of the row; dots lead into objects unless the whole name is a column."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _put(event: dict[str, Any], target: str, value: Any) -> None:
    if target.startswith(f"{ATTRIBUTES}."):
        event.setdefault(ATTRIBUTES, {})[target.removeprefix(f"{ATTRIBUTES}.")] = value
    else:
        event[target] = value


def _plain(target: str, value: Any, texts: bool) -> Any:
    """A value of a native field in the type the API expects."""
    if target in ("time", "ts"):
        return value
    if target == "machine":
        return _WORDS.get(str(value).strip().lower(), value)
    if target == "variation":
        return int(value) if texts and isinstance(value, str) and value.isdecimal() else value
    if target == "revenue":
        return str(value) if isinstance(value, Decimal) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float | Decimal):
        return str(value)
    return _jsonable(value)


def plain_text_value(text: str) -> Any:
    """A text of a CSV file as the number, truth value or list it looks like."""
    if text.startswith("[") and text.endswith("]"):
        return [plain_text_value(part) for part in text[1:-1].split("|")] if len(text) > 2 else []
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _jsonable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value
