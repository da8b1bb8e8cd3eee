"""Counts reported as numbers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.errors import InvalidInput, PayloadTooLarge, Problem
from campanile.intake.limits import IMPORT_LIMITS, Limits
from campanile.intake.snapshots import ParsedSnapshots, Snapshot, SnapshotValue, parse_snapshots
from campanile.intake.verdicts import CODES
from tests.intake.parsing import CAMPAIGN, NOW, POLICY, ndjson
from tests.support.sampling import examples

SAMPLE: dict[str, Any] = {
    "snapshot_id": "fs-2025-10-09-1", "campaign_id": CAMPAIGN, "channel": "PUSH", "platform": "ANDROID",
    "locale": "all_locales", "variation": "all_variations", "date": "2025-10-09", "as_of": "2025-10-09T09:10:00Z",
    "mode": "replace",
    "funnel": {"reachable_users_in_segment": 120000, "segment_after_uninstall": 118400, "after_fc": 97500,
               "users_after_dup": 97310, "user_devices": 103200, "active_device_token": 101870},
    "performance": {"attempted": 101870, "failed": 412},
    "failures": {"frequency_cap": 20900, "no_active_token": 1330, "campaign_control_group": 6000},
}  # fmt: skip
STRICT = msgspec.structs.replace(POLICY, strict=True)


def small(**changes: Any) -> dict[str, Any]:
    base = {
        "snapshot_id": "s-1", "campaign_id": CAMPAIGN, "channel": "PUSH", "date": "2025-10-09",
        "as_of": "2025-10-09T09:10:00Z", "performance": {"sent": 1},
    }  # fmt: skip
    return {name: value for name, value in (base | changes).items() if value is not ...}


def parsed(*records: Any, policy: Any = POLICY) -> ParsedSnapshots:
    return parse_snapshots(ndjson(*records), "ndjson", policy, NOW)


def snapshot(item: Any, policy: Any = POLICY) -> Snapshot:
    batch = parsed(item, policy=policy)
    assert batch.rejections == []
    return batch.snapshots[0]


def values(**changes: Any) -> list[tuple[Any, ...]]:
    found = snapshot(small(performance=..., **changes)).values
    return [(item.kind, item.key, item.total, item.unique) for item in found]


def verdict(item: Any, policy: Any = POLICY) -> tuple[str, str]:
    batch = parsed(item, policy=policy)
    assert batch.snapshots == []
    rejection = batch.rejections[0]
    assert rejection.code in CODES
    return rejection.code, rejection.field


def test_the_sample() -> None:
    found = snapshot(SAMPLE, STRICT)
    assert (found.snapshot_id, found.campaign_id, found.channel) == ("fs-2025-10-09-1", CAMPAIGN, "PUSH")
    assert (found.platform, found.locale, found.variation) == ("ANDROID", "all_locales", "all_variations")
    assert (found.date, found.mode) == (date(2025, 10, 9), "replace")
    assert found.as_of == datetime(2025, 10, 9, 9, 10, tzinfo=UTC)
    assert [(item.kind, item.key, item.total, item.unique) for item in found.values] == [
        ("funnel", "reachable_users_in_segment", 120000, 120000),
        ("funnel", "segment_after_uninstall", 118400, 118400),
        ("funnel", "after_fc", 97500, 97500),
        ("funnel", "users_after_dup", 97310, 97310),
        ("funnel", "user_devices", 103200, 103200),
        ("funnel", "active_device_token", 101870, 101870),
        ("performance", "attempted", 101870, 101870),
        ("performance", "failed", 412, 412),
        ("failure", "f_c_removed", 20900, 20900),
        ("failure", "users_removed_as_no_active_device_token_was_found", 1330, 1330),
        ("failure", "user_removed_due_to_campaing_control_group", 6000, 6000),
    ]
    assert parsed(SAMPLE).warnings == []


@pytest.mark.parametrize("body", [[SAMPLE], {"records": [SAMPLE]}, SAMPLE])
def test_forms(body: Any) -> None:
    assert len(parse_snapshots(json.dumps(body).encode(), "json", POLICY, NOW).snapshots) == 1


def test_faults_of_a_body() -> None:
    for body in (b"[", b"1", b'{"records":1}', b'{"records":[],"records":[]}'):
        with pytest.raises(InvalidInput):
            parse_snapshots(body, "json", POLICY, NOW)
    policy = msgspec.structs.replace(POLICY, limits=Limits(events=1))
    with pytest.raises(PayloadTooLarge):
        parsed(small(), small(), policy=policy)


def test_defaults_of_a_cell() -> None:
    for channel, platform in (("PUSH", "UNKNOWN"), ("EMAIL", "EMAIL"), ("CARDS", "CARDS")):
        found = snapshot(small(channel=channel))
        assert (found.platform, found.locale, found.variation) == (platform, "all_locales", "all_variations")
    assert snapshot(small(channel="EMAIL", platform="ios")).platform == "EMAIL"
    fine = snapshot(small(platform="ios", locale="en", variation=2))
    assert (fine.platform, fine.locale, fine.variation) == ("IOS", "en", "variation_2")
    spelled = snapshot(small(locale="ALL_LOCALE", variation=""))
    assert (spelled.locale, spelled.variation) == ("all_locales", "all_variations")


def test_campaign_keys() -> None:
    found = snapshot(small(campaign_id=..., campaign_key="autumn"))
    assert (found.campaign_id, found.campaign_name) == (sha256(b"ws1:autumn").hexdigest()[:24], "autumn")


def test_modes() -> None:
    assert snapshot(small()).mode == "replace"
    assert snapshot(small(mode="Add")).mode == "add"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"snapshot_id": ...}, "missing_field", "snapshot_id"),
        ({"snapshot_id": ""}, "invalid_value", "snapshot_id"),
        ({"snapshot_id": "s" * 129}, "invalid_value", "snapshot_id"),
        ({"snapshot_id": 5}, "invalid_type", "snapshot_id"),
        ({"campaign_id": ...}, "missing_field", "campaign_id"),
        ({"campaign_id": "x"}, "invalid_value", "campaign_id"),
        ({"campaign_key": "x"}, "invalid_value", "campaign_key"),
        ({"channel": ...}, "missing_field", "channel"),
        ({"channel": ""}, "missing_field", "channel"),
        ({"channel": "PIGEON"}, "unknown_channel", "channel"),
        ({"platform": "ALL_PLATFORMS"}, "reserved_value", "platform"),
        ({"locale": "all_variations"}, "reserved_value", "locale"),
        ({"variation": "all_locales"}, "reserved_value", "variation"),
        ({"variation": "campaign_control_group"}, "reserved_value", "variation"),
        ({"date": ...}, "missing_field", "date"),
        ({"date": "09.10.2025"}, "time_unparsable", "date"),
        ({"date": 20251009}, "invalid_type", "date"),
        ({"date": "2025-07-09"}, "too_old", "date"),
        ({"date": "2025-10-12"}, "time_in_future", "date"),
        ({"as_of": ...}, "missing_field", "as_of"),
        ({"as_of": "2025-10-09T09:10:00"}, "time_without_zone", "as_of"),
        ({"as_of": "2025-10-10T12:00:01Z"}, "time_in_future", "as_of"),
        ({"mode": "merge"}, "invalid_value", "mode"),
        ({"workspace_id": "ws2"}, "wrong_workspace", "workspace_id"),
        ({"performance": ...}, "missing_field", ""),
        ({"performance": {}}, "missing_field", ""),
        ({"performance": []}, "invalid_type", "performance"),
        ({"performance": {"ctr": 5}}, "invalid_value", "performance"),
        ({"performance": {"opened": 5}}, "invalid_value", "performance"),
        ({"performance": {"sent": -1}}, "invalid_value", "performance.sent"),
        ({"performance": {"sent": 10**12 + 1}}, "invalid_value", "performance.sent"),
        ({"performance": {"sent": 1.5}}, "invalid_type", "performance.sent"),
        ({"performance": {"sent": True}}, "invalid_type", "performance.sent"),
        ({"performance": {"sent": "5"}}, "invalid_type", "performance.sent"),
        ({"performance": {"sent": None}}, "invalid_type", "performance.sent"),
        ({"performance": {"sent": {"total": 5}}}, "missing_field", "performance.sent.unique"),
        ({"performance": {"sent": {"unique": 5}}}, "missing_field", "performance.sent.total"),
        ({"performance": {"sent": {"total": 5, "unique": -1}}}, "invalid_value", "performance.sent.unique"),
        ({"funnel": {"eligible": 5}}, "invalid_value", "funnel"),
        ({"funnel": {"user_with_email": 5}}, "invalid_value", "funnel"),
        ({"funnel": {"ada@example.net": 5}}, "invalid_value", "funnel"),
        ({"failures": {"": 5}}, "invalid_value", "failures"),
        ({"failures": {"x" * 129: 5}}, "invalid_value", "failures"),
        ({"conversions": {"": {"IN_SESSION": 1}}}, "invalid_value", "conversions"),
        ({"conversions": {"g": {"LAST": 1}}}, "invalid_value", "conversions"),
        ({"conversions": {"g": {"IN_SESSION": 1, "in_session": 1}}}, "invalid_value", "conversions"),
        ({"conversions": {"g": 1}}, "invalid_type", "conversions"),
        ({"conversions": {"g": {"IN_SESSION": {"total": 1, "unique": 1, "revenue": "x"}}}}, "invalid_value",
         "conversions.revenue"),
        ({"conversions": {"g": {"IN_SESSION": {"total": 1, "unique": 1, "currency": "x"}}}}, "invalid_value",
         "conversions.currency"),
    ],
)  # fmt: skip
def test_what_is_refused(changes: dict[str, Any], code: str, field: str) -> None:
    assert verdict(small(**changes)) == (code, field)


def test_what_cannot_be_read() -> None:
    lines = [b"{", b"[]", b'{"a":1,"a":2}', small(funnel={"sent": [[[[1]]]]}), small(x="x" * 40_000), small()]
    batch = parsed(*lines)
    assert [item.code for item in batch.rejections] == [
        "invalid_json", "not_an_object", "duplicate_key", "too_deep", "event_too_large",
    ]  # fmt: skip
    assert batch.indexes == [5]


class TestValues:
    def test_numbers_and_pairs(self) -> None:
        found = snapshot(small(performance={"sent": 0, "click": {"total": 10**12, "unique": 3}})).values
        assert [(item.key, item.total, item.unique) for item in found] == [("sent", 0, 0), ("click", 10**12, 3)]

    def test_names_of_the_wire_become_keys(self) -> None:
        found = snapshot(
            small(channel="EMAIL", performance={"open": 5, "bounced": 1, "unsubscribe": 2, "adjusted_open": 1})
        ).values
        assert [item.key for item in found] == ["opened", "bounced", "unsubscribe", "human_open"]
        twice = small(channel="EMAIL", performance={"open": 5, "opened": 5})
        assert verdict(twice) == ("invalid_value", "performance.opened")

    def test_audiences(self) -> None:
        found = snapshot(
            small(channel="FACEBOOK_AUDIENCE", performance={"eligible_users": 5, "successfully_synced": 4})
        ).values
        assert [item.key for item in found] == ["eligible_users", "successfully_synced"]

    def test_messages_in_the_funnel(self) -> None:
        assert values(funnel={"sent": 5, "impressions": 4}) == [
            ("funnel", "sent", 5, 5), ("funnel", "impressions", 4, 4),
        ]  # fmt: skip

    def test_reasons_of_one_meaning_are_added(self) -> None:
        found = values(
            channel="EMAIL", failures={"unsubscribed": 2, "previously_bounced": {"total": 4, "unique": 3}, "x y": 1}
        )
        assert found == [("failure", "b_u_c_removed", 6, 5), ("failure", "x_y", 1, 1)]

    def test_addresses_in_reasons(self) -> None:
        assert values(failures={"refused by ada@example.net": 2}) == [("failure", "refused_by_*", 2, 2)]

    def test_conversions(self) -> None:
        found = snapshot(
            small(
                conversions={
                    "Goal 1": {
                        "CLICK_THROUGH": {"total": 12, "unique": 10, "revenue": "600.5", "currency": "EUR"},
                        "view_through": 3,
                    }
                }
            )
        ).values
        assert found[1:] == (
            SnapshotValue("conversion", "", 12, 10, "Goal 1", "CLICK_THROUGH", Decimal("600.5000")),
            SnapshotValue("conversion", "", 3, 3, "Goal 1", "VIEW_THROUGH", None),
        )


class TestWarnings:
    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"funnel": {"segment_after_uninstall": 5, "after_fc": 5}}, []),
            ({"funnel": {"segment_after_uninstall": 5, "after_fc": 6}}, ["funnel.after_fc"]),
            ({"funnel": {"after_fc": 6, "segment_after_uninstall": 5}}, ["funnel.after_fc"]),
            ({"funnel": {"users_after_dup": 5, "user_devices": 9, "active_device_token": 8, "sent": 9}}, []),
            ({"channel": "EMAIL", "funnel": {"after_fc": 5, "sent": 6}}, ["funnel.sent"]),
            ({"performance": {"attempted": 5, "failed": 5}}, []),
            ({"performance": {"attempted": 5, "failed": 6}}, ["performance.failed"]),
            ({"performance": {"failed": 6}}, []),
            ({"performance": {"click": {"total": 5, "unique": 5}}}, []),
            ({"performance": {"click": {"total": 5, "unique": 6}}}, ["performance.click"]),
            ({"failures": {"other": {"total": 5, "unique": 6}}}, ["failures"]),
            ({"conversions": {"ada@example.net": {"IN_SESSION": {"total": 5, "unique": 6}}}}, ["conversions"]),
        ],
    )
    def test_implausible_numbers(self, changes: dict[str, Any], fields: list[str]) -> None:
        batch = parsed(small(**changes))
        assert batch.rejections == []
        assert [(item.code, item.field) for item in batch.warnings] == [("implausible", field) for field in fields]

    def test_unknown_fields(self) -> None:
        batch = parsed(small(extra=1), small(snapshot_id="s-2", extra=2))
        assert [(item.code, item.field, item.count) for item in batch.warnings] == [("unknown_field", "extra", 2)]
        assert verdict(small(extra=1), STRICT) == ("invalid_value", "")

    def test_ahead_of_the_clock(self) -> None:
        for seconds, count in ((600, 0), (601, 1)):
            as_of = (NOW + timedelta(seconds=seconds)).isoformat()
            assert len(parsed(small(as_of=as_of)).warnings) == count


class TestLimits:
    def test_days_may_be_those_of_any_zone(self) -> None:
        for day in ("2025-07-10", "2025-10-11"):
            assert snapshot(small(date=day)).date == date.fromisoformat(day)

    def test_import_reaches_back(self) -> None:
        policy = msgspec.structs.replace(POLICY, limits=IMPORT_LIMITS)
        assert snapshot(small(date="2010-01-01"), policy).date.year == 2010
        assert verdict(small(date="2009-12-30"), policy) == ("too_old", "date")

    def test_days_of_a_request(self) -> None:
        policy = msgspec.structs.replace(POLICY, limits=Limits(days=2))
        days = ["2025-10-01", "2025-10-02", "2025-10-03", "2025-10-01"]
        batch = parsed(*[small(snapshot_id=f"s{n}", date=day) for n, day in enumerate(days)], policy=policy)
        assert [(item.index, item.code) for item in batch.rejections] == [(2, "too_many_days")]

    def test_the_key_may_be_limited_to_channels(self) -> None:
        policy = msgspec.structs.replace(POLICY, channels=frozenset({"EMAIL"}))
        assert verdict(small(), policy) == ("forbidden_channel", "channel")
        assert snapshot(small(channel="EMAIL"), policy)

    def test_later_rejections_keep_their_place(self) -> None:
        found = parsed(b"{", small()).reject(0, Problem("snapshot_mode_conflict", "mode differs", "mode"))
        assert (found.index, found.line, found.event_id, found.code) == (1, 2, "s-1", "snapshot_mode_conflict")


oddities = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**13), st.text(max_size=4),
    st.dictionaries(
        st.sampled_from(["sent", "after_fc", "attempted", "IN_SESSION", "total", "unique", "dnd", ""]),
        st.one_of(st.integers(-1, 9), st.none(), st.dictionaries(
            st.sampled_from(["total", "unique", "IN_SESSION", "revenue"]), st.integers(0, 9), max_size=3,
        )), max_size=3,
    ),
)  # fmt: skip


@examples(300)
@given(changes=st.dictionaries(st.sampled_from(sorted(SAMPLE)), oddities, max_size=4))
def test_any_record_gets_one_verdict(changes: dict[str, Any]) -> None:
    batch = parsed(SAMPLE | changes)
    assert len(batch.snapshots) + len(batch.rejections) == 1
    for found in batch.snapshots:
        keys = [(item.kind, item.key, item.goal, item.attribution) for item in found.values]
        assert keys
        assert len(keys) == len(set(keys))
