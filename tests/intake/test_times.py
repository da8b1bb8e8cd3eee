"""Instants as senders write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campanile.intake import times
from campanile.intake.times import calendar_day, instant
from campanile.intake.verdicts import Refused
from tests.support.sampling import examples


def at(*parts: int, ms: int = 0) -> datetime:
    return datetime(*parts, tzinfo=UTC) + timedelta(milliseconds=ms)  # type: ignore[misc,arg-type]


def code(value: Any) -> str:
    with pytest.raises(Refused) as caught:
        instant(value, "time")
    assert caught.value.field == "time"
    return caught.value.code


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2025-10-09T09:00:00Z", at(2025, 10, 9, 9)),
        ("2025-10-09T09:00:00.120Z", at(2025, 10, 9, 9, ms=120)),
        ("2025-10-09t09:00:00z", at(2025, 10, 9, 9)),
        ("2025-10-09 09:00:00Z", at(2025, 10, 9, 9)),
        ("2025-10-09T11:00:00+02:00", at(2025, 10, 9, 9)),
        ("2025-10-09T00:30:00-23:59", at(2025, 10, 10, 0, 29)),
        ("2025-10-09T09:00:00-00:00", at(2025, 10, 9, 9)),
        ("2025-10-09T09:00:00.1Z", at(2025, 10, 9, 9, ms=100)),
        ("2025-10-09T09:00:00.1239Z", at(2025, 10, 9, 9, ms=123)),
        ("2025-10-09T09:00:00.999999999Z", at(2025, 10, 9, 9, ms=999)),
        ("2016-12-31T23:59:60Z", at(2016, 12, 31, 23, 59, 59, ms=999)),
        ("2016-12-31T23:59:60.500Z", at(2016, 12, 31, 23, 59, 59, ms=999)),
        ("2017-01-01T01:59:60+02:00", at(2016, 12, 31, 23, 59, 59, ms=999)),
        ("2024-02-29T00:00:00Z", at(2024, 2, 29)),
        (1760000401, at(2025, 10, 9, 9, 0, 1)),
        ("1760000401", at(2025, 10, 9, 9, 0, 1)),
        (1760000401123, at(2025, 10, 9, 9, 0, 1, ms=123)),
        (1760000401123999, at(2025, 10, 9, 9, 0, 1, ms=123)),
        ("1760000401123999", at(2025, 10, 9, 9, 0, 1, ms=123)),
        (1, at(1970, 1, 1, 0, 0, 1)),
        (10**11 - 1, at(1970, 1, 1) + timedelta(seconds=10**11 - 1)),
        (10**11, at(1970, 1, 1, ms=10**11)),
        (10**14 - 1, at(1970, 1, 1, ms=10**14 - 1)),
        (10**14, at(1970, 1, 1, ms=10**11)),
        (10**17 - 1, at(1970, 1, 1, ms=10**14 - 1)),
    ],
)
def test_what_is_understood(value: Any, moment: datetime) -> None:
    found = instant(value, "time")
    assert found == moment
    assert found.tzinfo is UTC
    assert found.microsecond % 1000 == 0


@pytest.mark.parametrize("value", ["2025-10-09T09:00:00", "2025-10-09 09:00:00.123"])
def test_without_zone(value: str) -> None:
    assert code(value) == "time_without_zone"


@pytest.mark.parametrize(
    "value",
    [
        "", "now", "2025-10-09", "2025-10-09T09:00Z", "2025-10-09T09Z", "20251009T090000Z", "2025-W41-4T09:00:00Z",
        "2025-10-09T09:00:00.Z", "2025-10-09T09:00:00,120Z", "2025-10-09T09:00:00.1234567890Z",
        "2025-10-09T09:00:00+0200", "2025-10-09T09:00:00+2", "2025-10-09T09:00:00+24:00", "2025-10-09T09:00:00+02:60",
        "2025-13-09T09:00:00Z", "2025-02-29T09:00:00Z", "2025-10-09T24:00:00Z", "2025-10-09T09:60:00Z",
        "2025-10-09T09:00:61Z", "0000-10-09T09:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
        " 2025-10-09T09:00:00Z", "2025-10-09T09:00:00Z ", "2025-10-09T09:00:00Z\n", "٢٠٢٥-10-09T09:00:00Z",
        "0", "-1", "-1760000401", "1760000401.5", "1.76e9", "+1760000401", "١٧٦٠٠٠٠٤٠١", "1" * 18,
        0, -1, -1760000401, 10**17, 10**30, -(10**30),
    ],
)  # fmt: skip
def test_what_is_not(value: Any) -> None:
    assert code(value) == "time_unparsable"


def test_numbers_with_a_fraction_are_ambiguous() -> None:
    assert code(Decimal("1760000401.0")) == "time_unparsable"


@pytest.mark.parametrize("value", [True, False, [], {}, ["2025-10-09T09:00:00Z"]])
def test_other_types(value: Any) -> None:
    assert code(value) == "invalid_type"


def by_grammar(value: str) -> datetime | str:
    try:
        return times._from_text(value, "time")
    except Refused as refused:
        return refused.code


@examples(500)
@given(
    moment=st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001
    zone=st.sampled_from(["Z", "z", "+00:00", "-05:30", "+14:00", ""]),
    digits=st.integers(0, 9),
)
def test_every_instant_is_read_as_written(moment: datetime, zone: str, digits: int) -> None:
    fraction = f"{moment.microsecond:06}000"[:digits]
    text = f"{moment:%Y-%m-%dT%H:%M:%S}".zfill(19) + (f".{fraction}" if fraction else "") + zone
    if not zone:
        assert code(text) == "time_without_zone"
        return
    offset = UTC if zone in "Zz" else datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo
    kept = int(fraction.ljust(3, "0")[:3]) * 1000 if fraction else 0
    assert instant(text, "time") == moment.replace(microsecond=kept, tzinfo=offset)


@examples(800)
@given(
    text=st.one_of(
        st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z\Z"),
        st.text("0123456789-:.,TZWt+ 日", min_size=20, max_size=20),
        st.text("0123456789-:.,TZWt+ 日", min_size=24, max_size=24),
    )
)
@example("2025-10-09T09:00:00Z")
@example("2025-10-09T24:00:00Z")
@example("2025-10-09T09:00:00.12ZZ")
@example("2025-10-09T09:00:60Z")
def test_the_short_cut_is_part_of_the_grammar(text: str) -> None:
    if text.isdigit():
        return
    try:
        found: datetime | str = instant(text, "time")
    except Refused as refused:
        found = refused.code
    assert found == by_grammar(text)


def test_days() -> None:
    assert calendar_day("2025-10-09", "date") == date(2025, 10, 9)
    for value in ("2025-10-9", "20251009", "2025-02-29", "2025-10-09T00:00:00Z", "", "٢٠٢٥-10-09"):
        with pytest.raises(Refused) as caught:
            calendar_day(value, "date")
        assert caught.value.code == "time_unparsable"
    with pytest.raises(Refused) as caught:
        calendar_day(20251009, "date")
    assert caught.value.code == "invalid_type"
