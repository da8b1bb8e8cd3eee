"""Two readers, one truth: what the quick one returns, the exact one returns as well."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given

from campanile.intake.limits import MAX_DEPTH, MAX_NUMBER
from campanile.intake.strict_json import ExactReader, Malformed, fast, levels, lone_surrogate, may_hide_keys, number
from campanile.intake.verdicts import Refused
from tests.intake.strange_json import documents, mutations
from tests.support.sampling import examples

GONE = object()


def quickly(raw: bytes, *, body: bytes | None = None) -> Any:
    found = fast(raw, MAX_DEPTH, not may_hide_keys(raw if body is None else body))
    return GONE if found is None else found


def exactly(raw: bytes) -> Any:
    try:
        return ExactReader(MAX_DEPTH).read(raw)
    except Refused as refused:
        return refused.code
    except Malformed as fault:
        return fault.code


def typed(value: Any, **conversions: Callable[[Any], Any]) -> Any:
    """A value that equals another one only if both are alike: True is not 1."""
    if isinstance(value, dict):
        return {key: typed(item, **conversions) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item, **conversions) for item in value]
    value = conversions.get(type(value).__name__, lambda same: same)(value)
    return type(value), str(value)


@examples(600)
@given(raw=documents() | mutations())
@example(raw=b'{"a" :1,"a":"\\":"}')
@example(raw=b'{"a":1,"\\u0061":2}')
@example(raw=b'{"x":{"a":1,"a":2}}')
@example(raw=b'{"x":[{"a":1},{"a":1,"a":1}]}')
@example(raw=b'{"a\\"":1,"b":2}')
@example(raw=b'{"a":"\\":","a" \n :2}')
def test_the_quick_reader_never_says_anything_else_than_the_exact_one(raw: bytes) -> None:
    found = quickly(raw)
    if found is not GONE:
        assert typed(found) == typed(exactly(raw))


@examples(300)
@given(raw=documents() | mutations())
@example(raw=b'{"a":1e-999999999999999999999}')
def test_the_exact_reader_agrees_with_the_standard_one(raw: bytes) -> None:
    found = exactly(raw)
    try:
        standard = json.loads(raw.decode())
    except (UnicodeDecodeError, json.JSONDecodeError):
        assert found in ("invalid_json", "invalid_utf8", "too_deep")
        return
    if isinstance(found, dict):
        assert typed(found, Decimal=float) == typed(standard)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"event_id":"e-1","type":"sent","n":1,"f":1.5,"b":true,"x":null}',
        b' {"event_id": "e-1", "type": "sent"}\r',
        b'{"a":{"b":[1,{"c":2}]}}',
        '{"a":"é😀"}'.encode(),
    ],
)
def test_ordinary_records_are_read_quickly(raw: bytes) -> None:
    assert quickly(raw) == exactly(raw) == json.loads(raw, parse_float=Decimal)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"a":1,"a":1}', "duplicate_key"),
        (b'{"a":1,"b":2,"\\u0061":3}', "duplicate_key"),
        (b'{"a" :1,"a" :2}', "duplicate_key"),
        (b'{"a":{"b":1,"b":2}}', "duplicate_key"),
        (b'{"a":[{"b":1,"b":2}]}', "duplicate_key"),
        (b'{"a":NaN}', "non_finite_number"),
        (b'{"a":-Infinity}', "non_finite_number"),
        (b'{"a":[Infinity]}', "non_finite_number"),
        (b'{"a":1e400}', "non_finite_number"),
        (b'{"a":-1.5E+999}', "non_finite_number"),
        (b'{"a":[[[[1]]]]}', {"a": [[[[1]]]]}),
        (b'{"a":[[[[[1]]]]]}', "too_deep"),
        (b'{"a":{"a":{"a":{"a":{}}}}}', {"a": {"a": {"a": {"a": {}}}}}),
        (b'{"a":{"a":{"a":{"a":{"a":{}}}}}}', "too_deep"),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "too_deep"),
        (b"[" * 30_000, "too_deep"),
        (b'{"a":"[[[[[[[["}', {"a": "[[[[[[[["}),
        (b"1", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"a":1}}', "invalid_json"),
        (b'{"a":1,}', "invalid_json"),
        (b"{'a':1}", "invalid_json"),
        (b'{"a":01}', "invalid_json"),
        (b'{"a":1.}', "invalid_json"),
        (b'{"a":+1}', "invalid_json"),
        (b'{"a":"\\x41"}', "invalid_json"),
        (b'{"a":1}//', "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b'{"a":"\xff"}', "invalid_utf8"),
        (b'{"a":"\xed\xa0\x80"}', "invalid_utf8"),
        (b'{"a":"\xc0\x80"}', "invalid_utf8"),
        (b'{"a":"\\ud800"}', "invalid_utf8"),
        (b'{"a":"\\udc00"}', "invalid_utf8"),
        (b'{"a":"\\ud800\\u0041"}', "invalid_utf8"),
        (b'{"a":"\\ud83d\\ude00\\ud83d"}', "invalid_utf8"),
        (b'{"\\udc00":1}', "invalid_utf8"),
        (b'{"a":"\x00"}', "invalid_utf8"),
        (b'{"a":"\x1f"}', "invalid_utf8"),
        (b'{"a":"\t"}', "invalid_utf8"),
        (b'{"a":"\\u0000"}', {"a": "\x00"}),
        (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(raw: bytes, code: Any) -> None:
    assert exactly(raw) == code
    if isinstance(code, str):
        assert quickly(raw) is GONE


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("1.50", Decimal("1.50")),
        ("1e5", Decimal("1E+5")),
        ("123456789012.1234", Decimal("123456789012.1234")),
        ("1e-99999999999999999999999", Decimal("0.0")),
        ("0." + "1" * 100, Decimal("0.1111111111111111")),
    ],
)
def test_decimals_keep_their_digits(literal: str, value: Decimal) -> None:
    assert number(literal) == value
    assert typed(quickly(b'{"a":%s}' % literal.encode())) == typed({"a": value})
    assert typed(exactly(b'{"a":%s}' % literal.encode())) == typed({"a": value})


@pytest.mark.parametrize("digits", [30, 100, 101, 102, 4300, 4301, 20_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_integers_of_any_size_are_no_floats(digits: int, sign: str) -> None:
    found = exactly(f'{{"a":{sign}{"9" * digits}}}'.encode())["a"]
    assert type(found) is int
    assert found == int(sign + "9" * digits) if digits <= 4300 else found == int(f"{sign}1") * MAX_NUMBER


def test_one_reader_reads_many_records() -> None:
    reader = ExactReader(MAX_DEPTH)
    with pytest.raises(Refused):
        reader.read(b'{"a":1,"a":2}')
    with pytest.raises(Refused):
        reader.read(b'{"a":NaN}')
    assert reader.read(b'{"a":1}') == {"a": 1}


@pytest.mark.parametrize(
    ("body", "hides"),
    [
        (b'{"a":1}', False),
        (b'{"a": 1, "b": "c"}', False),
        (b'{"a" :1}', True),
        (b'{"a"\t:1}', True),
        (b'{"a"\n:1}', True),
        (b'{"a"\r:1}', True),
        (b'{"a":"b :c"}', True),
        (b"", False),
        (b":", False),
    ],
)
def test_colons_apart_from_their_quotes(body: bytes, hides: bool) -> None:
    assert may_hide_keys(body) is hides


@pytest.mark.parametrize(
    ("raw", "depth"),
    [
        (b"1", 0),
        (b"{}", 1),
        (b'{"a":[]}', 2),
        (b"[[],[[]]]", 3),
        (b'{"a":"[[["}', 1),
        (b'"[', 0),
        (b"]]", 0),
        (b"]][", 0),
        (b"[[[", 3),
        (b"", 0),
    ],
)
def test_levels(raw: bytes, depth: int) -> None:
    assert levels(raw) == depth


def test_texts_without_end_are_read_in_one_pass() -> None:
    # Without that, every escaped quote would start another look at the whole rest.
    assert levels(b'"' + b'\\"' * 500_000) == 0


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        (b"", None),
        (b'"\\u0041"', None),
        (b'"\\ud83d\\ude00"', None),
        (b'"\\ud83d"', 1),
        (b'"ab\\ude00"', 3),
        (b'"\\ud83dx\\ude00"', 1),
        (b'"\\ud83d\\n"', 1),
        (b'"\\\\ud83d"', None),
    ],
)
def test_halves_of_characters(raw: bytes, offset: int | None) -> None:
    assert lone_surrogate(raw) == offset


def test_faults_say_where() -> None:
    for raw, offset in [(b'{"a":x}', 5), ('{"é":x}'.encode(), 6), (b'{"a":"\xff"}', 6), (b'{"a":"\\ud800"}', 6)]:
        with pytest.raises(Malformed) as caught:
            ExactReader(MAX_DEPTH).read(raw)
        assert caught.value.offset == offset
