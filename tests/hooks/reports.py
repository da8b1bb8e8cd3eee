"""Reports of every provider about one message, as they are posted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.intake.served import TIME
from tests.intake.worlds import CAMPAIGN

PROVIDERS = ["sendgrid", "ses", "mailgun", "postmark", "twilio", "whatsapp"]
QUERY = {"twilio": f"c={CAMPAIGN}&u=u-1"}
IMPLIED = {"postmark": ["sent"], "twilio": ["sent"], "whatsapp": ["sent"]}
CHANNEL = {"twilio": "SMS", "whatsapp": "WHATSAPP"}
REFUSED = {"sendgrid": 401, "ses": 403, "mailgun": 406, "postmark": 401, "twilio": 403, "whatsapp": 401}

ADDRESS, NUMBER, HOST, AGENT = "ada@example.net", "15551230001", "203.0.113.9", "Netscape/4.7"
"""What must never be found again."""


def reported(
    provider: str, kind: str = "delivered", *, dimensions: bool = True, message: str = "m-1", at: int = TIME
) -> Any:
    """A report about a message; `kind` in the provider's own words (Amazon and Postmark report deliveries only).

    `at` is when it happened, in seconds since 1970 (Twilio does not say).
    """
    own = {"cmp_campaign_id": CAMPAIGN, "cmp_user_id": "u-1"} if dimensions else {}
    return _MAKERS[provider](kind, message, own, at)


def _sendgrid(kind: str, message: str, own: dict[str, str], at: int) -> Any:
    event = {
        "event": kind, "email": ADDRESS, "timestamp": at, "sg_event_id": f"{message}-{kind}",
        "sg_message_id": f"{message}.recvd-1", "ip": HOST, "useragent": AGENT, **own,
    }  # fmt: skip
    return [event]


def _ses(kind: str, message: str, own: dict[str, str], at: int) -> Any:
    tags = {name.removeprefix("cmp_"): [value] for name, value in own.items()}
    mail = {"messageId": message, "timestamp": _iso(at), "destination": [ADDRESS], "tags": tags}
    return {"eventType": "Delivery", "mail": mail, "delivery": {"timestamp": _iso(at), "recipients": []}}


def _mailgun(kind: str, message: str, own: dict[str, str], at: int) -> Any:
    return {
        "event": kind, "id": f"{message}-{kind}", "timestamp": at, "recipient": ADDRESS, "ip": HOST,
        "client-info": {"user-agent": AGENT}, "message": {"headers": {"message-id": message}}, "user-variables": own,
    }  # fmt: skip


def _postmark(kind: str, message: str, own: dict[str, str], at: int) -> Any:
    return {
        "RecordType": "Delivery", "MessageID": message, "Recipient": ADDRESS, "DeliveredAt": _iso(at),
        "Metadata": {name.removeprefix("cmp_"): value for name, value in own.items()},
    }  # fmt: skip


def _twilio(kind: str, message: str, own: dict[str, str], at: int) -> Any:
    return {"MessageSid": message, "MessageStatus": kind, "To": f"+{NUMBER}", "From": "+15550000000"}


def _whatsapp(kind: str, message: str, own: dict[str, str], at: int) -> Any:
    status = {"id": message, "status": kind, "timestamp": str(at), "recipient_id": NUMBER}
    if own:
        status["biz_opaque_callback_data"] = f"cmp1|{CAMPAIGN}|||u-1"
    return posted({"metadata": {"phone_number_id": "2000"}, "statuses": [status]})


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def posted(value: dict[str, Any], field: str = "messages") -> dict[str, Any]:
    """A delivery of Meta."""
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": field, "value": value}]}],
    }


_MAKERS = {
    "sendgrid": _sendgrid, "ses": _ses, "mailgun": _mailgun, "postmark": _postmark, "twilio": _twilio,
    "whatsapp": _whatsapp,
}  # fmt: skip
