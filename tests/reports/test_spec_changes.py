"""Changes to definitions, and definitions that are damaged."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.errors import InvalidInput, Unprocessable
from campanile.reports.documents import changes, merged
from campanile.reports.schemas import (
    Change,
    WebhookDelivery,
)
from campanile.reports.spec import read
from tests.reports.reading import plain, problems, refused
from tests.reports.samples import (
    DEFINITION,
    GONE,
    NOW,
    SMALL,
    changed,
    circumstances,
    spec,
)


def test_a_schedule_that_stays_is_not_judged_by_the_time() -> None:
    once = changed(SMALL, schedule={"type": "once", "at": "2025-03-05T18:00"})
    stored = read(once, circumstances()).spec
    later = circumstances(now=NOW + timedelta(days=30), previous=stored, state="COMPLETED")
    assert read({**once, "name": "Other"}, later).spec.name == "Other"
    moved = changed(once, schedule__at="2025-03-05T18:01")
    assert [code for code, _ in problems(moved, later)] == ["schedule_in_past"]


def test_a_schedule_keeps_its_start_unless_told() -> None:
    stored = spec()
    later = circumstances(now=NOW + timedelta(days=30), previous=stored, state="ACTIVE")
    assert read(SMALL, later).spec == stored
    started = read(changed(SMALL, schedule__start_date="2025-04-09"), later).spec.schedule
    assert started is not None
    assert started.start_date == date(2025, 4, 9)


def test_drafts_need_no_schedule_and_no_delivery_but_right_ones() -> None:
    draft = circumstances(state="DRAFT", previous=spec())
    bare = changed(SMALL, schedule=GONE, delivery=GONE)
    found = read(bare, draft).spec
    assert (found.schedule, found.delivery) == (None, ())
    assert problems(bare, draft, schedule={"type": "daily"}) == [("required", "schedule.time")]


def test_changes_name_members() -> None:
    before = spec(DEFINITION)
    after = spec(
        DEFINITION,
        name="New",
        schedule__time="07:00",
        selection__filters__tags={"match": "any", "values": ["sale", "new"]},
        delivery__email=None,
    )
    assert changes(before, before) == ()
    found = changes(before, after)
    assert [change.attribute for change in found] == [
        "name",
        "selection.filters.tags.values",
        "schedule.time",
        "delivery.email",
    ]
    assert found[2] == Change("schedule.time", "06:00", "07:00")


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches(target: Any, patch: Any, result: Any) -> None:
    """The examples of RFC 7396."""
    assert merged(target, patch) == result


def test_deep_patches_do_no_harm() -> None:
    patch: Any = 1
    for _ in range(900):
        patch = {"x": patch}
    assert refused(merged(plain(spec()), patch)).problems[0].type == "unknown_field"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 400) | st.text(max_size=5) | st.sampled_from(["default", "06:00"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """The complete definition with some places replaced by anything."""
    found = changed(DEFINITION)
    for _ in range(draw(st.integers(1, 4))):
        place: Any = found
        while True:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            inner = place[key]
            if not inner or not isinstance(inner, dict | list) or draw(st.booleans()):
                place[key] = draw(JSON)
                break
            place = inner
    return found


@given(damaged())
def test_any_damage_is_judged(raw: Any) -> None:
    given_circumstances = circumstances()
    try:
        found = read(raw, given_circumstances)
    except (InvalidInput, Unprocessable) as error:
        assert error.problems
    else:
        assert read({**plain(found.spec), "state": found.state}, given_circumstances).spec == found.spec


def test_delivery_by_webhook() -> None:
    found = spec(delivery={"webhook": {"url": "http://a.example"}})
    assert found.delivery == (WebhookDelivery("http://a.example"),)


def test_local_moments() -> None:
    found = spec(schedule={"type": "once", "at": "2025-03-09 02:30", "time_zone": "America/New_York"})
    assert found.schedule is not None
    assert found.schedule.at == datetime(2025, 3, 9, 2, 30)  # noqa: DTZ001 - local
