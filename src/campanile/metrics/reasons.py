"""Why a message was not sent or a user was left out: stored keys, their funnel steps, and what senders may write.

Keys are stable identifiers (metrics specification 1.6); short names and push codes are the ingestion specification's
(1.12). Where the two name one reason differently, the metrics specification decides.
"""

from __future__ import annotations

import re

import msgspec

from campanile.metrics.registry import AUDIENCES, CONNECTORS, PHONE

CAMPAIGN_CONTROL = "user_removed_due_to_campaing_control_group"
"""The misspelling is part of the key."""
GLOBAL_CONTROL = "user_removed_due_to_global_control_group"
CONTROL_REASONS = (CAMPAIGN_CONTROL, GLOBAL_CONTROL)
INACTIVE_DEVICE_TOKEN = "inactive_device_token"  # noqa: S105
"""Removes one device of a user who has others; the user stays in every user-level step."""
UNKNOWN_ERROR = "unknown_error"

EVERYWHERE = ("*",)
"""Channels of a reason that any channel may report."""
BEFORE = "before"
"""Stage of reasons that keep a user out of the first step already."""
_CONTROLS = "after_fc"
_RENDERING = "after_personalization_removal"


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One failure key."""

    key: str
    label: str
    channels: tuple[str, ...]
    usual: tuple[str, ...]
    """Event types that usually carry it; senders may use others."""
    stage: str = ""
    """Funnel step from which the user disappears, in channels that have it; `before` = never in the first step."""
    code: int = 0
    """Fixed number in push feeds."""
    other_key: str = ""
    """Another spelling in use, stored as sent and treated alike."""

    def of(self, channel: str) -> bool:
        return self.channels == EVERYWHERE or channel in self.channels


def _reason(
    key: str, label: str, channels: tuple[str, ...], usual: str, stage: str = "", code: int = 0, other_key: str = ""
) -> Reason:
    letters = {"R": "removed", "F": "failed", "U": "undelivered"}
    types = tuple(letters[letter] for letter in usual)
    return Reason(key=key, label=label, channels=channels, usual=types, stage=stage, code=code, other_key=other_key)


def _plain(channels: tuple[str, ...], usual: str, keys: str) -> list[Reason]:
    """Reasons without a stage whose label is the key in words."""
    return [_reason(key, _in_words(key), channels, usual) for key in keys.split()]


def _in_words(key: str) -> str:
    words = [_NAMES.get(word, word) for word in key.split("_")]
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])


_NAMES = {
    **{name: name.upper() for name in ("api", "gif", "hms", "id", "rcs", "sms", "smtp", "url")},
    "android": "Android",
    "google": "Google",
    "oauth": "OAuth",
}
"""Words of keys that labels write in their own way."""

_PUSH, _EMAIL = ("PUSH",), ("EMAIL",)

_REASONS: list[Reason] = [
    _reason(CAMPAIGN_CONTROL, "Campaign control group", EVERYWHERE, "R", BEFORE, 204),
    _reason(GLOBAL_CONTROL, "Global control group", EVERYWHERE, "R", BEFORE, 203),
    _reason("f_c_removed", "Frequency capping", EVERYWHERE, "FR", _CONTROLS, 201),
    _reason(
        "rejected_because_of_dnd",
        "Do not disturb",
        EVERYWHERE,
        "F",
        _CONTROLS,
        202,
        other_key="users_removed_due_to_dnd",
    ),
    _reason("users_removed_due_to_minimum_delay", "Minimum delay between messages", EVERYWHERE, "F", _CONTROLS, 205),
    _reason(
        "users_removed_due_to_campaign_level_minimum_delay",
        "Minimum delay of this campaign",
        EVERYWHERE,
        "F",
        _CONTROLS,
        206,
    ),
    _reason("users_removed_due_to_campaign_frequency_limit", "Campaign frequency limit", EVERYWHERE, "F", _CONTROLS),
    _reason("users_removed_due_to_campaign_audience_limit", "Campaign audience limit", EVERYWHERE, "R", _CONTROLS),
    _reason("users_removed_due_to_atmost_notification", "At-most-n rule", EVERYWHERE, "F", _CONTROLS, 207),
    _reason("personalization_failed", "Personalization failed", EVERYWHERE, "F", _RENDERING, 301),
    _reason(UNKNOWN_ERROR, "Unclassified", EVERYWHERE, "FUR"),
    # Push
    _reason("users_removed_as_no_device_was_found", "No device", _PUSH, "R", BEFORE, 101),
    _reason("users_removed_as_no_active_device_token_was_found", "No active token", _PUSH, "R", BEFORE, 102),
    _reason(INACTIVE_DEVICE_TOKEN, "One device inactive", _PUSH, "R"),
    _reason("users_removed_due_to_uninstall", "Uninstalled", _PUSH, "R", "segment_after_uninstall"),
    _reason("users_removed_due_to_deduplication", "Deduplication", _PUSH, "F", "users_after_dup", 208),
    _reason("duplicate_token_removed", "Duplicate token", _PUSH, "F"),
    _reason("template_error", "Template error", EVERYWHERE, "F", "", 302),
    *_plain(_PUSH, "F", "timer_duration_exceeded timer_duration_too_short"),
    _reason("provider_rejected", "Refused by the push service", _PUSH, "F", "", 501),
    *_plain(
        _PUSH,
        "F",
        "invalid_registration not_registered mismatch_sender_id message_too_big invalid_server_credentials"
        " message_rate_exceeded device_message_rate_exceeded sender_temporarily_unavailable response_decode_error"
        " insufficient_permission google_authentication_error hms_message_too_big bad_device_token"
        " device_token_not_for_topic unregistered payload_too_large invalid_token_size invalid_provider_token"
        " too_many_provider_token_updates topic_disallowed provider_certificate_expired client_connection_failed"
        " authorization_error",
    ),
    # E-mail
    _reason("user_without_email", "No address", _EMAIL, "R", "user_with_email"),
    _reason(
        "b_u_c_removed",
        "Earlier bounce, unsubscribe or complaint",
        _EMAIL,
        "F",
        "user_with_email_after__h_b",
        other_key="bounces,__unsubscribes,__complaints_removed",
    ),
    _reason("mo_engage_suppression", "Suppression list", _EMAIL, "F", "user_with_email_after__h_b"),
    _reason("invalid_email", "Malformed address", _EMAIL, "F", "after_invalid_removal"),
    _reason(
        "duplicate_email_removed",
        "Address used by another user",
        _EMAIL,
        "F",
        "user_after_duplicate_removal",
        other_key="duplicate__emails_removed",
    ),
    *_plain(_EMAIL, "F", "content_api_error attachment_error"),
    *_plain(
        _EMAIL,
        "UF",
        "smtp_exception smtp_data_error smtp_sender_refused smtp_recipient_refused invalid_smtp_host_details"
        " smtp_authentication_error encrypted_connection_failed custom_api_error maximum_limit_exceeded",
    ),
    *_plain(_EMAIL, "U", "email_unsubscribe_drop provider_suppression_drop"),
    # SMS, MMS, RCS, WhatsApp
    _reason("user_without_mobile_number", "No number", PHONE, "R", BEFORE),
    _reason("invalid_mobile_number", "Number unusable", PHONE, "F", "after_invalid_removal"),
    _reason("not_sent_due_to_campaign_level_min_delay", "Campaign-level minimum delay", PHONE, "F", _CONTROLS),
    _reason("duplicate_number_removed", "Duplicate number", PHONE, "F", "users_after_dup"),
    *_plain(
        PHONE,
        "F",
        "authentication_failed invalid_credentials invalid_sender_id template_mismatch user_not_opted_in"
        " message_length_exceeded device_not_rcs_capable user_unsubscribed",
    ),
    *_plain(
        PHONE,
        "U",
        "unknown_subscriber absent_subscriber message_expired user_part_of_experiment sent_as_sms"
        " user_device_was_not_able_to_reproduce_the_content",
    ),
    # In-app and on-site
    *_plain(
        ("IN_APP", "OSM"),
        "F",
        "higher_priority_campaign_available maximum_times_shown minimum_delay_condition global_delay_condition"
        " campaign_expired api_failure campaign_paused missing_parameters another_campaign_visible",
    ),
    *_plain(
        ("IN_APP",),
        "F",
        "screen_mismatch context_mismatch unsupported_orientation in_app_blocked"
        " not_android_13_or_already_opted_in campaign_under_review campaign_rejected campaign_archived image_failure"
        " gif_failure height_exceeded internal_server_error file_download_failure",
    ),
    *_plain(("OSM",), "F", "url_changed website_closed"),
    # Connectors and audiences
    *_plain(CONNECTORS, "F", "timeout invalid_hostname oauth_error"),
    _reason("no_identifier", "No device id, number or address", AUDIENCES, "R"),
    *_plain(AUDIENCES, "F", "data_error"),
    *_plain(AUDIENCES, "FU", "access_error api_error"),
    # Provider outcomes that no channel has for itself
    *_plain(
        EVERYWHERE,
        "FU",
        "mailbox_full carrier_blocked policy_blocked content_rejected spam_content timed_out canceled",
    ),
]

REASONS: dict[str, Reason] = {reason.key: reason for reason in _REASONS}
"""Every failure key with a meaning of its own; `http_<status>` and `provider_error_<code>` come beside them."""

STAGES: dict[str, Reason] = {
    key: reason for reason in _REASONS if reason.stage for key in (reason.key, reason.other_key) if key
}
"""Keys, other spellings included, that make a user leave the funnel."""

PUSH_CODES: dict[int, str] = {reason.code: reason.key for reason in _REASONS if reason.code}
"""Fixed numbers of push feeds."""

_SAME_EVERYWHERE = {
    "campaign_control_group": CAMPAIGN_CONTROL,
    "global_control_group": GLOBAL_CONTROL,
    "no_device": "users_removed_as_no_device_was_found",
    "no_active_token": "users_removed_as_no_active_device_token_was_found",
    "inactive_device": INACTIVE_DEVICE_TOKEN,
    "uninstalled": "users_removed_due_to_uninstall",
    "frequency_cap": "f_c_removed",
    "dnd": "rejected_because_of_dnd",
    "min_delay": "users_removed_due_to_minimum_delay",
    "at_most_limit": "users_removed_due_to_atmost_notification",
    "personalization": "personalization_failed",
    "not_opted_in": "user_not_opted_in",
    "unknown_recipient": "unknown_subscriber",
    "unreachable": "absent_subscriber",
    "experiment": "user_part_of_experiment",
    "expired": "message_expired",
    "max_shown": "maximum_times_shown",
    "content_api": "content_api_error",
    "other": UNKNOWN_ERROR,
}
_BY_CHANNEL: dict[str, dict[str, str]] = {
    "campaign_min_delay": {
        **dict.fromkeys(PHONE, "not_sent_due_to_campaign_level_min_delay"),
        "*": "users_removed_due_to_campaign_level_minimum_delay",
    },
    "duplicate": {
        "PUSH": "users_removed_due_to_deduplication",
        "EMAIL": "duplicate_email_removed",
        **dict.fromkeys(PHONE, "duplicate_number_removed"),
    },
    "template": {**dict.fromkeys(PHONE, "template_mismatch"), "*": "template_error"},
    "provider_rejected": {"PUSH": "provider_rejected", "EMAIL": "custom_api_error", "*": UNKNOWN_ERROR},
    "no_address": {
        "EMAIL": "user_without_email",
        **dict.fromkeys(PHONE, "user_without_mobile_number"),
        **dict.fromkeys(AUDIENCES, "no_identifier"),
    },
    "invalid_address": {"EMAIL": "invalid_email", **dict.fromkeys(PHONE, "invalid_mobile_number")},
    "invalid_token": {"PUSH/IOS": "unregistered", "PUSH": "not_registered"},
    "auth_error": {
        "PUSH": "authorization_error",
        "EMAIL": "smtp_authentication_error",
        "*": "authentication_failed",
    },
    "quota_exceeded": {"PUSH": "message_rate_exceeded", "*": "maximum_limit_exceeded"},
    "payload_too_large": {
        "PUSH/IOS": "payload_too_large",
        "PUSH": "message_too_big",
        "*": "message_length_exceeded",
    },
}
"""Short name → channel (or channel/platform) → key; `*` = every other channel. A short name that has no key for a
channel is stored as it is."""
_BY_TYPE: dict[str, dict[str, str]] = {
    "unsubscribed": {"undelivered": "email_unsubscribe_drop", "*": "b_u_c_removed"},
    "previously_bounced": {"undelivered": "provider_suppression_drop", "*": "b_u_c_removed"},
    "previously_complained": {"undelivered": "provider_suppression_drop", "*": "b_u_c_removed"},
    "suppressed": {"undelivered": "provider_suppression_drop", "*": "mo_engage_suppression"},
}

SHORT_NAMES = (*_SAME_EVERYWHERE, *_BY_CHANNEL, *_BY_TYPE)
"""Reason names senders may use on every channel."""

_CAPITAL = re.compile(r"[A-Z]")


def normalise_reason(label: str, *, type: str, channel: str, platform: str = "", code: str = "") -> tuple[str, str]:
    """The key under which a reason is stored, and the short name to keep beside it (empty if none was replaced).

    `label` is a short name, a key, a push reason code, or a label in plain words; empty means unknown.
    `code` is the provider's own code, used where a reason says no more than that the provider refused.
    """
    text = label.strip()
    if not text:
        return UNKNOWN_ERROR, ""
    if channel == "PUSH" and text.isdecimal() and int(text) in PUSH_CODES:
        return PUSH_CODES[int(text)], ""
    name = text.lower()
    if name in SHORT_NAMES:
        key = _expand(name, type, channel, platform)
        if name == "provider_rejected" and key == UNKNOWN_ERROR and code:
            key = f"provider_error_{code}"
        return key, "" if key == name else name
    if name in REASONS:
        return name, ""
    return normalise_label(text), ""


def normalise_label(label: str) -> str:
    """A label in plain words as a key, by the mechanical rule of the original service.

    Each space becomes `_`, each capital `_` plus its lower case, one leading `_` goes, punctuation stays. A text
    without spaces and capitals is a key already and stays as it is.
    """
    if " " not in label and not _CAPITAL.search(label):
        return label
    key = _CAPITAL.sub(lambda match: "_" + match[0].lower(), label.replace(" ", "_"))
    return key.removeprefix("_")


def _expand(name: str, type: str, channel: str, platform: str) -> str:
    if name in _SAME_EVERYWHERE:
        return _SAME_EVERYWHERE[name]
    if name in _BY_TYPE:
        if name == "unsubscribed" and channel in PHONE:
            return "user_unsubscribed"
        return _BY_TYPE[name].get(type) or _BY_TYPE[name]["*"]
    keys = _BY_CHANNEL[name]
    return keys.get(f"{channel}/{platform}") or keys.get(channel) or keys.get("*") or name
