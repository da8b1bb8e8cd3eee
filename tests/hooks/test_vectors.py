"""The published vectors: signatures, pseudonyms and sample payloads (ingest specification 3, 8)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from campanile.hooks.drafts import Unreadable
from campanile.hooks.moengage.streams import read_streams
from campanile.hooks.moengage.track_event import read_track_event
from campanile.hooks.providers import PROVIDERS
from campanile.hooks.providers.protocol import BadSignature, Tools
from campanile.hooks.schemas import Hook, Incoming
from tests.hooks.desks import FORM, RECEIVED, desk, events, hook, incoming, read

SENDGRID_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEzeqPOu+qYNoKDRXtmDXUUDwGqwfZ6Co6iqn7Uob1FEkTItYXDl3KssMWq3Azz/LRDQXxSl1CtdMr"
    "7m+X1wRlAA=="
)
SENDGRID_SIGNATURE = "MEUCIQCLobLoZIpSBR6AI6h0XKBprp7ueImeWbtdr+32o6yD+wIgXHQJnX2M4rMwZyHgST8EZkJ/o87d3HFdJpnyYZFxjRs="
SENDGRID_BODY = (
    b'[{"event":"delivered","email":"ada@example.net","timestamp":1760000123,"sg_event_id":"ZXYtMQ","sg_message_id":'
    b'"m1.recvd-7f.0","cmp_campaign_id":"68e0c0ffee00000000000001","cmp_user_id":"u-1001"}]'
)
MAILGUN = {
    "timestamp": "1760000200",
    "token": "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee00",
    "signature": "bf91d01226d5479f9ce6152108ed4bac17a314cc663b6359afb41145621d0193",
}
META_BODY = (
    b'{"object":"whatsapp_business_account","entry":[{"id":"1000","changes":[{"field":"messages","value":'
    b'{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550000000","phone_number_id":"2000"},'
    b'"statuses":[{"id":"wamid.TEST1","status":"read","timestamp":"1760000300","recipient_id":"15551230000",'
    b'"biz_opaque_callback_data":"cmp1|68e0c0ffee00000000000002|B|fr|u-1002"}]}}]}]}'
)
META_SIGNATURE = "sha256=06cbf07844b1290936c6b6ce69a6fbc0e905518b0f84492fc5bf3e30de132681"
TWILIO_QUERY = "c=68e0c0ffee00000000000003&v=A&l=en&u=u-1003"
TWILIO_BODY = (
    b"AccountSid=AC0001&ApiVersion=2010-04-01&From=%2B15550000000&MessageSid=SM0001&MessageStatus=delivered"
    b"&To=%2B15551230001"
)
TWILIO_SIGNATURE = "sxSgDsLCGfBCciWeiULgWeCc9rg="


class _Tokens:
    def __init__(self) -> None:
        self.seen: dict[str, bytes] = {}

    def claim(self, hook: Hook, token: str, body: bytes) -> bool:
        return self.seen.setdefault(token, body) == body


class _NoCertificates:
    def verify(self, url: str, signature: bytes, text: bytes, *, sha1: bool, now: datetime) -> bool:
        raise AssertionError("no certificate is needed here")


def tools(base: str = "https://stats.example.com") -> Tools:
    return Tools(base, _NoCertificates(), _Tokens())


def mailgun_body(event: dict[str, str] | None = None, **changes: str) -> bytes:
    return json.dumps({"signature": {**MAILGUN, **changes}, "event-data": event or {}}).encode()


def _sendgrid(
    *, body: bytes = SENDGRID_BODY, signature: str = SENDGRID_SIGNATURE, at: datetime = RECEIVED, query: str = ""
) -> Incoming:
    return incoming(
        body, at=at, X_Twilio_Email_Event_Webhook_Signature=signature,
        X_Twilio_Email_Event_Webhook_Timestamp="1760000130",
    )  # fmt: skip


def _mailgun(
    *, body: bytes = b"", signature: str = MAILGUN["signature"], at: datetime = RECEIVED, query: str = ""
) -> Incoming:
    return incoming(body or mailgun_body(signature=signature), at=at)


def _whatsapp(
    *, body: bytes = META_BODY, signature: str = META_SIGNATURE, at: datetime = RECEIVED, query: str = ""
) -> Incoming:
    return incoming(body, at=at, X_Hub_Signature_256=signature)


def _twilio(
    *, body: bytes = TWILIO_BODY, signature: str = TWILIO_SIGNATURE, at: datetime = RECEIVED, query: str = TWILIO_QUERY
) -> Incoming:
    return incoming(
        body, query=query, path="/v1/hooks/twilio/hk_7", at=at, X_Twilio_Signature=signature, content_type=FORM
    )


VECTORS: dict[str, tuple[Hook, Callable[..., Incoming], bytes, str]] = {
    "sendgrid": (hook("sendgrid", SENDGRID_KEY), _sendgrid, SENDGRID_BODY, SENDGRID_SIGNATURE),
    "mailgun": (hook("mailgun", "mg-signing-key-for-tests"), _mailgun, mailgun_body(), MAILGUN["signature"]),
    "whatsapp": (hook("whatsapp", "meta-app-secret-for-tests"), _whatsapp, META_BODY, META_SIGNATURE),
    "twilio": (hook("twilio", "twilio-auth-token-for-tests"), _twilio, TWILIO_BODY, TWILIO_SIGNATURE),
}


def test_the_bodies_have_their_published_lengths() -> None:
    assert (len(SENDGRID_BODY), len(META_BODY)) == (195, 386)


@pytest.mark.parametrize("provider", VECTORS)
def test_a_published_signature_is_right(provider: str) -> None:
    known, make, _, _ = VECTORS[provider]
    PROVIDERS[provider].verify(known, make(), tools())


@pytest.mark.parametrize("provider", VECTORS)
def test_a_signature_with_one_flipped_bit_is_wrong(provider: str) -> None:
    known, make, _, signature = VECTORS[provider]
    for position in range(len(signature)):
        flipped = signature[:position] + chr(ord(signature[position]) ^ 1) + signature[position + 1 :]
        with pytest.raises(BadSignature):
            PROVIDERS[provider].verify(known, make(signature=flipped), tools())


@pytest.mark.parametrize("provider", ["sendgrid", "whatsapp", "twilio"])
def test_a_body_with_one_flipped_bit_is_wrong(provider: str) -> None:
    known, make, body, _ = VECTORS[provider]
    for position in range(len(body)):
        flipped = body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
        with pytest.raises((BadSignature, Unreadable)):
            PROVIDERS[provider].verify(known, make(body=flipped), tools())


@pytest.mark.parametrize("provider", VECTORS)
def test_no_signature_is_a_wrong_one(provider: str) -> None:
    known, make, body, _ = VECTORS[provider]
    bare = incoming(b"{}" if provider == "mailgun" else body, query=make().query, path=make().path)
    with pytest.raises(BadSignature):
        PROVIDERS[provider].verify(known, bare, tools())


@pytest.mark.parametrize("provider", VECTORS)
def test_another_secret_does_not_do_and_the_previous_one_does(provider: str) -> None:
    known, make, _, _ = VECTORS[provider]
    with pytest.raises(BadSignature):
        PROVIDERS[provider].verify(hook(provider, "another secret"), make(), tools())
    PROVIDERS[provider].verify(hook(provider, "another secret", *known.secrets), make(), tools())


@pytest.mark.parametrize(
    ("provider", "stamp", "window"),
    [("sendgrid", 1760000130, timedelta(hours=25)), ("mailgun", 1760000200, timedelta(hours=12))],
)
def test_signed_times_have_a_window(provider: str, stamp: int, window: timedelta) -> None:
    known, make, _, _ = VECTORS[provider]
    signed_at = datetime.fromtimestamp(stamp, UTC)
    for at in (signed_at + window, signed_at - timedelta(minutes=10)):
        PROVIDERS[provider].verify(known, make(at=at), tools())
    for at in (signed_at + window + timedelta(seconds=1), signed_at - timedelta(minutes=10, seconds=1)):
        with pytest.raises(BadSignature, match="timestamp_out_of_window"):
            PROVIDERS[provider].verify(known, make(at=at), tools())


def test_a_mailgun_token_is_good_for_one_body() -> None:
    known, make, _, _ = VECTORS["mailgun"]
    shared, provider = tools(), PROVIDERS["mailgun"]
    provider.verify(known, make(), shared)
    provider.verify(known, make(), shared)
    with pytest.raises(BadSignature, match="token_reused"):
        provider.verify(known, make(body=mailgun_body({"event": "opened"})), shared)


def test_a_sub_account_signs_with_the_key_of_its_parent() -> None:
    body = json.dumps({"signature": {**MAILGUN, "signature": "0" * 64, "parent-signature": MAILGUN}, "event-data": {}})
    PROVIDERS["mailgun"].verify(VECTORS["mailgun"][0], incoming(body.encode()), tools())


@pytest.mark.parametrize("base", ["https://stats.example.com", "https://stats.example.com:443"])
def test_twilio_may_sign_the_default_port(base: str) -> None:
    known, make, _, _ = VECTORS["twilio"]
    PROVIDERS["twilio"].verify(known, make(), tools(base))


def test_twilio_signs_the_whole_address() -> None:
    known, make, _, _ = VECTORS["twilio"]
    with pytest.raises(BadSignature):
        PROVIDERS["twilio"].verify(known, make(query=TWILIO_QUERY.replace("v=A", "v=B")), tools())
    with pytest.raises(BadSignature):
        PROVIDERS["twilio"].verify(known, make(), tools("https://other.example.com"))


def test_pseudonyms() -> None:
    found = desk("twilio")
    assert found.pseudonym("email", " Ada@Example.net ") == "p_06909ff53cba5e74b516ecabcdc42134"
    for number in ("+15551230001", "15551230001", "+1 (555) 123-0001"):
        assert found.pseudonym("phone", number) == "p_044a90e6f1726049a379c547f004b1c5"


def test_sendgrid_sample() -> None:
    body = (
        b'[{"event":"bounce","type":"blocked","email":"bo@example.net","timestamp":1760000455,'
        b'"reason":"452 mailbox full","status":"4.2.2","sg_event_id":"ZXYtMg","sg_message_id":"m2.recvd-7f.0",'
        b'"category":["autumn"],"cmp_campaign_id":"68e0c0ffee00000000000004","cmp_variation":"B","cmp_user_id":"u-1004"}]'
    )
    assert events(read("sendgrid", body)) == [
        {
            "event_id": "sg:ZXYtMg", "type": "soft_bounce", "reason": "mailbox_full",
            "reason_detail": "452 mailbox full", "time": 1760000455, "channel": "EMAIL",
            "campaign_id": "68e0c0ffee00000000000004", "variation": "B", "user_id": "u-1004", "provider": "sendgrid",
            "message_id": "m2",
        }
    ]  # fmt: skip


def test_ses_sample() -> None:
    body = (
        b'{"Type":"Notification","MessageId":"7c1e-1","TopicArn":"arn:aws:sns:eu-west-1:111122223333:ses-events",'
        b'"Timestamp":"2025-10-09T09:01:00.000Z","Message":"{\\"eventType\\":\\"Click\\",\\"mail\\":{\\"messageId\\":'
        b'\\"0102-aa\\",\\"timestamp\\":\\"2025-10-09T09:00:00.000Z\\",\\"destination\\":[\\"cy@example.net\\"],'
        b'\\"tags\\":{\\"campaign_id\\":[\\"68e0c0ffee00000000000004\\"],\\"user_id\\":[\\"u-1006\\"]}},\\"click\\":'
        b'{\\"timestamp\\":\\"2025-10-09T09:00:58.400Z\\",\\"link\\":\\"https://shop.example.com/sale?x=1\\"}}"}'
    )
    assert events(read("ses", body)) == [
        {
            "event_id": "ses:7c1e-1:0", "type": "click", "link": "https://shop.example.com/sale",
            "time": "2025-10-09T09:00:58.400Z", "channel": "EMAIL", "campaign_id": "68e0c0ffee00000000000004",
            "user_id": "u-1006", "provider": "ses", "message_id": "0102-aa",
        }
    ]  # fmt: skip


def test_mailgun_sample() -> None:
    body = (
        b'{"signature":{},"event-data":{"event":"failed","severity":"permanent","id":"Ab3","timestamp":1760000498.25,'
        b'"recipient":"di@example.net","reason":"bounce","delivery-status":{"code":550,"message":"no such user"},'
        b'"message":{"headers":{"message-id":"20251009.1@mg.example.com"}},"user-variables":{"cmp_campaign_id":'
        b'"68e0c0ffee00000000000004","cmp_user_id":"u-1007"},"tags":["autumn"]}}'
    )
    assert events(read("mailgun", body)) == [
        {
            "event_id": "mg:Ab3:20251009", "type": "hard_bounce", "reason": "unknown_recipient",
            "reason_detail": "550 no such user", "time": 1760000498250, "channel": "EMAIL",
            "campaign_id": "68e0c0ffee00000000000004", "user_id": "u-1007", "provider": "mailgun",
            "message_id": "20251009.1@mg.example.com",
        }
    ]  # fmt: skip


def test_postmark_sample() -> None:
    body = (
        b'{"RecordType":"Delivery","MessageID":"b1f0-77","Recipient":"ed@example.net","DeliveredAt":'
        b'"2025-10-09T11:02:00.1234567+02:00","Tag":"autumn","Metadata":{"campaign_id":"68e0c0ffee00000000000004",'
        b'"user_id":"u-1008"}}'
    )
    shared = {
        "time": "2025-10-09T11:02:00.1234567+02:00", "channel": "EMAIL", "campaign_id": "68e0c0ffee00000000000004",
        "user_id": "u-1008", "provider": "postmark", "message_id": "b1f0-77",
    }  # fmt: skip
    assert events(read("postmark", body)) == [
        {"event_id": "pm:b1f0-77:a38327bf:sent", "type": "sent", **shared},
        {"event_id": "pm:b1f0-77:a38327bf:delivered", "type": "delivered", **shared},
    ]


def test_twilio_sample() -> None:
    shared = {
        "time": 1760000500000, "channel": "SMS", "campaign_id": "68e0c0ffee00000000000003", "variation": "A",
        "locale": "en", "user_id": "u-1003", "provider": "twilio", "message_id": "SM0001",
    }  # fmt: skip
    assert events(read("twilio", TWILIO_BODY, query=TWILIO_QUERY)) == [
        {"event_id": "tw:SM0001:sent", "type": "sent", **shared},
        {"event_id": "tw:SM0001:delivered", "type": "delivered", **shared},
    ]


def test_whatsapp_sample() -> None:
    shared = {
        "time": "1760000300", "channel": "WHATSAPP", "campaign_id": "68e0c0ffee00000000000002", "variation": "B",
        "locale": "fr", "user_id": "u-1002", "provider": "whatsapp", "message_id": "wamid.TEST1",
    }  # fmt: skip
    assert events(read("whatsapp", META_BODY)) == [
        {"event_id": f"wa:wamid.TEST1:{kind}", "type": kind, **shared} for kind in ("sent", "delivered", "read")
    ]


STREAMS_BODY = (
    b'{"app_name":"Demo Shop","source":"MOENGAGE","moe_request_id":"rq-42","events":[{"event_name":'
    b'"Notification Received iOS","event_code":"NOTIFICATION_RECEIVED_MOE","event_uuid":"5d0c-1","event_time":'
    b'1760000410,"event_type":"CAMPAIGN_EVENT","event_source":"MOENGAGE","push_id":"tok-xyz","uid":"u-1002",'
    b'"event_attributes":{"campaign_id":"68e0c0ffee00000000000001","campaign_name":"Autumn","campaign_type":'
    b'"Event Trigger","campaign_channel":"Push","variation_id":2,"locale_name":"fr"},"user_attributes":'
    b'{"moengage_user_id":"68aa"},"device_attributes":{"moengage_device_id":"dv-7"}},{"event_name":"Purchase",'
    b'"event_code":"Purchase","event_uuid":"5d0c-2","event_time":1760000999,"event_type":"USER_ACTION_EVENT",'
    b'"event_source":"MOENGAGE","uid":"u-1002","event_attributes":{"order_value":49.9,"currency":"EUR"},'
    b'"user_attributes":{"moengage_user_id":"68aa"},"device_attributes":{}}]}'
)


def test_streams_sample() -> None:
    reading = read_streams(desk("moengage", hooked=False), STREAMS_BODY, Counter())
    assert [draft.event for draft in reading.drafts] == [
        {
            "event_id": "moe:5d0c-1", "type": "impression", "time": 1760000410,
            "campaign_id": "68e0c0ffee00000000000001", "campaign_name": "Autumn", "channel": "PUSH", "platform": "IOS",
            "locale": "fr", "variation": "variation_2", "user_id": "u-1002", "device_id": "dv-7",
            "provider": "moengage",
        },
        {
            "event_id": "moe:5d0c-2", "type": "custom", "name": "Purchase", "time": 1760000999, "user_id": "u-1002",
            "attributes": {"order_value": 49.9, "currency": "EUR"}, "provider": "moengage",
        },
    ]  # fmt: skip


def test_actions_of_the_track_event_api() -> None:
    body = (
        b'{"type":"event","customer_id":"u-1","actions":[{"action":"purchase","attributes":{"value":3},'
        b'"user_time":"1760000000","platform":"ANDROID"},{"action":"view","current_time":1760000001.5}]}'
    )
    place = desk("moengage_track", hooked=False)
    drafts = [draft.event for draft in read_track_event(place, body)]
    assert [event["time"] for event in drafts] == ["1760000000", 1760000001500]
    assert [event["name"] for event in drafts] == ["purchase", "view"]
    assert [draft.event for draft in read_track_event(place, body)] == drafts
    assert len({event["event_id"] for event in drafts}) == 2
