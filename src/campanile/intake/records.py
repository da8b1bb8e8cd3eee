"""The records of a body: one per event, not yet looked into (ingest specification 1.3)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import msgspec
import numpy as np

from campanile.errors import InvalidInput, PayloadTooLarge
from campanile.intake.decode import Format
from campanile.intake.limits import Limits
from campanile.intake.strict_json import TOKENS, ExactReader, Malformed, lone_surrogate
from campanile.intake.verdicts import Refused

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\n\r"
_BLANK_LINES = 10
"""Lines per event that an NDJSON body may have, blank ones included."""
_BYTE = re.compile(r"\(byte (\d+)\)")

_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_split_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Records(msgspec.Struct, frozen=True):
    """The records of one request."""

    raws: Sequence[bytes]
    lines: Sequence[int] | None = None
    """One-based lines of an NDJSON body."""
    offsets: list[int] | None = None
    """Where each record of a JSON body starts, if it may not be JSON at all."""
    defaults: dict[str, object] | None = None
    """Fields for every record, from the envelope."""


def split(body: bytes, form: Format, limits: Limits, envelope: str) -> Records:
    """The records of `body`. `envelope` is the member that holds them in the envelope form.

    Raises `InvalidInput` for text that is no JSON, and `PayloadTooLarge` for too many records.
    """
    body = body.removeprefix(_BOM)
    records = _lines(body, limits) if form == "ndjson" else _Document(body, limits, envelope).records()
    if len(records.raws) > limits.events:
        raise _too_many(limits)
    return records


def malformed(fault: Malformed, offset: int = 0) -> InvalidInput:
    """The error of a request whose body cannot be read as a whole."""
    return InvalidInput(f"{fault.message} (byte {offset + fault.offset})", type=fault.code)


def _too_many(limits: Limits) -> PayloadTooLarge:
    return PayloadTooLarge(f"A request may hold {limits.events} events", type="too_many_events")


def _twice() -> InvalidInput:
    return InvalidInput("A key stands twice in the envelope", type="duplicate_key")


def _loses_keys(body: bytes, values: list[msgspec.Raw]) -> bool:
    """Whether the object in `body` has a key twice, if `values` are those that its parser kept.

    Looks at the text around the values only; a value that was lost is part of that text.
    """
    start = _address(body)
    around, position = [], 0
    for value in sorted(values, key=_address):
        place = _address(value) - start
        around += [body[position:place], b"0"]
        position = place + len(memoryview(value))
    skeleton = b"".join([*around, body[position:]])
    keys: list[tuple[str, object]] = []
    try:
        json.loads(skeleton, object_pairs_hook=keys.extend)
    except RecursionError:  # only a lost value has any depth
        return True
    return len(keys) > len(values)


def _address(data: bytes | msgspec.Raw) -> int:
    return int(np.frombuffer(memoryview(data), np.uint8).__array_interface__["data"][0])


def _lines(body: bytes, limits: Limits) -> Records:
    if body.count(b"\n") > _BLANK_LINES * limits.events:
        raise _too_many(limits)
    lines = Lines(body)
    if lines.bare:
        return Records(lines, lines=range(1, len(lines) + 1))
    numbered = [(number, line) for number, text in enumerate(lines, start=1) if (line := text.strip(_SPACE))]
    return Records([line for _, line in numbered], lines=[number for number, _ in numbered])


class Lines(Sequence[bytes]):
    """The lines of a body, cut out when they are asked for: most are only read in one piece with the others."""

    def __init__(self, body: bytes) -> None:
        self.body = body.removesuffix(b"\n")
        self.octets = np.frombuffer(self.body, np.uint8)
        breaks = np.flatnonzero(self.octets == ord("\n"))
        self.starts = np.concatenate([[0], breaks + 1])
        self.ends = np.concatenate([breaks, [len(self.body)]])

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, place: int) -> bytes: ...

    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...

    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        return self.body[self.starts[place] : self.ends[place]]

    @property
    def bare(self) -> bool:
        """Whether no line is blank, or has something around it that is to be taken off."""
        if not (self.starts < self.ends).all():
            return False
        edges = self.octets[self.starts], self.octets[self.ends - 1]
        return all(bool((each > _SPACE[0]).all()) for each in edges)


class _Member(NamedTuple):
    key: str
    start: int
    end: int


class _Document:
    """A JSON body: an array of records, an envelope, or one record."""

    def __init__(self, body: bytes, limits: Limits, envelope: str) -> None:
        self._body = body
        self._limits = limits
        self._envelope = envelope

    def records(self) -> Records:
        body = self._body
        if not body.isascii():
            try:
                body.decode()
            except UnicodeDecodeError as error:
                raise malformed(Malformed("invalid_utf8", "The body is not UTF-8", error.start)) from error
        if body.count(b",") > self._limits.values:
            raise _too_many(self._limits)
        try:
            return self._quickly()
        except RecursionError:
            failure = malformed(Malformed("invalid_json", "The body is nested too deeply", 0))
        except msgspec.DecodeError as found:
            failure = self._explained(found)
            if b"NaN" not in body and b"Infinity" not in body:
                raise failure from found
        # NaN and depth refuse one record and not all, but only if the records can be told apart at bounded expense.
        if sum(body.count(mark) for mark in (b",", b":", b"[", b"{", b'"')) > self._limits.values:
            raise failure
        try:
            return self._slowly()
        except Malformed as fault:
            raise malformed(fault) from fault

    def _quickly(self) -> Records:
        body = self._body
        if body.lstrip(_SPACE)[:1] != b"{":
            return Records(self._array(body))
        members = _split_object(body)
        if self._envelope not in members:
            return Records([body.strip(_SPACE)])
        if _loses_keys(body, list(members.values())):
            raise _twice()
        defaults = members.get("defaults")
        return Records(
            self._array(bytes(members[self._envelope])),
            defaults=None if defaults is None else self._defaults(bytes(defaults)),
        )

    def _array(self, text: bytes) -> list[bytes]:
        try:
            return list(map(bytes, _split_array(text)))
        except msgspec.ValidationError as error:
            raise self._not_a_list() from error

    def _not_a_list(self) -> InvalidInput:
        return InvalidInput(
            f"The body must be an array, an object with {self._envelope}, or one record", type="invalid_json"
        )

    def _explained(self, error: msgspec.DecodeError) -> InvalidInput:
        surrogate = lone_surrogate(self._body)
        if surrogate is not None:
            return malformed(Malformed("invalid_utf8", "An escaped surrogate has no partner", surrogate))
        found = _BYTE.search(str(error))
        offset = int(found.group(1)) if found else len(self._body)
        if "trailing characters" in str(error):
            offset -= 1  # the parser has stepped over the first of them
        return malformed(Malformed("invalid_json", "The body is not JSON", offset))

    def _slowly(self) -> Records:
        """The same, by our own scanner: it passes over NaN and any depth."""
        body = self._body
        start = len(body) - len(body.lstrip(_SPACE))
        if body[start : start + 1] != b"{":
            return self._spans(start, len(body), None)
        members = list(_members(body, start))
        by_key = {member.key: member for member in members}
        events = by_key.get(self._envelope)
        if events is None:
            return Records([body.strip(_SPACE)], offsets=[start])
        if len(by_key) < len(members):
            raise _twice()
        defaults = by_key.get("defaults")
        return self._spans(
            events.start, events.end, self._defaults(body[defaults.start : defaults.end]) if defaults else None
        )

    def _spans(self, start: int, end: int, defaults: dict[str, object] | None) -> Records:
        if self._body[start : start + 1] != b"[":
            raise self._not_a_list()
        spans = list(_elements(self._body, start, end))
        return Records(
            [self._body[first:last] for first, last in spans],
            offsets=[first for first, _ in spans],
            defaults=defaults,
        )

    def _defaults(self, raw: bytes) -> dict[str, object]:
        try:
            return ExactReader(self._limits.depth).read(raw)
        except Refused as refused:
            raise InvalidInput(
                "defaults cannot be read: " + refused.message, type=refused.code, attribute="defaults"
            ) from refused
        except Malformed as fault:
            raise InvalidInput(
                "defaults cannot be read: " + fault.message, type=fault.code, attribute="defaults"
            ) from fault


def _pieces(body: bytes, start: int, end: int) -> Iterator[tuple[int, int, list[int]]]:
    """Texts between the commas of the array or object that starts at `start`, with the colons directly in it."""
    depth = 0
    piece = start + 1
    colons: list[int] = []
    for token in TOKENS.finditer(body, start, end):
        mark = body[token.start()]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                yield piece, token.start(), colons
                if body[token.end() : end].strip(_SPACE):
                    raise Malformed("invalid_json", "Something follows the end of the text", token.end())
                if mark != (b"]"[0] if body[start] == b"["[0] else b"}"[0]):
                    raise Malformed("invalid_json", "The text is not JSON", token.start())
                return
        elif depth == 1 and mark == b","[0]:
            yield piece, token.start(), colons
            piece, colons = token.end(), []
        elif depth == 1 and mark == b":"[0]:
            colons.append(token.start())
    raise Malformed("invalid_json", "The text ends too early", end)


def _trimmed(body: bytes, start: int, end: int) -> tuple[int, int]:
    text = body[start:end]
    return start + len(text) - len(text.lstrip(_SPACE)), end - len(text) + len(text.rstrip(_SPACE))


def _elements(body: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    empty = -1
    count = 0
    for piece_start, piece_end, _ in _pieces(body, start, end):
        first, last = _trimmed(body, piece_start, piece_end)
        count += 1
        if first < last:
            yield first, last
        else:
            empty = piece_end
    if empty >= 0 and count > 1:
        raise Malformed("invalid_json", "A value is missing", empty)


def _members(body: bytes, start: int) -> Iterator[_Member]:
    for number, (piece_start, piece_end, colons) in enumerate(_pieces(body, start, len(body))):
        first, last = _trimmed(body, piece_start, piece_end)
        if number == 0 and first >= last:
            continue
        key_start, key_end = _trimmed(body, piece_start, colons[0] if colons else piece_end)
        try:
            key = json.loads(body[key_start:key_end])
        except ValueError:
            key = None
        if len(colons) != 1 or not isinstance(key, str):
            raise Malformed("invalid_json", "The text is not JSON", key_start)
        value_start, value_end = _trimmed(body, colons[0] + 1, piece_end)
        yield _Member(key, value_start, value_end)
