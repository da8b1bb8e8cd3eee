"""The answer on the wire, and the content that decides between two copies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from campanile.errors import Problem
from campanile.intake.content import content
from campanile.intake.event import EVENT_COLUMNS, Event
from campanile.intake.validate import complete
from campanile.intake.verdicts import Rejection, Warned, answer
from tests.intake.parsing import conversion, custom, event, parsed, record


def rejections(*indexes: int) -> list[Rejection]:
    return [Rejection(index, None, "", "unknown_type", "type", "type is unknown") for index in indexes]


def test_the_answer_as_it_is_written() -> None:
    found = answer(
        request_id="01K6ZB7W3M9Q",
        received=4,
        accepted=2,
        duplicates=1,
        rejections=[
            Rejection(
                3, 4, "e-0004", "missing_field", "campaign_id", "campaign_id is required for type click"
            )
        ],
        warnings=[Warned("unknown_field", "campain_name", 2), Warned("campaign_auto_created", "", 1)],
    )  # fmt: skip
    assert msgspec.json.encode(found).decode() == (
        '{"request_id":"01K6ZB7W3M9Q","status":"partial","received":4,"accepted":2,"duplicates":1,"rejected":1,'
        '"errors":[{"index":3,"line":4,"event_id":"e-0004","code":"missing_field","field":"campaign_id",'
        '"message":"campaign_id is required for type click"}],"errors_truncated":false,'
        '"warnings":[{"code":"unknown_field","field":"campain_name","count":2},'
        '{"code":"campaign_auto_created","count":1}]}'
    )


def test_what_is_unknown_is_left_out() -> None:
    found = answer(
        request_id="r", received=1, accepted=0, duplicates=0,
        rejections=[Rejection(0, None, "", "invalid_json", "", "The text is not JSON")],
    )  # fmt: skip
    assert msgspec.to_builtins(found)["errors"] == [
        {"index": 0, "code": "invalid_json", "message": "The text is not JSON"}
    ]


@pytest.mark.parametrize(
    ("accepted", "duplicates", "rejected", "status", "http"),
    [(0, 0, 0, "ok", 200), (3, 0, 0, "ok", 200), (0, 3, 0, "ok", 200), (1, 0, 2, "partial", 207),
     (0, 1, 2, "partial", 207), (0, 0, 3, "failed", 422)],
)  # fmt: skip
def test_status(accepted: int, duplicates: int, rejected: int, status: str, http: int) -> None:
    found = answer(
        request_id="r", received=accepted + duplicates + rejected, accepted=accepted, duplicates=duplicates,
        rejections=rejections(*range(rejected)),
    )  # fmt: skip
    assert (found.status, found.http_status, found.rejected) == (status, http, rejected)


def test_errors_are_ordered_and_cut() -> None:
    def listed(count: int, **options: Any) -> tuple[list[int], bool]:
        found = answer(
            request_id="r", received=500, accepted=500 - count, duplicates=0,
            rejections=rejections(*reversed(range(count))), **options,
        )  # fmt: skip
        return [item.index for item in found.errors], found.errors_truncated

    assert listed(99) == (list(range(99)), False)
    assert listed(100) == (list(range(100)), False)
    assert listed(101) == (list(range(100)), True)
    assert listed(101, max_errors=101) == (list(range(101)), False)
    assert listed(3, max_errors=0) == ([], True)


def test_later_rejections_keep_their_place() -> None:
    problem = Problem("unknown_campaign", "campaign_id is unknown", "campaign_id")
    batch = parsed(b"{", b"", record(event_id="a"), record(event_id="b"))
    assert batch.reject(1, problem) == Rejection(2, 4, "b", "unknown_campaign", "campaign_id", "campaign_id is unknown")


FULL = Event(
    event_id="e", type="sent", ts=datetime(2025, 1, 1, tzinfo=UTC), campaign_id="c", channel="PUSH", platform="IOS",
    locale="l", variation="v", instance_id="i", user_id="u", device_id="d", reason="r", reason_detail="rd", step="s",
    machine=False, name="n", goal="g", attribution="a", revenue=Decimal("1.0000"), currency="EUR", provider="p",
    message_id="m", transport="t", source="so", device_platform="dp", flow_id="f", link="li", link_id="ld",
    attributes="{}",
)  # fmt: skip


@pytest.mark.parametrize("column", EVENT_COLUMNS)
def test_everything_stored_is_content(column: str) -> None:
    value = getattr(FULL, column)
    other = {
        str: lambda: value + "x",
        bool: lambda: not value,
        datetime: lambda: value + timedelta(milliseconds=1),
        Decimal: lambda: value + Decimal("0.0001"),
    }[type(value)]()
    assert content(msgspec.structs.replace(FULL, **{column: other})) != content(FULL)


def test_what_is_not_stored_is_no_content() -> None:
    hints = set(Event.__struct_fields__) - set(EVENT_COLUMNS)
    assert hints == {"parent_campaign_id", "campaign_name", "delivery_type", "flow_name"}
    assert content(msgspec.structs.replace(FULL, **dict.fromkeys(hints, "x"))) == content(FULL)


def test_content_does_not_depend_on_the_spelling() -> None:
    one = event(custom(revenue=49.9, attributes={"a": 1, "b": 2.50}, time="2025-10-09T09:00:00Z"))
    other = event(custom(attributes={"b": 2.5, "a": 1}, revenue="49.90", ts=1760000400, time=...))
    assert content(one) == content(other)


def test_fields_do_not_run_into_each_other() -> None:
    assert content(event(record(locale="ab", variation="c"))) != content(event(record(locale="a", variation="bc")))


EVERY_KIND = [
    record(),
    record(platform=...),
    record(channel="EMAIL", type="open", device_platform="ios"),
    record(channel="EMAIL", type="click"),
    record(channel="SMS", type="failed", reason="dnd"),
    record(type="failed", reason="invalid_token", platform="ios", reason_detail="x"),
    record(type="failed", reason="Some Label", platform="web"),
    record(type="removed"),
    record(channel="FACEBOOK_AUDIENCE", type="qualified", step="eligible"),
    record(type="qualified", step="user_devices"),
    conversion(channel="WHATSAPP", revenue=1),
]


class TestCompletion:
    @pytest.mark.parametrize("sent", EVERY_KIND)
    def test_a_channel_from_the_registry_is_as_good_as_one_sent(self, sent: dict[str, Any]) -> None:
        without = event({name: value for name, value in sent.items() if name != "channel"})
        assert without.channel == ""
        assert complete(without, sent["channel"]) == event(sent)

    def test_what_the_channel_forbids(self) -> None:
        found = complete(event(record(type="qualified", step="user_devices", channel=...)), "EMAIL")
        assert isinstance(found, Problem)
        assert (found.type, found.attribute) == ("invalid_value", "step")

    def test_the_key_may_be_limited_to_channels(self) -> None:
        found = complete(event(record(channel=...)), "PUSH", frozenset({"EMAIL"}))
        assert isinstance(found, Problem)
        assert (found.type, found.attribute) == ("forbidden_channel", "channel")
        assert complete(event(record(channel=...)), "PUSH", frozenset({"PUSH"})) == event(record())
