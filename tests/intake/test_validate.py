"""Every rule of the event schema, one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campanile.intake.event import Event
from campanile.intake.fields import TYPES
from campanile.intake.validate import Validator
from campanile.intake.verdicts import Refused
from campanile.metrics.channels import CHANNELS
from tests.intake.parsing import (
    CAMPAIGN,
    NOW,
    POLICY,
    conversion,
    custom,
    event,
    record,
    refused,
    verdict,
    warnings,
)
from tests.support.sampling import examples


def test_an_event_as_it_is_stored() -> None:
    assert event(
        record(
            device_id="d-1", locale="en", variation=1, instance_id="run-7", message_id="m-1", provider="fcm",
            transport="rcs", source="push_amplification", flow_id="68E0C0FFEE00000000000009", flow_name="Welcome",
            parent_campaign_id="68e0c0ffee00000000000002", campaign_name="Autumn", campaign_delivery_type="periodic",
            link="https://shop.example/a?x=1", link_id="hero", machine=True, time=1760000401, workspace_id="ws1",
        )
    ) == Event(
        event_id="e-1", type="sent", ts=datetime(2025, 10, 9, 9, 0, 1, tzinfo=UTC), campaign_id=CAMPAIGN,
        channel="PUSH", platform="ANDROID", locale="en", variation="variation_1", instance_id="run-7", user_id="u-1",
        device_id="d-1", machine=True, provider="fcm", message_id="m-1", transport="rcs", source="push_amplification",
        flow_id="68e0c0ffee00000000000009", link="https://shop.example/a", link_id="hero",
        parent_campaign_id="68e0c0ffee00000000000002", campaign_name="Autumn", delivery_type="PERIODIC",
        flow_name="Welcome",
    )  # fmt: skip


def test_null_is_absent() -> None:
    nothing = dict.fromkeys(
        ["ts", "device_id", "message_id", "instance_id", "locale", "variation", "reason", "reason_detail", "link",
         "link_id", "machine", "provider", "transport", "source", "revenue", "currency", "campaign_key", "flow_id",
         "parent_campaign_id", "campaign_name", "delivery_type", "device_platform", "workspace_id", "received_at"]
    )  # fmt: skip
    assert event(record(**nothing)) == event(record())
    assert warnings(record(**nothing)) == []


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"event_id": ...}, "missing_event_id", "event_id"),
        ({"event_id": None}, "missing_event_id", "event_id"),
        ({"event_id": ""}, "invalid_value", "event_id"),
        ({"event_id": " e"}, "invalid_value", "event_id"),
        ({"event_id": "e "}, "invalid_value", "event_id"),
        ({"event_id": "e\n1"}, "invalid_value", "event_id"),
        ({"event_id": "e\x00"}, "invalid_value", "event_id"),
        ({"event_id": 7}, "invalid_type", "event_id"),
        ({"type": ...}, "missing_field", "type"),
        ({"type": "read_later"}, "unknown_type", "type"),
        ({"type": ""}, "unknown_type", "type"),
        ({"type": 1}, "invalid_type", "type"),
        ({"type": ["sent"]}, "invalid_type", "type"),
        ({"time": ...}, "missing_field", "time"),
        ({"time": "yesterday"}, "time_unparsable", "time"),
        ({"time": "2025-10-09T09:00:00"}, "time_without_zone", "time"),
        ({"time": 1.5}, "time_unparsable", "time"),
        ({"time": True}, "invalid_type", "time"),
        ({"time": ..., "ts": "x"}, "time_unparsable", "ts"),
        ({"ts": "2025-10-09T09:00:01Z"}, "invalid_value", "ts"),
        ({"campaign_id": ...}, "missing_field", "campaign_id"),
        ({"campaign_id": ""}, "missing_field", "campaign_id"),
        ({"campaign_id": "camp_abc123xyz"}, "invalid_value", "campaign_id"),
        ({"campaign_id": CAMPAIGN[:-1]}, "invalid_value", "campaign_id"),
        ({"campaign_id": CAMPAIGN + "0"}, "invalid_value", "campaign_id"),
        ({"campaign_id": CAMPAIGN[:-1] + "g"}, "invalid_value", "campaign_id"),
        ({"campaign_id": 123456789012345678901234}, "invalid_type", "campaign_id"),
        ({"campaign_key": "autumn"}, "invalid_value", "campaign_key"),
        ({"parent_campaign_id": "x"}, "invalid_value", "parent_campaign_id"),
        ({"parent_campaign_id": CAMPAIGN.upper()}, "invalid_value", "parent_campaign_id"),
        ({"flow_id": "x"}, "invalid_value", "flow_id"),
        ({"campaign_delivery_type": "SOMETIMES"}, "invalid_value", "campaign_delivery_type"),
        ({"campaign_delivery_type": "ONE_TIME", "delivery_type": "PERIODIC"}, "invalid_value", "delivery_type"),
        ({"channel": "PIGEON"}, "unknown_channel", "channel"),
        ({"channel": 5}, "invalid_type", "channel"),
        ({"platform": "my phone"}, "invalid_value", "platform"),
        ({"platform": "ALL_PLATFORMS"}, "reserved_value", "platform"),
        ({"platform": "all_platforms"}, "reserved_value", "platform"),
        ({"platform": {}}, "invalid_type", "platform"),
        ({"device_platform": "a/b"}, "invalid_value", "device_platform"),
        ({"locale": "all_locales"}, "reserved_value", "locale"),
        ({"locale": "all_locale"}, "reserved_value", "locale"),
        ({"locale": "All_Variations"}, "reserved_value", "locale"),
        ({"locale": 1}, "invalid_type", "locale"),
        ({"locale": "e\tn"}, "invalid_value", "locale"),
        ({"variation": "all_variations"}, "reserved_value", "variation"),
        ({"variation": "campaign_control_group"}, "reserved_value", "variation"),
        ({"variation": "GLOBAL_CONTROL_GROUP"}, "reserved_value", "variation"),
        ({"variation": -1}, "invalid_value", "variation"),
        ({"variation": 10**18}, "invalid_value", "variation"),
        ({"variation": 1.0}, "invalid_type", "variation"),
        ({"variation": True}, "invalid_type", "variation"),
        ({"user_id": ...}, "missing_field", "user_id"),
        ({"user_id": 2**53 + 1}, "invalid_value", "user_id"),
        ({"user_id": -(2**53) - 1}, "invalid_value", "user_id"),
        ({"user_id": 10**30}, "invalid_value", "user_id"),
        ({"user_id": 1.5}, "invalid_type", "user_id"),
        ({"user_id": True}, "invalid_type", "user_id"),
        ({"user_id": ["u"]}, "invalid_type", "user_id"),
        ({"user_id": "u\x00"}, "invalid_value", "user_id"),
        ({"user_id": "u\x1f"}, "invalid_value", "user_id"),
        ({"device_id": 5}, "invalid_type", "device_id"),
        ({"device_id": "d\x01"}, "invalid_value", "device_id"),
        ({"message_id": "m\n"}, "invalid_value", "message_id"),
        ({"machine": 1}, "invalid_type", "machine"),
        ({"machine": "true"}, "invalid_type", "machine"),
        ({"reason": 204, "type": "failed"}, "invalid_type", "reason"),
        ({"type": "qualified", "step": "somewhere"}, "invalid_value", "step"),
        ({"type": "qualified", "step": "user_with_email"}, "invalid_value", "step"),
        ({"type": "qualified", "step": "sent"}, "invalid_value", "step"),
        ({"type": "qualified", "step": "eligible"}, "invalid_value", "step"),
        ({"type": "bounce"}, "missing_field", "bounce_type"),
        ({"type": "bounce", "bounce_type": "medium"}, "invalid_value", "bounce_type"),
        ({"type": "control_group"}, "missing_field", "control_group"),
        ({"type": "control_group", "control_group": "local"}, "invalid_value", "control_group"),
        ({"type": "control_group", "control_group": "global", "reason": "no_device"}, "invalid_value", "reason"),
        ({"type": "failed", "stage": "boarding"}, "invalid_value", "stage"),
        ({"type": "custom"}, "missing_field", "name"),
        ({"type": "custom", "name": ""}, "missing_field", "name"),
        ({"type": "custom", "name": "MOE_install"}, "reserved_value", "name"),
        ({"type": "conversion", "attribution": "IN_SESSION"}, "missing_field", "goal"),
        ({"type": "conversion", "goal": "g"}, "missing_field", "attribution"),
        ({"type": "conversion", "goal": "g", "attribution": "LAST_CLICK"}, "invalid_value", "attribution"),
        ({"workspace_id": "ws2"}, "wrong_workspace", "workspace_id"),
        ({"workspace_id": 1}, "invalid_type", "workspace_id"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], code: str, field: str) -> None:
    assert verdict(record(**changes)) == (code, field)
    rejection = refused(record(**changes))
    assert rejection.message
    assert rejection.field.split(".")[0] in rejection.message


PLACEHOLDERS = [
    "unknown", "guest", "null", "none", "0", "1", "2", "-1", "-2", "true", "false", "na", "n/a", "id", "uid", "userid",
    "user_id", "customer_id", "(empty)", "", "user_attribute_unique_id", "dummy_seller_code", "NULL", "None", " null ",
    "null ", "   ", 0, 1, -2,
]  # fmt: skip


@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_placeholders(value: Any) -> None:
    assert verdict(record(user_id=value)) == ("placeholder_user_id", "user_id")
    lenient = msgspec.structs.replace(POLICY, reject_placeholder_ids=False)
    assert event(record(user_id=value, device_id="d"), lenient).user_id == str(value)
    assert event(record(user_id=..., device_id="null")).device_id == "null"


@pytest.mark.parametrize("value", ["3", 3, "nullable", "id7", 2**53, -(2**53), "u 1", "ünïcödé", "u\u00a01"])
def test_user_ids(value: Any) -> None:
    assert event(record(user_id=value)).user_id == str(value)


def test_a_device_stands_in_for_the_user() -> None:
    found = event(record(user_id=..., device_id="d-1"))
    assert (found.user_id, found.device_id) == ("", "d-1")


@pytest.mark.parametrize(
    ("field", "chars", "types"),
    [
        ("event_id", 128, "sent"),
        ("user_id", 128, "sent"),
        ("device_id", 128, "sent"),
        ("message_id", 256, "sent"),
        ("instance_id", 64, "sent"),
        ("locale", 64, "sent"),
        ("variation", 64, "sent"),
        ("platform", 32, "sent"),
        ("provider", 32, "sent"),
        ("transport", 32, "sent"),
        ("source", 32, "sent"),
        ("device_platform", 32, "sent"),
        ("campaign_name", 256, "sent"),
        ("flow_name", 256, "sent"),
        ("reason", 128, "failed"),
        ("reason_detail", 256, "failed"),
        ("link", 2048, "click"),
        ("link_id", 64, "click"),
        ("name", 128, "custom"),
        ("goal", 128, "conversion"),
    ],
)
def test_lengths_count_characters(field: str, chars: int, types: str) -> None:
    make = {"custom": custom, "conversion": conversion}.get(types, record)
    letter = "X" if "platform" in field else "ü"
    for length in (1, chars - 1, chars):
        assert getattr(event(make(**{"type": types, field: letter * length})), field)
    assert verdict(make(**{"type": types, field: letter * (chars + 1)})) == ("invalid_value", field)


def test_campaign_keys() -> None:
    digest = sha256(b"ws1:autumn/7").hexdigest()[:24]
    found = event(record(campaign_id=..., campaign_key="autumn/7"))
    assert (found.campaign_id, found.instance_id, found.campaign_name) == (digest, digest, "autumn/7")
    both = event(record(campaign_id=digest.upper(), campaign_key="autumn/7", campaign_name="Autumn"))
    assert (both.campaign_id, both.campaign_name) == (digest, "Autumn")
    assert event(record(campaign_id=..., campaign_key="k" * 128)).campaign_id
    assert verdict(record(campaign_id=..., campaign_key="k" * 129)) == ("invalid_value", "campaign_key")
    other = msgspec.structs.replace(POLICY, workspace_id="ws2")
    assert event(record(campaign_id=..., campaign_key="autumn/7"), other).campaign_id != digest


def test_instances_fall_back_to_the_campaign() -> None:
    assert event(record()).instance_id == CAMPAIGN
    assert event(record(instance_id="")).instance_id == CAMPAIGN
    assert event(record(instance_id="r")).instance_id == "r"


class TestTypes:
    @pytest.mark.parametrize("name", sorted(TYPES - {"custom", "conversion", "user_merge"}))
    def test_every_type_in_any_case(self, name: str) -> None:
        for spelling in (name, name.upper(), name.title()):
            assert event(record(type=spelling)).type == name

    @pytest.mark.parametrize(
        ("alias", "name"),
        [("opened", "open"), ("Clicked", "click"), ("view", "impression"), ("shown", "impression"),
         ("received", "impression"), ("spam", "complaint"), ("closed", "close")],
    )  # fmt: skip
    def test_aliases(self, alias: str, name: str) -> None:
        assert event(record(type=alias)).type == name

    def test_track_is_custom(self) -> None:
        assert event(custom(type="track")).type == "custom"

    @pytest.mark.parametrize(("kind", "name"), [("hard", "hard_bounce"), ("SOFT", "soft_bounce")])
    def test_bounces(self, kind: str, name: str) -> None:
        assert event(record(type="bounce", bounce_type=kind)).type == name
        assert warnings(record(type="bounce", bounce_type=kind)) == []

    def test_failed_in_delivery(self) -> None:
        assert event(record(type="failed", stage="Delivery")).type == "undelivered"
        assert event(record(type="failed", stage=None)).type == "failed"
        assert event(record(type="failed", stage="")).type == "failed"

    @pytest.mark.parametrize(
        ("group", "reason"),
        [("campaign", "user_removed_due_to_campaing_control_group"),
         ("GLOBAL", "user_removed_due_to_global_control_group")],
    )  # fmt: skip
    def test_control_groups(self, group: str, reason: str) -> None:
        found = event(record(type="control_group", control_group=group))
        assert (found.type, found.reason) == ("removed", reason)
        same = event(record(type="control_group", control_group=group, reason=f"{group.lower()}_control_group"))
        assert same.reason == reason

    @pytest.mark.parametrize("name", ["custom", "uninstall"])
    def test_acts_of_a_user_have_no_campaign(self, name: str) -> None:
        found = event(
            custom(type=name, campaign_id=CAMPAIGN, channel="EMAIL", platform="IOS", locale="en", variation=1,
                   instance_id="r", campaign_name="n", flow_id=CAMPAIGN)
        )  # fmt: skip
        assert (found.campaign_id, found.instance_id, found.channel, found.locale, found.variation) == ("",) * 5
        assert (found.platform, found.flow_id, found.campaign_name) == ("IOS", CAMPAIGN, "")
        assert event(custom(type=name, platform="EMAIL")).platform == ""
        assert event(custom(type=name)).platform == ""
        assert verdict(custom(type=name, campaign_id="x")) == ("invalid_value", "campaign_id")

    def test_reserved_names_are_for_receivers(self) -> None:
        receiver = msgspec.structs.replace(POLICY, reserved_names=True)
        assert event(custom(name="MOE_EMAIL_VIB"), receiver).name == "MOE_EMAIL_VIB"
        assert event(conversion(name="moe_x")).name == "moe_x"

    @pytest.mark.parametrize(
        "kind", ["VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"]
    )
    def test_attributions(self, kind: str) -> None:
        assert event(conversion(attribution=kind.lower())).attribution == kind


class TestChannels:
    @pytest.mark.parametrize("channel", list(CHANNELS))
    def test_every_channel(self, channel: str) -> None:
        found = event(record(channel=channel.lower(), platform=...))
        device = channel in ("PUSH", "IN_APP", "OSM", "WEB_PERSONALIZATION")
        assert (found.channel, found.platform) == (channel, "UNKNOWN" if device else channel)
        assert found.device_platform == ""

    def test_there_are_fifteen(self) -> None:
        assert len(CHANNELS) == 15

    @pytest.mark.parametrize(
        ("alias", "channel"),
        [("INAPP", "IN_APP"), ("Onsite", "OSM"), ("ON_SITE", "OSM"), ("CARD", "CARDS"), ("CONNECTORS", "CONNECTOR"),
         ("FACEBOOK", "FACEBOOK_AUDIENCE"), ("google ads", "GOOGLE_ADS_AUDIENCE"),
         ("GOOGLE_ADS", "GOOGLE_ADS_AUDIENCE")],
    )  # fmt: skip
    def test_aliases(self, alias: str, channel: str) -> None:
        assert event(record(channel=alias)).channel == channel

    @pytest.mark.parametrize("platform", ["ANDROID", "ios", "MWeb", "ANDROID_TV", "FIRE_OS", "TVOS", "windows", "X_1"])
    def test_device_platforms(self, platform: str) -> None:
        assert event(record(platform=platform)).platform == platform.upper()
        mail = event(record(channel="EMAIL", platform=platform))
        assert (mail.platform, mail.device_platform) == ("EMAIL", platform.upper())
        both = event(record(channel="CARDS", platform=platform, device_platform="web"))
        assert (both.platform, both.device_platform) == ("CARDS", "WEB")

    @pytest.mark.parametrize("platform", ["email", "SMS", "unknown", ""])
    def test_platforms_that_are_no_devices(self, platform: str) -> None:
        mail = event(record(channel="EMAIL", platform=platform))
        assert (mail.platform, mail.device_platform) == ("EMAIL", "")

    def test_the_key_may_be_limited_to_channels(self) -> None:
        limited = msgspec.structs.replace(POLICY, channels=frozenset({"EMAIL"}))
        assert verdict(record(), limited) == ("forbidden_channel", "channel")
        assert verdict(custom(channel="PUSH"), limited) == ("forbidden_channel", "channel")
        assert event(record(channel="email"), limited).channel == "EMAIL"
        assert event(custom(), limited).name == "purchase"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (1, "variation_1"), (0, "variation_0"), ("2", "variation_2"), ("02", "variation_2"), ("A", "A"),
        ("variation_3", "variation_3"), ("", ""), (10**18 - 1, f"variation_{10**18 - 1}"), ("1" * 19, "1" * 19),
        ("٣", "٣"),
    ],
)  # fmt: skip
def test_variations(value: Any, stored: str) -> None:
    assert event(record(variation=value)).variation == stored


class TestSteps:
    def test_stages_of_the_channel(self) -> None:
        for step in ("reachable_users_in_segment", "After_FC", "user_devices"):
            assert event(record(type="qualified", step=step)).step == step.lower()

    def test_eligible_is_no_step(self) -> None:
        assert event(record(type="qualified", step="eligible", channel="FACEBOOK_AUDIENCE")).step == ""

    def test_other_types_have_none(self) -> None:
        assert event(record(step="after_fc")).step == ""
        assert warnings(record(step="after_fc")) == [("unknown_field", "step", 1)]


class TestReasons:
    @pytest.mark.parametrize("name", ["removed", "failed", "undelivered"])
    def test_none_given(self, name: str) -> None:
        found = event(record(type=name))
        assert (found.reason, found.reason_detail) == ("unknown_error", "")

    def test_other_types_keep_theirs(self) -> None:
        assert event(record()).reason == ""
        assert event(record(type="soft_bounce", channel="EMAIL", reason="mailbox_full")).reason == "mailbox_full"

    @pytest.mark.parametrize(
        ("changes", "key", "detail"),
        [
            ({"reason": "frequency_cap"}, "f_c_removed", "frequency_cap"),
            ({"reason": "Frequency_Cap"}, "f_c_removed", "frequency_cap"),
            ({"reason": "f_c_removed"}, "f_c_removed", ""),
            ({"reason": "invalid_token"}, "not_registered", "invalid_token"),
            ({"reason": "invalid_token", "platform": "ios"}, "unregistered", "invalid_token"),
            ({"reason": "duplicate", "channel": "EMAIL"}, "duplicate_email_removed", "duplicate"),
            ({"reason": "FC removed"}, "f_c_removed", ""),
            ({"reason": "frequency_cap", "reason_detail": "3 per day"}, "f_c_removed", "frequency_cap: 3 per day"),
            ({"reason_detail": "lost"}, "unknown_error", "lost"),
            ({"reason": "  "}, "unknown_error", ""),
        ],
    )
    def test_keys_and_details(self, changes: dict[str, Any], key: str, detail: str) -> None:
        found = event(record(type="failed", **changes))
        assert (found.reason, found.reason_detail) == (key, detail)

    def test_addresses_and_numbers_are_masked(self) -> None:
        found = event(record(type="failed", reason="bounce of ada@example.net", reason_detail="to +1 555 123 0001"))
        assert (found.reason, found.reason_detail) == ("bounce_of_*", "to *")


shared = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["sent", "SENT", "failed", "custom", "bounce", 1, None, True]),
        "channel": st.sampled_from(["PUSH", "email", "", None, 0, False]),
        "platform": st.sampled_from(["IOS", "ios", "", None]),
        "variation": st.sampled_from([1, True, 1.0, "1", 0, False, "", None, [1], {"a": 1}]),
        "machine": st.sampled_from([True, False, 1, 0, 1.0, "true", None]),
        "bounce_type": st.sampled_from(["hard", "soft", 1, True]),
        "name": st.sampled_from(["purchase", "moe_x", 1]),
        "odd": st.sampled_from([1, True, 1.0, [1], {"a": 1}, "1"]),
    },
)


@examples(300)
@example(records=[{"variation": 1}, {"variation": True}])
@example(records=[{"variation": 1}, {"variation": 1.0}])
@example(records=[{"machine": True}, {"machine": 1}, {"machine": False}, {"machine": 0}])
@given(records=st.lists(shared, max_size=12))
def test_what_was_seen_before_changes_no_verdict(records: list[dict[str, Any]]) -> None:
    together = Validator(POLICY, NOW)

    def judged(validator: Validator, item: dict[str, Any]) -> Any:
        full = record(**item)
        for name in ("variation", "machine", "odd"):
            if isinstance(full.get(name), float):
                full[name] = Decimal(str(full[name]))  # as the reader hands them over
        try:
            return validator.validate(full, 0)
        except Refused as found:
            return found.problem

    assert [judged(together, item) for item in records] == [judged(Validator(POLICY, NOW), item) for item in records]
