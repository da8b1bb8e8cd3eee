"""How rows become events."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campanile.cli.importer.mapping import Converter, Mapped, MappingFile, Rule, Skipped, read_mapping
from campanile.cli.importer.sources import BadRow
from campanile.cli.importer.times import instant
from campanile.errors import InvalidInput

MAPPING = """
skip = ["name"]

[columns]
event_id = {concat = ["msg_id", ":", "event"]}
type = {column = "event", map = {Sent = "sent", Opened = "open"}, on_unknown = "custom"}
time = {column = "ts", format = "%d/%m/%Y %H:%M:%S", timezone = "Asia/Kolkata"}
campaign_key = "campaign"
channel = {const = "EMAIL"}
user_id = {column = "customer_id"}
"attributes.category" = {column = "cat"}
"""
COLUMNS = ("msg_id", "event", "ts", "campaign", "customer_id", "cat", "name", "locale")
ROW = {
    "msg_id": "m1", "event": "Opened", "ts": "09/10/2025 11:00:00", "campaign": "spring", "customer_id": "u-7",
    "cat": "shoes", "name": "ignored", "locale": "en",
}  # fmt: skip


@pytest.fixture
def mapping(tmp_path: Path) -> MappingFile:
    path = tmp_path / "map.toml"
    path.write_text(MAPPING)
    return read_mapping(path)


def event_of(converter: Converter, row: dict[str, Any], number: int = 1) -> dict[str, Any]:
    made = converter.convert(row, number)
    assert isinstance(made, Mapped), made
    return made.event


def test_a_mapping_file_renames_replaces_joins_and_converts(mapping: MappingFile) -> None:
    assert event_of(Converter(COLUMNS, mapping, texts=True), ROW) == {
        "event_id": "m1:Opened",
        "type": "open",
        "time": "2025-10-09T05:30:00.000Z",
        "campaign_key": "spring",
        "channel": "EMAIL",
        "user_id": "u-7",
        "attributes": {"category": "shoes"},
        "locale": "en",
    }


def test_unknown_types_become_custom_events_with_their_name(mapping: MappingFile) -> None:
    event = event_of(Converter(COLUMNS, mapping, texts=True), {**ROW, "event": "Signed up"})
    assert (event["type"], event["name"]) == ("custom", "Signed up")


def test_unknown_values_can_leave_a_row_out() -> None:
    rule = Rule(column="event", map={"Sent": "sent"}, on_unknown="skip")
    converter = Converter(("event",), MappingFile(columns={"type": rule}))
    assert converter.convert({"event": "Deferred"}, 1) == Skipped()
    assert event_of(converter, {"event": "Sent"}) == {"type": "sent"}


def test_json_mappings_mean_the_same(tmp_path: Path, mapping: MappingFile) -> None:
    import msgspec

    path = tmp_path / "map.json"
    path.write_bytes(msgspec.json.encode(mapping))
    assert Converter(COLUMNS, read_mapping(path)).digest() == Converter(COLUMNS, mapping).digest()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[columns]\ntype = {column = 'a', const = 'b'}", "exactly one"),
        ("[columns]\ntype = {colum = 'a'}", "colum"),
        ("[columns]\ncategory = 'a'", r"attributes\.category"),
        ("[columns]\ntime = {column = 'a', timezone = 'Mars/Base'}", "Mars/Base is not a time zone"),
        ("columns = [", "not a mapping file"),
    ],
)
def test_mistakes_in_a_mapping_file_are_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=says):
        read_mapping(path)


def test_a_mapping_that_names_no_column_of_the_file_is_refused(mapping: MappingFile) -> None:
    with pytest.raises(InvalidInput, match="event_id: the file has no column 'msg_id'"):
        Converter(tuple(name for name in COLUMNS if name != "msg_id"), mapping)


def test_columns_with_native_names_map_by_themselves() -> None:
    converter = Converter(("type", "user_id", "attributes.size", "note"), texts=True, id_prefix="imp:ab:")
    event = event_of(converter, {"type": "click", "user_id": "u1", "attributes.size": "42", "note": "x"}, number=9)
    assert event == {"event_id": "imp:ab:9", "type": "click", "user_id": "u1", "attributes": {"size": 42}}
    assert converter.unused == ["note"]


def test_rows_with_own_names_pass_unchanged() -> None:
    row = {"event_id": "e", "type": "custom", "attributes": {"deep": [1, {"x": None}]}, "strange": 1}
    assert event_of(Converter(None), row) == row


def test_constants_win_and_reach_attributes() -> None:
    converter = Converter(("channel",), constants={"channel": "SMS", "attributes.import": "7"}, texts=True)
    assert event_of(converter, {"channel": "EMAIL"}) == {"channel": "SMS", "attributes": {"import": 7}}
    with pytest.raises(InvalidInput, match="not a field"):
        Converter((), constants={"colour": "red"})


def test_joined_ids_are_absent_when_a_part_is() -> None:
    rule = Rule(concat=("msg_id", ":", "'x'"))
    converter = Converter(None, MappingFile(columns={"event_id": rule}), id_prefix="imp:1:")
    assert event_of(converter, {"msg_id": "m"}) == {"event_id": "m:x"}
    assert event_of(converter, {"other": "m"}, number=4) == {"event_id": "imp:1:4"}


def test_dots_lead_into_objects() -> None:
    mapping = MappingFile(columns={"user_id": "user.id", "attributes.plan": "user.plan"})
    event = event_of(Converter(None, mapping), {"user": {"id": 12, "plan": {"name": "pro"}}})
    assert event == {"user_id": "12", "attributes": {"plan": {"name": "pro"}}}


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("machine", "TRUE", True), ("machine", "0", False), ("variation", "2", 2), ("variation", "variation_2",
        "variation_2"), ("revenue", "49.90", "49.90"), ("attributes.a", "[1|x|2.5]", [1, "x", 2.5]),
        ("attributes.a", "[]", []), ("attributes.a", "true", True), ("attributes.a", "007", "007"),
        ("attributes.a", "-1.5", -1.5), ("attributes.a", "1e5", "1e5"), ("user_id", "00042", "00042"),
    ],
)  # fmt: skip
def test_texts_of_tables_get_their_types(field: str, text: str, value: object) -> None:
    event = event_of(Converter((field,), texts=True), {field: text})
    assert (event["attributes"]["a"] if "." in field else event[field]) == value


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        ("user_id", 12, "12"), ("user_id", 12.0, "12"), ("revenue", Decimal("1.5000"), "1.5000"),
        ("attributes", {"at": date(2025, 1, 2), "n": Decimal("1.5"), "b": b"x"}, {"at": "2025-01-02", "n": 1.5,
        "b": "x"}), ("time", datetime(2025, 1, 2, tzinfo=UTC), "2025-01-02T00:00:00.000Z"),
    ],
)  # fmt: skip
def test_typed_values_become_what_the_api_takes(field: str, given: object, value: object) -> None:
    assert event_of(Converter((field,)), {field: given}) == {field: value}


@pytest.mark.parametrize(
    ("value", "format", "zone", "expected"),
    [
        ("2025-10-09T09:00:00Z", "rfc3339", None, "2025-10-09T09:00:00"),
        ("2025-10-09 11:00:00+02:00", "rfc3339", None, "2025-10-09T09:00:00"),
        ("2025-10-09 09:00:00.5 UTC", "rfc3339", None, "2025-10-09T09:00:00.500000"),
        ("2025-10-09 09:00:00", "rfc3339", "Europe/Berlin", "2025-10-09T07:00:00"),
        ("1760000000", "rfc3339", None, "2025-10-09T08:53:20"),
        (1760000000123, "rfc3339", None, "2025-10-09T08:53:20.123000"),
        ("1760000000000000", "rfc3339", None, "2025-10-09T08:53:20"),
        ("1760000000.25", "epoch", None, "2025-10-09T08:53:20.250000"),
        ("1760000000250", "epoch_ms", None, "2025-10-09T08:53:20.250000"),
        ("09.10.2025", "%d.%m.%Y", "Asia/Tokyo", "2025-10-08T15:00:00"),
        (date(2025, 10, 9), "rfc3339", "UTC", "2025-10-09T00:00:00"),
    ],
)
def test_times(value: object, format: str, zone: str | None, expected: str) -> None:
    found = instant(value, format, ZoneInfo(zone) if zone else None)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "format", "code"),
    [
        ("2025-10-09 09:00:00", "rfc3339", "time_without_zone"),
        ("yesterday", "rfc3339", "time_unparsable"),
        ("2025-10-09", "%d.%m.%Y", "time_unparsable"),
        ("1e400", "epoch", "time_unparsable"),
        ("999999999999999999999", "rfc3339", "time_unparsable"),
    ],
)
def test_times_that_mean_nothing(value: object, format: str, code: str) -> None:
    found = instant(value, format, None)
    assert isinstance(found, BadRow)
    assert found.code == code


def test_the_digest_changes_with_the_meaning(mapping: MappingFile) -> None:
    variants = [
        Converter(COLUMNS, mapping),
        Converter(COLUMNS),
        Converter(COLUMNS, mapping, constants={"locale": "de"}),
        Converter(COLUMNS, mapping, timezone="Europe/Berlin"),
        Converter(COLUMNS, mapping, texts=True),
    ]
    assert len({converter.digest() for converter in variants}) == len(variants)


def test_the_mapping_can_be_shown(mapping: MappingFile) -> None:
    shown = dict(Converter(COLUMNS, mapping, constants={"currency": "EUR"}).describe())
    assert shown["event_id"] == "msg_id + ':' + event"
    assert shown["channel"] == "always 'EMAIL'"
    assert shown["currency"] == "always 'EUR'"
    assert shown["type"].startswith("column event, 2 values")
