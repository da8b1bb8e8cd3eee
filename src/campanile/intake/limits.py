"""Every limit of the intake, with its unit and the reason for it (ingest specification 1.4, 1.9, 7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

KIB = 1024
MIB = 1024 * KIB

MAX_WIRE_BYTES = 5 * MIB
"""Bytes of a request body as it travels: what one request may cost before anything is known about it."""
MAX_BODY_BYTES = 20 * MIB
"""Bytes of a body after decompression; decoding stops there."""
MAX_COMPRESSION_RATIO = 100
"""Decompressed bytes per byte received. Events compress about 6.5 : 1, zeros 1,000 : 1 and more."""
RATIO_TEST_BYTES = 64 * KIB
"""Decompressed bytes before the ratio is looked at: short bodies may compress extremely well."""
MAX_ZSTD_WINDOW_BYTES = 8 * MIB
"""Bytes of memory that a zstd frame may ask for."""
MAX_ZSTD_BLOCKS = 65_536
"""Blocks of a zstd frame. 20 MiB are 160 blocks; empty ones would only burn time."""
MAX_EVENTS = 10_000
"""Events in one request."""
MAX_VALUES = 2_000_000
"""Separators in one JSON body: bounds the memory for splitting it, far above what 10,000 events need."""
MAX_EVENT_BYTES = 32 * KIB
"""Bytes of one event as JSON."""
MAX_DEPTH = 5
"""Levels of objects and arrays in one event, the event itself included."""
MAX_ATTRIBUTES = 100
"""Keys in `attributes`, over all levels."""
MAX_ATTRIBUTE_KEY_CHARS = 128
"""Characters of a key in `attributes`."""
MAX_ATTRIBUTE_VALUE_CHARS = 2_048
"""Characters of a text in `attributes`."""

MAX_AGE = timedelta(days=90)
"""How long before its receipt an event may have happened."""
FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
"""No event happened before, whatever the age limit: the start of Unix time."""
FIRST_IMPORTED_INSTANT = datetime(2010, 1, 1, tzinfo=UTC)
"""How far back an import reaches."""
MAX_FUTURE = timedelta(hours=24)
"""How far ahead of the receipt an event may lie: sender clocks are wrong, and refusing loses data."""
FUTURE_NOTICE = timedelta(minutes=10)
"""From here on an event in the future is worth a warning; also all that an import may be ahead."""
MAX_DAYS = 100
"""Distinct UTC days that the events of one request may touch; guards against creating partitions by the thousand."""

MAX_HEADER_BYTES = 16 * KIB
"""Bytes of a request's header block."""
MAX_BODY_SECONDS = 30
"""Seconds a sender may take for the whole body."""

DEFAULT_ERRORS = 100
"""Rejections listed in an answer unless the request asks for another number."""
MAX_ERRORS = 10_000
"""Rejections listed in an answer at most."""
MAX_WARNINGS = 100
"""Distinct warnings in an answer: field names come from the sender."""
MAX_SHOWN_NAME_CHARS = 64
"""Characters of an unknown field name that a warning shows."""

MAX_LOCALES = 200
"""Locales of one campaign; further ones are counted under `other`."""
MAX_VARIATIONS = 200
"""Variations of one campaign; further ones are counted under `other`."""
MAX_PLATFORMS = 20
"""Platforms of one campaign; further ones are counted under `other`."""
MAX_EVENT_NAMES = 100_000
"""Custom event names of one workspace; further ones are counted under `other`."""

ID_CHARS = 128
"""Characters of an event, user or device id, of a campaign key and of a request's idempotency key."""
MESSAGE_ID_CHARS = 256
"""Characters of a provider's message id."""
SHORT_CHARS = 32
"""Characters of a provider, transport, source or platform."""
LABEL_CHARS = 64
"""Characters of an instance id, locale, variation or link id."""
NAME_CHARS = 128
"""Characters of a custom event's name, a goal or a reason."""
TITLE_CHARS = 256
"""Characters of a campaign's or flow's name."""
DETAIL_CHARS = 256
"""Characters of a reason's free text."""
LINK_CHARS = 2_048
"""Characters of a link, its query string included."""
USER_AGENT_CHARS = 2_048
"""Characters of a user agent, which is looked at and not stored."""
MAX_REVENUE = 10**12
"""Currency units, either sign."""
REVENUE_DECIMALS = 4
"""Decimal places kept of a revenue; further ones are rounded half to even."""
MAX_USER_NUMBER = 2**53
"""Largest user id given as a JSON number, either sign: beyond it parsers disagree about the digits."""
MAX_NUMBER = 10**100
"""Bound of integers in `attributes`, either sign."""
MAX_SNAPSHOT_VALUE = 10**12
"""Largest count in a snapshot."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits an operator or an import may move. Units are those of the constants."""

    wire_bytes: int = MAX_WIRE_BYTES
    body_bytes: int = MAX_BODY_BYTES
    compression_ratio: int = MAX_COMPRESSION_RATIO
    ratio_test_bytes: int = RATIO_TEST_BYTES
    zstd_window_bytes: int = MAX_ZSTD_WINDOW_BYTES
    events: int = MAX_EVENTS
    values: int = MAX_VALUES
    event_bytes: int = MAX_EVENT_BYTES
    depth: int = MAX_DEPTH
    attributes: int = MAX_ATTRIBUTES
    attribute_key_chars: int = MAX_ATTRIBUTE_KEY_CHARS
    attribute_value_chars: int = MAX_ATTRIBUTE_VALUE_CHARS
    age: timedelta | None = MAX_AGE
    """None: only `earliest` bounds the past."""
    earliest: datetime = FIRST_INSTANT
    future: timedelta = MAX_FUTURE
    future_notice: timedelta = FUTURE_NOTICE
    days: int = MAX_DAYS


IMPORT_LIMITS = Limits(age=None, earliest=FIRST_IMPORTED_INSTANT, future=FUTURE_NOTICE)
"""Limits of a bulk import: it reaches back further and has no reason to be ahead of the clock."""
