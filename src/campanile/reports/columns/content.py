"""Columns that show the message itself (report specification 12.2).

Where a value stands is said by paths into the content of one locale and variation, as campaign documents carry it
(campaign specification 3.3); paths that begin with `$` start at the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from campanile.reports.columns.campaign import PLATFORM_WORDS, plain_splits
from campanile.reports.columns.definitions import ColumnDef, Content, Type

DOCUMENT = "$"
"""First part of paths that start at the document."""
BUTTONS = 10
"""WhatsApp buttons with columns of their own."""

_Path = tuple[str, ...]


class _Row(NamedTuple):
    key: str
    header: str
    paths: tuple[_Path, ...]
    default: bool = False
    type: Type = "text"


def _at(*paths: str) -> tuple[_Path, ...]:
    return tuple(tuple(path.split(".")) for path in paths)


_CONNECTOR = _at("$.connector.connector_name")
_ON_EVERY_PUSH = ("android", "ios", "web")
_ON_APPS = ("android", "ios")


class _Push(NamedTuple):
    """A push column: on some platforms, in the message and in what stands in for it on old devices."""

    part: str
    header: str
    place: str
    """Members of `basic_details` or `template_backup`; with dots: from the content of the platform."""
    platforms: tuple[str, ...] = _ON_EVERY_PUSH
    default: bool = False


_PUSH_MESSAGE = (
    _Push("template_name", "Template Name", ".template_type", _ON_APPS),
    _Push("title", "Message Title (Android, Web), Title (iOS)", "title", default=True),
    _Push("message", "Message (Android, Web), Subtitle (iOS)", "message", default=True),
    _Push("summary", "Message Summary", "summary", ("android",)),
    _Push("subtitle", "IOS Subtitle", "subtitle", ("ios",)),
    _Push("image_url", "Rich Content Image URL", "image_url rich_media_value banner_image_url"),
    _Push("click_action", "Default Button Click Action (Dropdown)", "default_click_action"),
    _Push(
        "click_target",
        "Default Button screen name/Deeplinking URL/Richlanding URL",
        "default_click_action_value redirect_url",
    ),
    _Push("notification_channel", "Notification Channel", "notification_channel", ("android",)),
)
_PUSH_FALLBACK = (
    _Push("template_name", "Fall back Template Name", "template_type", _ON_APPS),
    _Push("title", "Fall back Message Title (Android, Web), Title (iOS)", "title"),
    _Push("message", "Fall back Message (Android, Web), Subtitle (iOS)", "message"),
    _Push("summary", "Fall back Message Summary", "summary", ("android",)),
    _Push("notification_channel", "Fall back Notification Channel", "notification_channel", ("android",)),
    _Push("subtitle", "Fall back IOS Subtitle", "subtitle", ("ios",)),
    _Push("image_url", "Fall back rich content Image URL", "image_url rich_media_value"),
    _Push("sound", "Fall back rich content Sound Filename", "sound_file"),
    _Push("click_action", "Fallback Default Button Default Click Action (Dropdown)", "default_click_action"),
    _Push(
        "click_target",
        "Fallback Default Button screen name/Deeplinking URL/Richlanding URL",
        "default_click_action_value redirect_url",
    ),
)


def _push_rows(platform: str) -> Iterator[_Row]:
    for rows, prefix, folder in (
        (_PUSH_MESSAGE, "", "basic_details"),
        (_PUSH_FALLBACK, "fallback.", "template_backup"),
    ):
        for row in rows:
            if platform in row.platforms:
                places = [
                    f"push.{platform}{place}" if place.startswith(".") else f"push.{platform}.{folder}.{place}"
                    for place in row.place.split()
                ]
                yield _Row(
                    f"{platform}.{prefix}{row.part}",
                    f"{PLATFORM_WORDS[platform]} {row.header}",
                    _at(*places),
                    row.default and platform in _ON_APPS,
                )


def _texting(channel: str) -> tuple[_Row, ...]:
    return (
        _Row("message", "Campaign Message", _at(f"{channel}.message"), default=True),
        _Row("connector", "Campaign Connector", _CONNECTOR, default=True),
        _Row("sender", "Sender Name", _at("$.sender_name", f"{channel}.sender_name")),
        _Row("template_id", "Template ID", _at(f"{channel}.template_id", f"{channel}.custom_template_id")),
    )


def _on_screen(channel: str) -> tuple[_Row, ...]:
    return (
        _Row("template_name", "Template Name", _at(f"{channel}.template_name", f"{channel}.template_type")),
        _Row("title", "Message Title", _at(f"{channel}.title", f"{channel}.basic_details.title")),
        _Row("message", "Message", _at(f"{channel}.message", f"{channel}.basic_details.message")),
    )


_AUDIENCE = (
    _Row("ad_account", "Ad Account ID", _at("audience.ad_account_id", "audience.ad_account")),
    _Row("audience", "Custom Audience Name", _at("audience.audience_name", "audience.name"), default=True),
    _Row("operation", "Audience Operation", _at("audience.operation")),
    _Row("match_keys", "Match Identifiers", _at("audience.match_keys"), type="list"),
)
_ROWS: dict[str, tuple[_Row, ...]] = {
    "PUSH": tuple(row for platform in _ON_EVERY_PUSH for row in _push_rows(platform)),
    "EMAIL": (
        _Row("subject", "Email Subject", _at("email.subject"), default=True),
        _Row("preheader", "Email Preheader", _at("email.preview_text", "email.preheader")),
        _Row("from_address", "From Email Address", _at("email.from_address")),
        _Row("from_name", "From Name", _at("email.sender_name")),
        _Row("reply_to", "Reply To Email Address", _at("email.reply_to_address")),
        _Row("email_attribute", "Email Attribute", _at("$.basic_details.user_attribute_identifier")),
        _Row("template_id", "Template ID", _at("email.custom_template_id")),
        _Row("template_name", "Template Name", _at("email.template_name")),
    ),
    "SMS": _texting("sms"),
    "MMS": (*_texting("mms"), _Row("media_url", "Media URL", _at("mms.media_url"))),
    "RCS": (
        _Row("connector", "Campaign Connector", _CONNECTOR, default=True),
        _Row("sender", "Sender Name", _at("$.sender_name", "rcs.sender_name")),
        _Row("template_name", "Template Name", _at("rcs.template_name"), default=True),
        _Row("body", "Body", _at("rcs.body", "rcs.message")),
        _Row("fallback_message", "Fallback Campaign Message", _at("rcs.fallback.message")),
        _Row("fallback_connector", "Fallback Campaign Connector", _at("rcs.fallback.connector")),
    ),
    "WHATSAPP": (
        _Row("template_name", "Template Name", _at("whatsapp.template_name"), default=True),
        _Row("sender_name", "Sender Name", _at("$.sender_name", "whatsapp.sender_name")),
        _Row("sender_number", "Sender Number", _at("whatsapp.sender_number")),
        _Row("header", "Header", _at("whatsapp.header")),
        _Row("body", "Body", _at("whatsapp.body", "whatsapp.message"), default=True),
        _Row("footer", "Footer", _at("whatsapp.footer")),
        *(
            _Row(
                f"button_{number}.{part}",
                f"Whatsapp Button {number} {part.title()}",
                _at(f"whatsapp.buttons.{number - 1}.{part}"),
            )
            for number in range(1, BUTTONS + 1)
            for part in ("text", "type", "action")
        ),
    ),
    "IN_APP": _on_screen("in_app"),
    "ON_SITE": _on_screen("onsite"),
    "CARDS": (
        _Row("category", "Card Category", _at("cards.category")),
        *_on_screen("cards"),
        _Row("image_url", "Image URL", _at("cards.image_url")),
        _Row("click_target", "Redirection URL", _at("cards.redirect_url", "cards.click_target")),
    ),
    "CONNECTOR": (
        _Row("connector", "Campaign Connector", _CONNECTOR, default=True),
        _Row("url", "Connector URL", _at("connector.url", "$.connector.url")),
        _Row("method", "Connector Method", _at("connector.method", "$.connector.method")),
    ),
    "FACEBOOK": _AUDIENCE,
    "GOOGLE_ADS": _AUDIENCE,
}


def content_columns(channel: str) -> Iterator[ColumnDef]:
    """Content columns of a channel, in order."""
    for row in _ROWS[channel]:
        yield ColumnDef(
            key=f"content.{row.key}",
            header=row.header,
            type=row.type,
            source=f"content.{row.key}",
            splits=plain_splits(channel),
            default_selected="yes" if row.default else "no",
            cell=Content(row.paths),
        )
