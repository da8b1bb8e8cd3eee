"""Keys are the bytes of the identity keys, and say what they should say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.intake.event import Event
from campanile.intake.keys import (
    NO_KEY,
    ONCE_PER_MESSAGE,
    event_key,
    event_keys,
    message_key,
    message_keys,
    pack,
    unpack,
)
from campanile.kit.hashing import identity_key

TIME = datetime(2026, 3, 1, tzinfo=UTC)


def message(**fields: str) -> Event:
    given_fields = {"type": "sent", "provider": "fcm", "message_id": "m-1", "user_id": "u-1", **fields}
    return Event(event_id="e-1", ts=TIME, **given_fields)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=20))
def test_event_keys_are_identity_keys(ids: list[str]) -> None:
    assert unpack(pack(event_key(name) for name in ids)) == [identity_key(name) for name in ids]


def test_message_key_is_the_identity_key_of_the_natural_key() -> None:
    event = message(transport="sms", device_id="d-1")
    assert unpack(pack([message_key(event)])) == [identity_key("fcm", "m-1", "sms", "u-1", "d-1", "sent")]


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "apns"},
        {"message_id": "m-2"},
        {"transport": "sms"},
        {"user_id": "u-2"},
        {"device_id": "d-2"},
        {"type": "delivered"},
    ],
)
def test_each_part_of_the_natural_key_tells_messages_apart(change: dict[str, str]) -> None:
    assert message_key(message(**change)) != message_key(message())


@pytest.mark.parametrize("change", [{"provider": ""}, {"message_id": ""}, {"type": "click"}, {"type": "impression"}])
def test_without_a_natural_key_there_is_none(change: dict[str, str]) -> None:
    assert message_key(message(**change)) == NO_KEY


def test_types_that_happen_once_per_message() -> None:
    assert {
        "attempted", "sent", "failed", "undelivered", "delivered", "read", "hard_bounce", "soft_bounce", "complaint",
    } == ONCE_PER_MESSAGE  # fmt: skip


def test_what_is_not_part_of_the_natural_key_does_not_matter() -> None:
    assert message_key(message(source="push_amplification", locale="en")) == message_key(message())


texts = st.one_of(
    st.text(max_size=6), st.text("ab", min_size=125, max_size=130), st.text("ä", min_size=60, max_size=70)
)


@given(st.lists(st.tuples(texts, texts, texts, texts), min_size=1, max_size=5))
def test_many_keys_at_once_are_the_single_keys(fields: list[tuple[str, str, str, str]]) -> None:
    events = [
        Event(event_id=name, ts=TIME, type="sent", provider="fcm", message_id=number, user_id=user, device_id=device)
        for name, number, user, device in fields
    ]
    messages = [(e.provider, e.message_id, e.transport, e.user_id, e.device_id, e.type) for e in events]
    assert event_keys(event.event_id for event in events) == [event_key(event.event_id) for event in events]
    assert message_keys(messages) == [message_key(event) for event in events]
