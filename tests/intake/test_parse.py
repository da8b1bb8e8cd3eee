"""Whole bodies: their forms, their faults, and a verdict on every record."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.errors import CampanileError, InvalidInput, PayloadTooLarge
from campanile.intake import parse
from campanile.intake.decode import Format
from campanile.intake.limits import Limits
from campanile.intake.parse import parse_events
from campanile.intake.records import _Document
from campanile.intake.shapes import DEFAULT_FIELDS
from campanile.intake.verdicts import CODES, ParsedBatch
from tests.intake.parsing import CAMPAIGN, NOW, POLICY, custom, ndjson, parsed, record
from tests.intake.strange_json import documents, mutations
from tests.support.sampling import examples

GOLDEN = sorted((Path(__file__).parent.parent / "golden").glob("metrics_*.json"))
BOM = b"\xef\xbb\xbf"


def from_json(body: Any, policy: Any = POLICY, key: str | None = None) -> ParsedBatch:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_events(text, "json", policy, NOW, idempotency_key=key)


def failure(body: Any, form: Format = "json", policy: Any = POLICY) -> tuple[int, str, str]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(CampanileError) as caught:
        parse_events(text, form, policy, NOW)
    return caught.value.status, caught.value.error_type, caught.value.attribute


def ids(batch: ParsedBatch) -> list[str]:
    return [item.event_id for item in batch.events]


THREE = [record(event_id=f"e-{number}") for number in range(3)]


class TestForms:
    @pytest.mark.parametrize("indent", [None, 0, 1])
    @pytest.mark.parametrize("around", [b"", b" \r\n\t", BOM, BOM + b"\n"])
    def test_json(self, indent: int | None, around: bytes) -> None:
        for body in (THREE, {"events": THREE}, {"defaults": {}, "events": THREE}, {"x": [], "events": THREE, "y": {}}):
            text = around + json.dumps(body, indent=indent).encode() + around.strip(BOM)
            batch = from_json(text)
            assert (ids(batch), batch.indexes, batch.lines, batch.received) == (
                ["e-0", "e-1", "e-2"], [0, 1, 2], None, 3,
            )  # fmt: skip
        assert ids(from_json(around + json.dumps(THREE[0], indent=indent).encode())) == ["e-0"]

    def test_ndjson(self) -> None:
        for end in (b"", b"\n", b"\r\n\r\n", b"\n  \n"):
            for between in (b"\n", b"\r\n"):
                body = between.join([*(json.dumps(item).encode() for item in THREE)]) + end
                batch = parse_events(body, "ndjson", POLICY, NOW)
                assert (ids(batch), list(batch.lines or ())) == (["e-0", "e-1", "e-2"], [1, 2, 3])

    def test_blank_lines_count_as_lines_only(self) -> None:
        batch = parsed(b"", THREE[0], b" \t\r", b"", b"{}", THREE[1])
        assert (batch.indexes, batch.lines) == ([0, 2], [2, 5, 6])
        assert [(item.index, item.line) for item in batch.rejections] == [(1, 5)]

    def test_a_byte_order_mark_only_at_the_start(self) -> None:
        assert ids(parse_events(BOM + ndjson(*THREE), "ndjson", POLICY, NOW)) == ["e-0", "e-1", "e-2"]
        batch = parsed(THREE[0], BOM + json.dumps(THREE[1]).encode())
        assert [(item.line, item.code) for item in batch.rejections] == [(2, "invalid_json")]
        assert failure(BOM + BOM + b"[]") == (400, "invalid_json", "")
        assert failure(b"[" + BOM + b"]") == (400, "invalid_json", "")

    def test_nothing(self) -> None:
        for form, body in (("json", b"[]"), ("json", b'{"events":[]}'), ("ndjson", b""), ("ndjson", b"\n\n")):
            batch = parse_events(body, form, POLICY, NOW)  # type: ignore[arg-type]
            assert (batch.received, batch.events, batch.rejections, batch.warnings) == (0, [], [], [])

    @pytest.mark.parametrize("body", [b"1", b'"x"', b"null", b"true", b'{"events":{}}', b'{"events":null}'])
    def test_no_events_at_all(self, body: bytes) -> None:
        assert failure(body) == (400, "invalid_json", "")


class TestFaultsOfABody:
    @pytest.mark.parametrize(
        ("body", "code", "offset"),
        [
            (b"", "invalid_json", 0),
            (b"[", "invalid_json", 1),
            (b"[{}", "invalid_json", 3),
            (b"[{},]", "invalid_json", 4),
            (b"[{},,{}]", "invalid_json", 4),
            (b'[{"a":x}]', "invalid_json", 6),
            ('[{"é":x}]'.encode(), "invalid_json", 7),
            (b'{"events":[{"a" 1}]}', "invalid_json", 16),
            (b"[] []", "invalid_json", 3),
            (b"[]]", "invalid_json", 2),
            (b'[{"a":"\x01"}]', "invalid_json", 7),
            (b'[{"a":"\xff"}]', "invalid_utf8", 7),
            (b'[{"a":"\\ud800"}]', "invalid_utf8", 7),
            (b'[{"a":NaN},{"b":}]', "invalid_json", 16),
            (b'[{"a":NaN},{"b":"\\udc00"}]', "invalid_utf8", 17),
            (b'[{"a":NaN},]', "invalid_json", 11),
            (b'[{"a":NaN}', "invalid_json", 10),
            (b'[{"a":NaN}} ', "invalid_json", 10),
            (b'[{"a":NaN}] x', "invalid_json", 11),
            (b'{"events" [NaN]}', "invalid_json", 1),
            (b'{"events":[NaN],}', "invalid_json", 16),
            (b"[" * 100_000, "invalid_json", 100_000),
        ],
    )
    def test_fails_as_a_whole_and_says_where(self, body: bytes, code: str, offset: int) -> None:
        with pytest.raises(InvalidInput) as caught:
            from_json(body)
        assert (caught.value.error_type, caught.value.message.rsplit("(", 1)[-1]) == (code, f"byte {offset})")

    def test_what_refuses_one_event_only(self) -> None:
        deep = b'{"event_id":"d","x":' + b"[" * 3000 + b"]" * 3000 + b"}"
        first, last = (json.dumps(item).encode() for item in THREE[:2])
        for bad, code in ((b'{"revenue":NaN}', "non_finite_number"), (deep, "too_deep"), (b"7", "not_an_object")):
            for body in (
                b"[" + first + b"," + bad + b" , " + last + b"]",
                b' {"events" : [' + first + b"," + bad + b"," + last + b"]} ",
            ):
                batch = from_json(body)
                assert ids(batch) == ["e-0", "e-1"]
                assert [(item.index, item.code, item.line) for item in batch.rejections] == [(1, code, None)]
        assert [item.code for item in from_json(b'{"event_id":"e","x":-Infinity}').rejections] == ["non_finite_number"]

    def test_looking_for_the_faulty_event_is_bounded(self) -> None:
        many = b'[{"event_id":"e","x":[' + b"[]," * 900_000 + b"1]},NaN]"
        assert from_json(many).received == 2
        more = b'[{"event_id":"e","x":[' + b"[]," * 1_000_000 + b"1]},NaN]"
        assert failure(more) == (400, "invalid_json", "")
        assert failure(b"[" * 3_000_000) == (400, "invalid_json", "")


class TestEnvelope:
    def test_defaults_are_merged_and_the_event_wins(self) -> None:
        batch = from_json(
            {
                "defaults": {"campaign_id": CAMPAIGN, "channel": "PUSH", "platform": "ANDROID", "locale": "de"},
                "events": [
                    {"event_id": "cg-9", "type": "removed", "reason": "campaign_control_group",
                     "time": "2025-10-09T08:58:00Z", "user_id": "u-1009"},
                    custom(event_id="ord-77"),
                    record(event_id="x", campaign_id=..., platform="IOS", locale=None),
                ],
            }
        )  # fmt: skip
        assert batch.rejections == batch.warnings == []
        assert [(item.campaign_id, item.platform, item.locale) for item in batch.events] == [
            (CAMPAIGN, "ANDROID", "de"), ("", "ANDROID", ""), (CAMPAIGN, "IOS", ""),
        ]  # fmt: skip

    def test_a_key_of_the_event_replaces_a_default_id(self) -> None:
        batch = from_json(
            {
                "defaults": {"campaign_id": CAMPAIGN, "delivery_type": "ONE_TIME"},
                "events": [record(campaign_id=..., campaign_key="k", campaign_delivery_type="PERIODIC")],
            }
        )
        assert batch.events[0].campaign_id != CAMPAIGN
        assert (batch.events[0].campaign_name, batch.events[0].delivery_type) == ("k", "PERIODIC")

    @pytest.mark.parametrize("name", sorted(DEFAULT_FIELDS))
    def test_what_defaults_may_hold(self, name: str) -> None:
        assert from_json({"events": [], "defaults": {name: None}}).received == 0

    @pytest.mark.parametrize("name", ["event_id", "user_id", "type", "time", "device_id"])
    def test_what_they_may_not(self, name: str) -> None:
        assert failure({"events": [], "defaults": {name: "x"}}) == (400, "invalid_value", f"defaults.{name}")
        assert failure({"events": [], "defaults": {"ada@example.net": "x"}}) == (400, "invalid_value", "defaults")

    @pytest.mark.parametrize(
        ("defaults", "code"),
        [(b"[]", "not_an_object"), (b'{"locale":"a","locale":"b"}', "duplicate_key"), (b"NaN", "not_an_object"),
         (b'{"x":[[[[[[]]]]]]}', "too_deep")],
    )  # fmt: skip
    def test_unreadable_defaults(self, defaults: bytes, code: str) -> None:
        assert failure(b'{"events":[],"defaults":' + defaults + b"}") == (400, code, "defaults")

    def test_bad_values_refuse_every_event(self) -> None:
        batch = from_json({"events": THREE, "defaults": {"locale": "all_locales"}})
        assert [item.code for item in batch.rejections] == ["reserved_value"] * 3

    @pytest.mark.parametrize(
        "body",
        [
            b'{"events":[{"event_id":"lost"}],"events":[]}',
            b'{"events":[{"event_id":"lost"}],"\\u0065vents":[]}',
            b'{"\\u0065\\u0076ents":[{"event_id":"lost"}],"events":[]}',
            b'{"events":[],"defaults":{"locale":"en"},"defaults":{}}',
            b'{"events":[],"x":1, "x" : 2}',
            b'{"":1,"":2,"events":[]}',
            b'{"events":' + b"[" * 900 + b"]" * 900 + b',"events":[]}',
            b'{"events":[NaN],"events":[]}',
        ],
    )
    def test_no_part_may_stand_twice(self, body: bytes) -> None:
        assert failure(body) == (400, "duplicate_key", "")

    def test_the_words_may_stand_elsewhere(self) -> None:
        item = record(x={"events": [], "defaults": "events"}, locale="\\u0065vents")
        body = json.dumps({"events": [item, item], "defaults": {}}).encode()
        assert from_json(body).received == 2
        assert from_json(body.replace(b'{"events"', b'{ "\\u0065vents"', 1)).received == 2


class TestLimits:
    def test_how_many_events(self) -> None:
        policy = msgspec.structs.replace(POLICY, limits=Limits(events=3))
        for body in (THREE, {"events": THREE}):
            assert from_json(body, policy).received == 3
        assert parsed(*THREE, policy=policy).received == 3
        four = [*THREE, record(event_id="e-3")]
        assert failure(four, policy=policy) == failure({"events": four}, policy=policy) == (413, "too_many_events", "")
        assert failure(ndjson(*four), "ndjson", policy) == (413, "too_many_events", "")
        assert Limits().events == 10_000

    def test_ten_thousand_events(self) -> None:
        many = [record(event_id=f"e-{number}") for number in range(10_000)]
        assert from_json(many).received == parsed(*many).received == 10_000
        assert failure([*many, record()])[1] == "too_many_events"

    def test_how_many_lines(self) -> None:
        assert parse_events(b"\n" * 100_000, "ndjson", POLICY, NOW).received == 0
        assert failure(b"\n" * 100_001, "ndjson") == (413, "too_many_events", "")

    def test_how_many_values(self) -> None:
        policy = msgspec.structs.replace(POLICY, limits=Limits(values=10))
        assert from_json(b"[" + b"1," * 10 + b"1]", policy).received == 11
        assert failure(b"[" + b"1," * 11 + b"1]", policy=policy) == (413, "too_many_events", "")

    def test_how_large(self) -> None:
        empty = len(json.dumps(record(x="")))
        for size, codes in ((32 * 1024 - 1, []), (32 * 1024, []), (32 * 1024 + 1, ["event_too_large"])):
            large = record(x="x" * (size - empty))
            assert len(json.dumps(large)) == size
            for batch in (parsed(large), from_json([large]), from_json(large)):
                assert [item.code for item in batch.rejections] == codes

    def test_size_counts_bytes_and_not_what_defaults_add(self) -> None:
        policy = msgspec.structs.replace(POLICY, limits=Limits(event_bytes=200))
        assert [item.code for item in parsed(record(x="é" * 40), policy=policy).rejections] == ["event_too_large"]
        batch = from_json({"events": [record()], "defaults": {"campaign_name": "x" * 200}}, policy)
        assert batch.rejections == []

    def test_how_deep(self) -> None:
        deep = record(x=[[[[]]]])
        deeper = record(x=[[[[[]]]]])
        assert parsed(deep).rejections == []
        assert [item.code for item in parsed(deeper).rejections] == ["too_deep"]
        assert [item.code for item in from_json([deep, deeper]).rejections] == ["too_deep"]


class TestIdempotencyKeys:
    def test_events_are_called_after_it(self) -> None:
        batch = parsed(record(event_id=...), b"", record(event_id="own"), record(event_id=None), key="req-1")
        assert ids(batch) == ["req-1:0", "own", "req-1:2"]

    def test_position_counts_refused_records(self) -> None:
        assert ids(parsed(b"{", record(event_id=...), key="k")) == ["k:1"]

    def test_other_ids_stay_wrong(self) -> None:
        assert [item.code for item in parsed(record(event_id=""), key="k").rejections] == ["invalid_value"]


FAULTY: list[tuple[Any, str, str]] = [
    (b"{", "invalid_json", ""),
    (b'{"a":"\xff"}', "invalid_utf8", ""),
    (b"[]", "not_an_object", ""),
    (b'{"event_id":"e","event_id":"f"}', "duplicate_key", ""),
    (b'{"revenue":1e400}', "non_finite_number", ""),
    (record(x="x" * 40_000), "event_too_large", ""),
    (record(x=[[[[[]]]]]), "too_deep", ""),
    (custom(attributes={str(n): n for n in range(101)}), "too_many_attributes", "attributes"),
    (record(campaign_id=...), "missing_field", "campaign_id"),
    (record(event_id=...), "missing_event_id", "event_id"),
    (record(user_id=True), "invalid_type", "user_id"),
    (record(campaign_id="x"), "invalid_value", "campaign_id"),
    (record(locale="all_locales"), "reserved_value", "locale"),
    (record(type="x"), "unknown_type", "type"),
    (record(channel="x"), "unknown_channel", "channel"),
    (record(time="x"), "time_unparsable", "time"),
    (record(time="2025-10-09T09:00:00"), "time_without_zone", "time"),
    (record(time="2025-10-12T09:00:00Z"), "time_in_future", "time"),
    (record(time="2020-10-12T09:00:00Z"), "too_old", "time"),
    (record(time="2025-10-07T09:00:00Z"), "too_many_days", "time"),
    (record(workspace_id="x"), "wrong_workspace", "workspace_id"),
    (record(user_id="null"), "placeholder_user_id", "user_id"),
    (record(user_id="ada@example.net"), "pii_rejected", "user_id"),
    (record(channel="SMS"), "forbidden_channel", "channel"),
]
LATER = {"unknown_campaign", "campaign_conflict", "snapshot_mode_conflict"}
"""Codes that need the registry or the store."""


def test_one_line_of_every_fault() -> None:
    policy = msgspec.structs.replace(
        POLICY, pii_mode="reject", channels=frozenset({"PUSH", "EMAIL"}), limits=Limits(days=1)
    )
    lines: list[Any] = []
    for number, (bad, _, _) in enumerate(FAULTY):
        lines += [record(event_id=f"good-{number}"), bad]
    batch = parsed(*lines, policy=policy)
    assert [(item.line, item.index, item.code, item.field) for item in batch.rejections] == [
        (2 * number + 2, 2 * number + 1, code, field) for number, (_, code, field) in enumerate(FAULTY)
    ]
    assert ids(batch) == [f"good-{number}" for number in range(len(FAULTY))]
    assert {code for _, code, _ in FAULTY} == CODES - LATER


def test_rejections_name_the_event_where_it_has_a_usable_id() -> None:
    lines = [record(event_id="e-9", type="x"), record(event_id=" x"), record(event_id=5), b'{"event_id":"a"', b"[]"]
    assert [item.event_id for item in parsed(*lines).rejections] == ["e-9", "", "", "", ""]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_events_of_the_worked_examples_load_unchanged(path: Path) -> None:
    policy = msgspec.structs.replace(POLICY, strict=True, limits=Limits(age=None))
    events = json.loads(path.read_text())["events"]
    batch = from_json(events, policy)
    assert batch.rejections == batch.warnings == []
    for sent, stored in zip(events, batch.events, strict=True):
        for field, value in sent.items():
            if field not in ("ts", "received_at", "link") and value != "":
                assert getattr(stored, field) == value, field


def test_there_are_worked_examples() -> None:
    assert len(GOLDEN) == 15


def outcome(body: bytes, form: Format, policy: Any) -> Any:
    try:
        return parse_events(body, form, policy, NOW, idempotency_key="k")
    except CampanileError as error:
        return error.status, error.error_type, error.attribute


fields = st.sampled_from([
    "event_id", "type", "time", "campaign_id", "channel", "platform", "user_id", "device_id", "variation", "machine",
    "attributes", "revenue", "reason", "name", "odd", "locale",
])  # fmt: skip
oddities = st.one_of(
    st.sampled_from([
        None, True, 0, 1, 1.0, -0.0, 10**20, 10**101, "", " ", "sent", "click", "failed", "custom", "PUSH", "email",
        "2025-10-09T09:00:00Z", "1760000401", 1760000401, CAMPAIGN, "u\x00", '":', '" :', "\\", [], {}, {"a": 1},
        {"a": {"b": [1.5, {"c": "d"}]}}, [[[[[]]]]], {"email": "x", "n": 10**101}, "ada@example.net", "null", "é😀",
    ]),
    st.text(max_size=5),
)  # fmt: skip


@st.composite
def mutated_records(draw: Any) -> bytes:
    """Records with odd values, written oddly, sometimes with a key twice, sometimes damaged."""
    if draw(st.integers(0, 5)) == 0:
        return draw(documents() | mutations()).replace(b"\n", b" ").replace(b"\r", b" ")
    item = record(**draw(st.dictionaries(fields, oddities, max_size=4)))
    colon = draw(st.sampled_from([":", ":", ": ", " :"]))
    text = json.dumps(item, separators=(",", colon), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 4)) == 0:
        again = draw(st.sampled_from(sorted(item)))
        text = text[:-1] + b',"%s"%s1}' % (again.encode(), colon.encode())
    if draw(st.integers(0, 6)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from([b"NaN", b'"', b"\\ud800", b"\xff", b",", b"}", b"1e999"])) + text[at:]
    return text


@examples(400)
@given(raws=st.lists(mutated_records(), max_size=4), strict=st.booleans())
def test_both_ways_of_reading_give_the_same_verdicts(raws: list[bytes], strict: bool) -> None:
    policy = msgspec.structs.replace(POLICY, strict=strict)
    bodies: list[tuple[bytes, Format]] = [
        (b"\n".join(raws), "ndjson"),
        (b"[" + b",".join(raws) + b"]", "json"),
        (b'{"events":[' + b", ".join(raws) + b'],"defaults":{"locale":"en"}}', "json"),
    ]
    quick = [outcome(body, form, policy) for body, form in bodies]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse, "fast", lambda *_: None)
        assert quick == [outcome(body, form, policy) for body, form in bodies]


@examples(300)
@given(raws=st.lists(mutated_records(), max_size=4))
def test_both_ways_of_splitting_give_the_same_records(raws: list[bytes]) -> None:
    for body in (b"[" + b",".join(raws) + b"]", b'{ "events":[' + b",".join(raws) + b'] , "x":{"a":[1,"]"]}}'):
        document = _Document(body, Limits(), "events")
        try:
            quick = document._quickly()
        except (msgspec.DecodeError, RecursionError, InvalidInput):
            continue
        slow = document._slowly()
        assert [bytes(raw) for raw in quick.raws] == [bytes(raw) for raw in slow.raws]


@examples(400)
@given(
    body=st.one_of(
        st.binary(max_size=60),
        st.lists(
            st.sampled_from([b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b'"events"', b"NaN", b"1", b" ", b"\n",
                             b'{"event_id":"e"}', b"\xff", BOM]), max_size=14,
        ).map(b"".join),
    ),
    form=st.sampled_from(["json", "ndjson"]),
)  # fmt: skip
def test_no_bytes_break_the_parser(body: bytes, form: Format) -> None:
    try:
        batch = parse_events(body, form, POLICY, NOW)
    except (InvalidInput, PayloadTooLarge):
        return
    assert batch.received == len(batch.events) + len(batch.rejections)
    assert all(item.code in CODES and item.message for item in batch.rejections)
    assert sorted([*batch.indexes, *(item.index for item in batch.rejections)]) == list(range(batch.received))


@examples(150)
@given(st.lists(mutated_records(), max_size=6))
def test_rejections_hold_no_value_of_the_record(raws: list[bytes]) -> None:
    marked = [raw.replace(b"sent", b"sEcReT-sent").replace(b"PUSH", b"sEcReT") for raw in raws]
    batch = parse_events(b"\n".join(marked), "ndjson", POLICY, NOW)
    assert all("sEcReT" not in item.message + item.field for item in batch.rejections)


def test_the_receipt_decides_about_age() -> None:
    body = ndjson(record())
    assert parse_events(body, "ndjson", POLICY, NOW + timedelta(days=89)).rejections == []
    assert parse_events(body, "ndjson", POLICY, NOW + timedelta(days=91)).rejections[0].code == "too_old"
