"""Failure reasons: keys, short names, codes, labels."""

from __future__ import annotations

from itertools import product

import pytest

from campanile.metrics.reasons import (
    CAMPAIGN_CONTROL,
    GLOBAL_CONTROL,
    PUSH_CODES,
    REASONS,
    SHORT_NAMES,
    STAGES,
    UNKNOWN_ERROR,
    normalise_label,
    normalise_reason,
)
from tests.oracle.histories import CHANNELS


def key(label: str, channel: str = "PUSH", type_: str = "failed", platform: str = "", code: str = "") -> str:
    return normalise_reason(label, type=type_, channel=channel, platform=platform, code=code)[0]


def test_published_keys_are_never_respelt() -> None:
    assert CAMPAIGN_CONTROL == "user_removed_due_to_campaing_control_group"
    assert GLOBAL_CONTROL == "user_removed_due_to_global_control_group"
    assert {"f_c_removed", "mo_engage_suppression", "user_device_was_not_able_to_reproduce_the_content"} <= set(REASONS)


def test_keys_are_kept() -> None:
    others = {reason.other_key for reason in REASONS.values()} - {""}
    for name in ({*REASONS} | others) - {*SHORT_NAMES}:
        assert normalise_reason(name, type="failed", channel="EMAIL") == (name, "")
        assert key(f" {name} ") == name


@pytest.mark.parametrize(
    ("label", "stored"),
    [
        ("FC removed", "f_c_removed"),
        ("MoEngage suppression", "mo_engage_suppression"),
        ("Duplicate Emails removed", "duplicate__emails_removed"),
        ("Bounces, Unsubscribes, Complaints removed", "bounces,__unsubscribes,__complaints_removed"),
        ("users removed due to Global Control Group", "users_removed_due_to__global__control__group"),
        ("already_a_key", "already_a_key"),
        ("http_503", "http_503"),
    ],
)
def test_plain_labels(label: str, stored: str) -> None:
    assert normalise_label(label) == stored
    assert key(label, "EMAIL") == stored


SHORT = [
    # short name, channel, type, platform, key
    ("campaign_control_group", "EMAIL", "removed", "", CAMPAIGN_CONTROL),
    ("global_control_group", "PUSH", "removed", "", GLOBAL_CONTROL),
    ("no_device", "PUSH", "removed", "", "users_removed_as_no_device_was_found"),
    ("no_active_token", "PUSH", "removed", "", "users_removed_as_no_active_device_token_was_found"),
    ("inactive_device", "PUSH", "removed", "", "inactive_device_token"),
    ("uninstalled", "PUSH", "removed", "", "users_removed_due_to_uninstall"),
    ("frequency_cap", "CONNECTOR", "removed", "", "f_c_removed"),
    ("dnd", "SMS", "failed", "", "rejected_because_of_dnd"),
    ("dnd", "PUSH", "failed", "", "rejected_because_of_dnd"),
    ("min_delay", "PUSH", "failed", "", "users_removed_due_to_minimum_delay"),
    ("campaign_min_delay", "RCS", "failed", "", "not_sent_due_to_campaign_level_min_delay"),
    ("campaign_min_delay", "EMAIL", "failed", "", "users_removed_due_to_campaign_level_minimum_delay"),
    ("at_most_limit", "PUSH", "failed", "", "users_removed_due_to_atmost_notification"),
    ("duplicate", "PUSH", "failed", "", "users_removed_due_to_deduplication"),
    ("duplicate", "EMAIL", "failed", "", "duplicate_email_removed"),
    ("duplicate", "WHATSAPP", "failed", "", "duplicate_number_removed"),
    ("duplicate", "CONNECTOR", "failed", "", "duplicate"),
    ("personalization", "EMAIL", "failed", "", "personalization_failed"),
    ("template", "PUSH", "failed", "", "template_error"),
    ("template", "WHATSAPP", "failed", "", "template_mismatch"),
    ("template", "EMAIL", "failed", "", "template_error"),
    ("provider_rejected", "PUSH", "failed", "", "provider_rejected"),
    ("provider_rejected", "EMAIL", "undelivered", "", "custom_api_error"),
    ("provider_rejected", "SMS", "undelivered", "", UNKNOWN_ERROR),
    ("no_address", "EMAIL", "removed", "", "user_without_email"),
    ("no_address", "MMS", "removed", "", "user_without_mobile_number"),
    ("no_address", "FACEBOOK_AUDIENCE", "removed", "", "no_identifier"),
    ("invalid_address", "EMAIL", "failed", "", "invalid_email"),
    ("invalid_address", "SMS", "failed", "", "invalid_mobile_number"),
    ("invalid_token", "PUSH", "failed", "ANDROID", "not_registered"),
    ("invalid_token", "PUSH", "failed", "WEB", "not_registered"),
    ("invalid_token", "PUSH", "failed", "IOS", "unregistered"),
    ("unsubscribed", "EMAIL", "failed", "", "b_u_c_removed"),
    ("unsubscribed", "EMAIL", "undelivered", "", "email_unsubscribe_drop"),
    ("unsubscribed", "SMS", "failed", "", "user_unsubscribed"),
    ("previously_bounced", "EMAIL", "failed", "", "b_u_c_removed"),
    ("previously_complained", "EMAIL", "undelivered", "", "provider_suppression_drop"),
    ("suppressed", "EMAIL", "failed", "", "mo_engage_suppression"),
    ("suppressed", "EMAIL", "undelivered", "", "provider_suppression_drop"),
    ("not_opted_in", "WHATSAPP", "failed", "", "user_not_opted_in"),
    ("unknown_recipient", "SMS", "undelivered", "", "unknown_subscriber"),
    ("unreachable", "SMS", "undelivered", "", "absent_subscriber"),
    ("experiment", "WHATSAPP", "undelivered", "", "user_part_of_experiment"),
    ("expired", "SMS", "undelivered", "", "message_expired"),
    ("auth_error", "PUSH", "failed", "", "authorization_error"),
    ("auth_error", "EMAIL", "failed", "", "smtp_authentication_error"),
    ("auth_error", "SMS", "failed", "", "authentication_failed"),
    ("quota_exceeded", "PUSH", "failed", "", "message_rate_exceeded"),
    ("quota_exceeded", "SMS", "failed", "", "maximum_limit_exceeded"),
    ("payload_too_large", "PUSH", "failed", "ANDROID", "message_too_big"),
    ("payload_too_large", "PUSH", "failed", "IOS", "payload_too_large"),
    ("payload_too_large", "SMS", "failed", "", "message_length_exceeded"),
    ("max_shown", "IN_APP", "failed", "", "maximum_times_shown"),
    ("content_api", "EMAIL", "failed", "", "content_api_error"),
    ("other", "EMAIL", "failed", "", UNKNOWN_ERROR),
]


