"""Requests: what is accepted, which field an error names, and how it shows the value."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.errors import InvalidInput
from campanile.stats.schemas import MAX_DEPTH, InvalidField, StatsRequest, parse_object, parse_request

VALID: dict[str, Any] = {
    "request_id": "t",
    "campaign_ids": ["a", "b"],
    "start_date": "2024-12-22",
    "end_date": "2024-12-23",
    "attribution_type": "VIEW_THROUGH",
    "metric_type": "TOTAL",
    "offset": 3,
    "limit": 2,
}
FIELDS = list(VALID)
ATTRIBUTIONS = ["VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"]
REQUIRED = ["request_id", "start_date", "end_date", "attribution_type", "metric_type"]


def parse(**changes: Any) -> StatsRequest:
    return parse_request(json.dumps(VALID | changes).encode(), max_campaign_ids=10)


def refusal(**changes: Any) -> InvalidField:
    with pytest.raises(InvalidField) as caught:
        parse(**changes)
    return caught.value


def shown(error: InvalidField) -> str:
    """The value as the message shows it."""
    prefix = f"{error.attribute} - Some of the field values are invalid: {error.attribute} : "
    assert error.message.startswith(prefix)
    return error.message.removeprefix(prefix)


def test_a_complete_request() -> None:
    assert parse() == StatsRequest(
        request_id="t",
        campaign_ids=("a", "b"),
        first=date(2024, 12, 22),
        last=date(2024, 12, 23),
        attribution="VIEW_THROUGH",
        metric_type="TOTAL",
        offset=3,
        limit=2,
    )


def test_optional_members_may_be_missing_null_or_empty() -> None:
    smallest = {name: VALID[name] for name in REQUIRED}
    request = parse_request(json.dumps(smallest).encode(), max_campaign_ids=10)
    assert (request.campaign_ids, request.offset, request.limit) == ((), 0, 10)
    assert parse(campaign_ids=None, offset=None, limit=None) == request
    assert parse(campaign_ids=[], offset=0, limit=10) == request


def test_unknown_members_are_ignored_and_the_last_of_a_repeated_one_wins() -> None:
    body = json.dumps(VALID | {"channel": "PUSH", "filters": {"a": [1]}})
    assert parse_request(body.encode(), max_campaign_ids=10) == parse()
    repeated = body[:-1] + ', "limit": 7}'
    assert parse_request(repeated.encode(), max_campaign_ids=10).limit == 7


@pytest.mark.parametrize("field", REQUIRED)
def test_missing_and_null_are_shown_as_none(field: str) -> None:
    for error in (refusal(**{field: None}), _refusal_without(field)):
        assert (error.attribute, shown(error)) == (field, "None")


def _refusal_without(field: str) -> InvalidField:
    body = {name: value for name, value in VALID.items() if name != field}
    with pytest.raises(InvalidField) as caught:
        parse_request(json.dumps(body).encode(), max_campaign_ids=10)
    return caught.value


INVALID: list[tuple[str, Any, str]] = [
    ("request_id", "", ""),
    ("request_id", 1, "1"),
    ("request_id", "x" * 257, "x" * 64),
    ("campaign_ids", "a", "a"),
    ("campaign_ids", {"a": 1}, "{'a': 1}"),
    ("campaign_ids", 0, "0"),
    ("campaign_ids", ["a"] * 11, "11"),
    ("campaign_ids", ["a", 123, 124], "123"),
    ("campaign_ids", ["a", None], "None"),
    ("campaign_ids", [["a"]], "['a']"),
    ("campaign_ids", ["a", ""], ""),
    ("campaign_ids", ["x" * 65], "x" * 64),
    ("campaign_ids", ["a", "b", "b", "a"], "b"),
    ("campaign_ids", ["a", "a", 5], "5"),
    ("start_date", "12/22/2024", "12/22/2024"),
    ("start_date", "22-12-2024", "22-12-2024"),
    ("start_date", "2024-12-22T00:00:00Z", "2024-12-22T00:00:00Z"),
    ("start_date", "2024-2-01", "2024-2-01"),
    ("start_date", "2024-02-30", "2024-02-30"),
    ("start_date", "20241222", "20241222"),
    ("start_date", "2024-W51-1", "2024-W51-1"),
    ("start_date", " 2024-12-22", " 2024-12-22"),
    ("start_date", "2024-12-22\n", "2024-12-22"),
    ("start_date", "２０２４-12-22", "２０２４-12-22"),
    ("start_date", "1969-12-31", "1969-12-31"),
    ("start_date", "0000-01-01", "0000-01-01"),
    ("start_date", 20241222, "20241222"),
    ("end_date", "2024-12-21", "2024-12-21"),
    ("end_date", "2025-01-22", "2025-01-22"),
    ("end_date", "2024-13-01", "2024-13-01"),
    ("end_date", ["2024-12-23"], "['2024-12-23']"),
    ("attribution_type", "view_through", "view_through"),
    ("attribution_type", "LAST_CLICK", "LAST_CLICK"),
    ("attribution_type", "", ""),
    ("attribution_type", ["VIEW_THROUGH"], "['VIEW_THROUGH']"),
    ("metric_type", "total", "total"),
    ("metric_type", "BOTH", "BOTH"),
    ("metric_type", True, "True"),
    ("offset", -1, "-1"),
    ("offset", "10", "10"),
    ("offset", 10.0, "10.0"),
    ("offset", False, "False"),
    ("offset", [], "[]"),
    ("offset", 10**4200, "1" + "0" * 63),
    ("limit", 0, "0"),
    ("limit", 11, "11"),
    ("limit", "10", "10"),
    ("limit", 1e1, "10.0"),
    ("limit", True, "True"),
    ("limit", {}, "{}"),
]


@pytest.mark.parametrize(("field", "value", "text"), INVALID)
def test_invalid_values(field: str, value: Any, text: str) -> None:
    error = refusal(**{field: value})
    assert (error.attribute, shown(error)) == (field, text)


def test_every_field_has_an_invalid_value() -> None:
    assert {field for field, _, _ in INVALID} == set(FIELDS)


@pytest.mark.parametrize("first", FIELDS)
@pytest.mark.parametrize("second", FIELDS)
def test_the_first_invalid_field_answers(first: str, second: str) -> None:
    changes = {first: {"no": "good"}, second: {"no": "good"}}
    assert refusal(**changes).attribute == min(first, second, key=FIELDS.index)


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": "x" * 256},
        {"request_id": "❤" * 256},
        {"campaign_ids": ["x" * 64, "a b", "ü"]},
        {"campaign_ids": [str(number) for number in range(10)]},
        {"start_date": "1970-01-01", "end_date": "1970-01-31"},
        {"start_date": "2024-02-29", "end_date": "2024-02-29"},
        {"start_date": "9999-12-31", "end_date": "9999-12-31"},
        {"start_date": "2024-12-01", "end_date": "2024-12-31"},
        {"offset": 10**3000},
        {"limit": 1},
    ],
)
def test_values_at_the_edge_are_accepted(changes: dict[str, Any]) -> None:
    parse(**changes)


@pytest.mark.parametrize(
    "attribution", ["VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"]
)
@pytest.mark.parametrize("metric_type", ["TOTAL", "UNIQUE"])
def test_all_types(attribution: str, metric_type: str) -> None:
    request = parse(attribution_type=attribution, metric_type=metric_type)
    assert (request.attribution, request.metric_type) == (attribution, metric_type)


def test_the_number_of_ids_is_the_workspaces() -> None:
    body = json.dumps(VALID | {"campaign_ids": [str(number) for number in range(50)]}).encode()
    assert len(parse_request(body, max_campaign_ids=50).campaign_ids) == 50
    with pytest.raises(InvalidField, match="campaign_ids : 50"):
        parse_request(body, max_campaign_ids=49)


@pytest.mark.parametrize(("given", "limit"), [(0, 10), (3, 10), (50, 50)])
def test_without_a_limit_a_page_holds_all_that_were_named(given: int, limit: int) -> None:
    ids = [str(number) for number in range(given)]
    body = json.dumps(VALID | {"campaign_ids": ids, "limit": None}).encode()
    assert parse_request(body, max_campaign_ids=50).limit == limit


@given(st.dates(min_value=date(1970, 3, 1), max_value=date(9000, 1, 1)), st.integers(-40, 40))
def test_spans(first: date, days: int) -> None:
    last = first + timedelta(days=days)
    if 0 <= days <= 30:
        assert parse(start_date=first.isoformat(), end_date=last.isoformat()).last == last
    else:
        assert shown(refusal(start_date=first.isoformat(), end_date=last.isoformat())) == last.isoformat()


def test_control_characters_are_dropped_before_the_value_is_cut() -> None:
    assert shown(refusal(metric_type="a\x00\x1f\x7f\x85\n" * 70)) == "a" * 64


NO_OBJECT: list[bytes] = [
    b"",
    b" ",
    b"{",
    b'{"request_id": ',
    b"[]",
    b'"text"',
    b"null",
    b"12",
    b"{}{}",
    b"{} x",
    b"\xef\xbb\xbf{}",
    '{"a":"ü"}'.encode("latin-1"),
    '{"a":1}'.encode("utf-16"),
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":1e400}',
    b"{'a':1}",
    b'{"a":1,}',
    b'{"a":"\\ud800"}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":"tab\there"}',
    b'{"a":' + b"1" * 5000 + b"}",
    b'{"a":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
]


@pytest.mark.parametrize("body", NO_OBJECT, ids=range(len(NO_OBJECT)))
def test_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_request(body, max_campaign_ids=10)
    assert caught.value.attribute == ""


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"x":', b"}")])
def test_depth(opening: bytes, closing: bytes) -> None:
    def nested(levels: int) -> bytes:
        inner = levels - 1
        return b'{"a":' + opening * (inner - 1) + b"[]" + closing * (inner - 1) + b"}"

    assert parse_object(nested(MAX_DEPTH))
    with pytest.raises(InvalidInput, match="deeper"):
        parse_object(nested(MAX_DEPTH + 1))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
REQUESTS = st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES).map(lambda changes: VALID | changes)


@given(REQUESTS | JSON_VALUES)
def test_any_json_is_valid_or_refused(value: Any) -> None:
    """Nothing but the two documented outcomes, and every message can be sent back."""
    body = json.dumps(value).encode()
    try:
        request = parse_request(body, max_campaign_ids=10)
    except InvalidInput as error:
        msgspec.json.encode(error.message)
        assert isinstance(error, InvalidField) == bool(error.attribute)
    else:
        msgspec.json.encode(request)
        assert isinstance(value, dict)


@given(st.binary(max_size=200))
def test_any_bytes_are_valid_or_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_request(body, max_campaign_ids=10)
