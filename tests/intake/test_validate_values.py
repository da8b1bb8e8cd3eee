"""Rules of the event schema about values: money, attributes, unknown fields, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from campanile.intake.limits import FIRST_IMPORTED_INSTANT, IMPORT_LIMITS
from tests.intake.parsing import (
    NOW,
    POLICY,
    STRICT,
    UNBOUNDED,
    conversion,
    custom,
    event,
    parsed,
    policy_with,
    record,
    verdict,
    warnings,
)


class TestMoney:
    @pytest.mark.parametrize(
        ("value", "stored"),
        [
            (12, "12.0000"), (49.9, "49.9000"), ("49.90", "49.9000"), ("-5", "-5.0000"), ("+.5", "0.5000"),
            ("1.", "1.0000"), (-0.0, "0.0000"), (0.00005, "0.0000"), (0.00015, "0.0002"), (1e3, "1000.0000"),
            (10**12, "1000000000000.0000"), (-(10**12), "-1000000000000.0000"),
            ("123456789012.12344", "123456789012.1234"), (123456789012.1234, "123456789012.1234"),
        ],
    )  # fmt: skip
    def test_amounts(self, value: Any, stored: str) -> None:
        for make in (custom, conversion):
            assert str(event(make(revenue=value)).revenue) == stored

    def test_none(self) -> None:
        assert event(custom(revenue="")).revenue is None
        assert event(custom()).revenue is None

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            (10**12 + 1, "invalid_value"), ("1000000000000.0001", "invalid_value"), (-1e13, "invalid_value"),
            ("1e3", "invalid_value"), ("12,50", "invalid_value"), ("€5", "invalid_value"), ("٣", "invalid_value"),
            ("1" * 65, "invalid_value"), ("NaN", "non_finite_number"), ("-Infinity", "non_finite_number"),
            ("inf", "non_finite_number"), (True, "invalid_type"), ([], "invalid_type"),
        ],
    )  # fmt: skip
    def test_refused(self, value: Any, code: str) -> None:
        assert verdict(custom(revenue=value)) == (code, "revenue")

    def test_currency(self) -> None:
        assert event(custom(revenue=1, currency="eur")).currency == "EUR"
        for value in ("EURO", "€", "E1R"):
            assert verdict(custom(currency=value)) == ("invalid_value", "currency")


class TestAttributes:
    def test_canonical(self) -> None:
        found = event(custom(attributes={"b": 2, "a": {"y": [1.50, True, None], "x": "é"}, "c": 1e2}))
        assert found.attributes == '{"a":{"x":"é","y":[1.5,true,null]},"b":2,"c":1E+2}'
        assert event(custom(attributes={})).attributes == ""

    def test_how_many(self) -> None:
        assert event(custom(attributes={f"k{n}": n for n in range(100)}))
        assert event(custom(attributes={"a": {f"k{n}": n for n in range(99)}}))
        for many in ({f"k{n}": n for n in range(101)}, {"a": {f"k{n}": n for n in range(100)}}):
            assert verdict(custom(attributes=many)) == ("too_many_attributes", "attributes")

    def test_how_long(self) -> None:
        assert event(custom(attributes={"k" * 128: "v" * 2048}))
        assert event(custom(attributes={"k": ["v" * 2048]}))
        for value in ({"k" * 129: 1}, {"k": "v" * 2049}, {"k": ["v" * 2049]}, {"k": {"k" * 129: 1}}):
            assert verdict(custom(attributes=value)) == ("invalid_value", "attributes")

    def test_how_large(self) -> None:
        assert event(custom(attributes={"n": 10**99})).attributes == f'{{"n":{10**99}}}'
        for number in (10**100, -(10**100)):
            assert verdict(custom(attributes={"n": number})) == ("invalid_value", "attributes")

    def test_objects_only(self) -> None:
        for value in ([], "x", 1, True):
            assert verdict(custom(attributes=value)) == ("invalid_type", "attributes")

    def test_message_events_have_none(self) -> None:
        found = event(record(attributes={"a": 1}, revenue=5))
        assert (found.attributes, found.revenue) == ("", None)
        assert warnings(record(attributes={"a": 1}, revenue=5)) == [
            ("unknown_field", "revenue", 1),
            ("unknown_field", "attributes", 1),
        ]
        assert verdict(record(attributes={"a": 1}), STRICT) == ("invalid_value", "attributes")


class TestUnknownFields:
    def test_counted_once_per_name(self) -> None:
        records = [record(event_id=f"e{n}", campain_name=n, **({"x": {"deep": n}} if n else {})) for n in range(3)]
        assert warnings(*records) == [("unknown_field", "campain_name", 3), ("unknown_field", "x", 2)]

    def test_not_stored(self) -> None:
        assert event(record(campain_name="x")) == event(record())

    def test_strict(self) -> None:
        assert verdict(record(campain_name="x"), STRICT) == ("invalid_value", "")
        assert verdict(record(goal="g"), STRICT) == ("invalid_value", "goal")
        assert event(record(received_at="whatever"), STRICT) == event(record())

    def test_long_and_many_names(self) -> None:
        found = warnings(*[record(event_id=f"e{n}", **{f"x{n}" * 40: 1, f"y{n}": 2}) for n in range(300)])
        assert len(found) <= 100
        assert all(len(field) <= 64 for _, field, _ in found)

    def test_received_at_is_ignored_silently(self) -> None:
        assert warnings(record(received_at=[1])) == []


class TestTimes:
    def test_age(self) -> None:
        oldest = NOW - timedelta(days=90)
        assert event(record(time=oldest.isoformat())).ts == oldest
        assert event(record(time=(oldest + timedelta(milliseconds=1)).isoformat()))
        assert verdict(record(time=(oldest - timedelta(milliseconds=1)).isoformat())) == ("too_old", "time")

    def test_future(self) -> None:
        latest = NOW + timedelta(hours=24)
        assert event(record(time=latest.isoformat())).ts == latest
        assert event(record(time=(latest - timedelta(milliseconds=1)).isoformat()))
        assert verdict(record(time=(latest + timedelta(milliseconds=1)).isoformat())) == ("time_in_future", "time")

    def test_notice(self) -> None:
        notice = NOW + timedelta(minutes=10)
        early, at, late = (
            record(event_id=f"e{n}", time=(notice + timedelta(milliseconds=n)).isoformat()) for n in (-1, 0, 1)
        )
        assert warnings(early) == warnings(at) == []
        assert warnings(late, early, late) == [("time_ahead", "time", 2)]

    def test_age_limit_off(self) -> None:
        first = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
        assert event(record(time=first.isoformat()), UNBOUNDED).ts == first
        assert verdict(record(time="1969-12-31T23:59:59Z"), UNBOUNDED) == ("too_old", "time")

    def test_import(self) -> None:
        policy = msgspec.structs.replace(POLICY, limits=IMPORT_LIMITS)
        assert event(record(time="2010-01-01T00:00:00Z"), policy).ts == FIRST_IMPORTED_INSTANT
        assert verdict(record(time="2009-12-31T23:59:59.999Z"), policy) == ("too_old", "time")
        ahead = NOW + timedelta(minutes=10)
        assert event(record(time=ahead.isoformat()), policy)
        assert verdict(record(time=(ahead + timedelta(milliseconds=1)).isoformat()), policy)[0] == "time_in_future"

    def test_time_and_ts(self) -> None:
        assert event(record(time=..., ts=1760000401)).ts == event(record(time=1760000401)).ts
        assert event(record(time=1760000401, ts="2025-10-09T09:00:01.000Z")).ts.second == 1

    def test_days(self) -> None:
        policy = policy_with(days=3)
        days = ["2025-10-01", "2025-10-02", "2025-10-03", "2025-10-04", "2025-10-02", "2025-10-05"]
        records = [record(event_id=day + str(n), time=f"{day}T12:00:00Z") for n, day in enumerate(days)]
        batch = parsed(*records[:3], policy=policy)
        assert batch.rejections == []
        batch = parsed(*records, policy=policy)
        assert batch.indexes == [0, 1, 2, 4]
        assert [(item.index, item.code, item.field) for item in batch.rejections] == [
            (3, "too_many_days", "time"),
            (5, "too_many_days", "time"),
        ]

    def test_refused_events_touch_no_day(self) -> None:
        batch = parsed(
            record(time="2025-10-01T12:00:00Z", user_id=...), record(time="2025-10-02T12:00:00Z"),
            policy=policy_with(days=1),
        )  # fmt: skip
        assert [item.code for item in batch.rejections] == ["missing_field"]

    def test_the_default_is_100_days(self) -> None:
        start = datetime(2025, 1, 1, tzinfo=UTC)
        records = [record(event_id=f"e{n}", time=(start + timedelta(days=n)).isoformat()) for n in range(101)]
        policy = policy_with(age=None)
        assert parsed(*records[:100], policy=policy).rejections == []
        assert [item.index for item in parsed(*records, policy=policy).rejections] == [100]