@pytest.mark.parametrize(("name", "channel", "type_", "platform", "stored"), SHORT)
def test_short_names(name: str, channel: str, type_: str, platform: str, stored: str) -> None:
    assert normalise_reason(name, type=type_, channel=channel, platform=platform) == (
        stored,
        "" if stored == name else name,
    )
    assert key(name.upper(), channel, type_, platform) == stored


def test_all_short_names_are_covered() -> None:
    assert {row[0] for row in SHORT} == set(SHORT_NAMES)
    for name in ("mailbox_full", "carrier_blocked", "policy_blocked", "content_rejected", "timed_out", "canceled"):
        assert normalise_reason(name, type="undelivered", channel="SMS") == (name, "")


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_short_names_lead_to_keys_that_stay(name: str) -> None:
    for channel, type_ in product(CHANNELS, ("removed", "failed", "undelivered")):
        stored = key(name, channel, type_)
        assert key(stored, channel, type_) == stored


def test_push_codes() -> None:
    assert {code: key(str(code)) for code in PUSH_CODES} == PUSH_CODES
    assert set(PUSH_CODES) == {101, 102, 201, 202, 203, 204, 205, 206, 207, 208, 301, 302, 501}
    assert key("201") == "f_c_removed"
    assert key("204", type_="removed") == CAMPAIGN_CONTROL
    assert key("999") == "999"
    assert key("201", "SMS") == "201", "codes are those of push feeds"


def test_nothing_is_an_unknown_error() -> None:
    assert normalise_reason("", type="failed", channel="SMS") == (UNKNOWN_ERROR, "")
    assert normalise_reason("  ", type="removed", channel="PUSH") == (UNKNOWN_ERROR, "")


def test_a_provider_code_names_an_otherwise_unknown_refusal() -> None:
    answer = normalise_reason("provider_rejected", type="undelivered", channel="SMS", code="30005")
    assert answer == ("provider_error_30005", "provider_rejected")
    assert key("provider_rejected", "EMAIL", code="550") == "custom_api_error"
    assert key("provider_error_30005", "SMS") == "provider_error_30005"


def test_declared_reasons_are_consistent() -> None:
    for name, reason in REASONS.items():
        assert name == reason.key and reason.label and reason.usual
        assert reason.channels
        assert set(reason.usual) <= {"removed", "failed", "undelivered"}
    assert len({reason.code for reason in REASONS.values() if reason.code}) == len(PUSH_CODES)
    assert all(reason.stage for reason in STAGES.values())
