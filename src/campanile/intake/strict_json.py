"""JSON records read strictly: nothing silently lost, nothing silently changed (ingest specification 1.3, 7).

There are two readers and one truth. `fast` uses a C parser that keeps the last of two equal keys, so it answers only
where it can prove that no key was lost, and declines otherwise. `exact` sees every key, knows why a record is refused
and is ten times slower. Whatever `fast` returns, `exact` returns as well.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Literal, NoReturn

import msgspec
import numpy as np

from campanile.intake.limits import MAX_NUMBER
from campanile.intake.verdicts import Refused

_COLON, _SPACE = ord(":"), ord(" ")

_MAX_DECIMAL_CHARS = 40
"""Characters of a decimal number that are kept digit for digit; longer ones are read as a double."""

TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},:]', re.DOTALL)
"""Strings and punctuation of a JSON text, found in one pass: a string that does not end is a token to the end."""
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ESCAPES = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F])|.)", re.DOTALL)
"""Escapes one by one; the group is set on a \\u escape that stands for half of a character alone."""


class _NonFinite(ValueError):
    """A number that is no number."""


def number(literal: str) -> Decimal:
    """A JSON number with a fraction or an exponent, digit for digit."""
    if len(literal) <= _MAX_DECIMAL_CHARS and "e" not in literal and "E" not in literal:
        return Decimal(literal)
    double = float(literal)
    if math.isinf(double):
        raise _NonFinite
    if len(literal) > _MAX_DECIMAL_CHARS:
        return Decimal(repr(double))
    try:
        return Decimal(literal)
    except InvalidOperation:  # an exponent of astronomic size, yet finite: nothing but zero
        return Decimal(repr(double))


decode_object = msgspec.json.Decoder(dict[str, object], float_hook=number).decode
"""Reads an object quickly; keeps the last of two equal keys without a word."""


def may_hide_keys(body: bytes) -> bool:
    """Whether a quote and its colon may stand apart in `body`, so that keys cannot be counted by `":`."""
    octets = np.frombuffer(body, np.uint8)
    return bool(((octets[1:] == _COLON) & (octets[:-1] <= _SPACE)).any())


def fast(raw: bytes, max_depth: int, countable: bool) -> dict[str, object] | None:
    """The object in `raw`, or None where only `exact` can tell.

    Every key is followed by `":`, and inside a text a quote is escaped but still a quote. So the number of `":` is at
    least the number of keys written, if no white space stands between them (`countable`), and equals the number of
    keys kept only if none was lost.
    """
    try:
        record = decode_object(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    keys = len(record)
    if raw.find(b"{", 1) > 0 or b"[" in raw:
        for value in record.values():
            if value.__class__ is dict or value.__class__ is list:
                inner, depth = _measure(value)
                keys += inner
                if depth >= max_depth:
                    return None
    if raw.count(b'":') != keys or not (countable or not may_hide_keys(raw)):
        return None
    return record


def _measure(value: object) -> tuple[int, int]:
    """Keys and levels of a value; at most as deep as the C parser goes."""
    keys, depth = 0, 0
    level: list[object] = [value]
    while level:
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                keys += len(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        depth += 1
        level = [item for item in below if isinstance(item, dict | list)]
    return keys, depth


class ExactReader:
    """Reads one record and finds everything that is wrong with it. Not thread-safe."""

    def __init__(self, max_depth: int) -> None:
        self._max_depth = max_depth
        self._duplicate = False
        self._non_finite = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._pairs,
            parse_float=self._float,
            parse_int=self._int,
            parse_constant=self._constant,
        )

    def read(self, raw: bytes) -> dict[str, object]:
        """The object in `raw`. Raises `Refused`, and `Malformed` where the text is no JSON at all.

        Checked in this order: encoding, depth, syntax, being an object, duplicate keys, numbers.
        """
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise Malformed("invalid_utf8", "The text is not UTF-8", error.start) from error
        # Counting first: only a text with more brackets than levels can be too deep.
        if raw.count(b"[") + raw.count(b"{") > self._max_depth and levels(raw) > self._max_depth:
            raise Refused("too_deep", "", f"Objects and arrays may be nested {self._max_depth} levels deep")
        self._duplicate = self._non_finite = False
        try:
            record = self._decoder.decode(text)
        except json.JSONDecodeError as error:
            self._explain(text, error)
        surrogate = lone_surrogate(raw)
        if surrogate is not None:
            raise Malformed("invalid_utf8", "An escaped surrogate has no partner", surrogate)
        if not isinstance(record, dict):
            raise Refused("not_an_object", "", "An event is a JSON object")
        if self._duplicate:
            raise Refused("duplicate_key", "", "A key stands twice in one object")
        if self._non_finite:
            raise Refused("non_finite_number", "", "A number is not finite")
        return record

    @staticmethod
    def _explain(text: str, error: json.JSONDecodeError) -> NoReturn:
        offset = len(text[: error.pos].encode())
        if error.msg.startswith("Invalid control character"):
            raise Malformed("invalid_utf8", "A text holds a control character that is not escaped", offset) from error
        raise Malformed("invalid_json", "The text is not JSON", offset) from error

    def _pairs(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        self._duplicate |= len(found) < len(pairs)
        return found

    def _float(self, literal: str) -> Decimal:
        try:
            return number(literal)
        except _NonFinite:
            self._non_finite = True
            return Decimal(0)

    @staticmethod
    def _int(literal: str) -> int:
        try:
            return int(literal)
        except ValueError:  # Python refuses to convert thousands of digits
            return -MAX_NUMBER if literal.startswith("-") else MAX_NUMBER

    def _constant(self, _name: str) -> Decimal:
        self._non_finite = True
        return Decimal(0)


class Malformed(Exception):
    """Text that is no JSON. Fails a request in array form, one line in NDJSON."""

    def __init__(self, code: Literal["invalid_json", "invalid_utf8"], message: str, offset: int) -> None:
        super().__init__(message)
        self.code: Literal["invalid_json", "invalid_utf8"] = code
        self.message = message
        self.offset = offset
        """Bytes before the fault."""


def levels(raw: bytes) -> int:
    """How deep objects and arrays are nested. Brackets in texts do not count, missing ones do not matter."""
    brackets = np.frombuffer(_STRING.sub(b"", raw).translate(None, _NO_BRACKETS), np.uint8)
    if not brackets.size:
        return 0
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    return max(0, int(np.cumsum(steps).max()))


def lone_surrogate(raw: bytes) -> int | None:
    """Where a \\u escape stands for half of a character, or None. The escapes before it must be valid."""
    if b"\\u" not in raw:
        return None
    return next((escape.start() for escape in _ESCAPES.finditer(raw) if escape.group(1)), None)
