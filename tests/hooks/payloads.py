"""A payload for every row of the mapping table."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

CAMPAIGN = "68e0c0ffee00000000000001"
_EVENT = re.compile(r"([^\[]+)(?:\[([^\]]*)\])?")


def taken_apart(text: str) -> tuple[str, dict[str, str]]:
    """`bounce[type=blocked]` → the name, and values that fulfil its conditions."""
    found = _EVENT.fullmatch(text)
    assert found is not None, text
    conditions = {}
    for condition in filter(None, (found[2] or "").split(",")):
        key, equals, value = condition.partition("=")
        conditions[key] = (
            re.sub(r"(?<=\d)x+", lambda match: "5" * len(match[0]), value).replace("*", "7") if equals else "some"
        )
    return found[1], conditions


def payload(provider: str, event: str) -> tuple[bytes, str]:
    """Body and query of a delivery that holds this one event."""
    name, values = taken_apart(event)
    content = _MAKERS[provider](name.replace("*", "something_else"), values)
    if provider == "twilio":
        return urlencode(content).encode(), f"c={CAMPAIGN}&u=u-1"
    return json.dumps(content).encode(), ""


def _sendgrid(name: str, values: dict[str, str]) -> Any:
    event: dict[str, Any] = {
        "event": name, "email": "ada@example.net", "timestamp": 1760000123, "sg_event_id": "e", "sg_message_id": "m.x",
        "cmp_campaign_id": CAMPAIGN, "cmp_user_id": "u-1", **values,
    }  # fmt: skip
    if "sg_machine_open" in values:
        event["sg_machine_open"] = True
    return [event]


def _ses(name: str, values: dict[str, str]) -> Any:
    particulars: dict[str, Any] = {"timestamp": "2025-10-09T09:00:58.400Z", **values}
    if name == "Subscription":
        particulars["newTopicPreferences"] = {"unsubscribeAll": True}
    keys = {"DeliveryDelay": "deliveryDelay", "Rendering Failure": "failure"}
    event = {
        "eventType": name,
        "mail": {
            "messageId": "m", "timestamp": "2025-10-09T09:00:00.000Z", "destination": ["ada@example.net"],
            "tags": {"campaign_id": [CAMPAIGN], "user_id": ["u-1"]},
        },
        keys.get(name, name.lower()): particulars,
    }  # fmt: skip
    return {"Type": "Notification", "MessageId": "n", "Message": json.dumps(event)}


def _mailgun(name: str, values: dict[str, str]) -> Any:
    event: dict[str, Any] = {
        "event": name, "id": "e", "timestamp": 1760000498.25, "recipient": "ada@example.net",
        "message": {"headers": {"message-id": "m"}},
        "user-variables": {"cmp_campaign_id": CAMPAIGN, "cmp_user_id": "u-1"},
        **{key: values[key] for key in ("severity", "reason") if key in values},
    }  # fmt: skip
    if "code" in values:
        event["delivery-status"] = {"code": int(values["code"])}
    if "client-info.bot" in values:
        event["client-info"] = {"bot": "apple"}
    return {"signature": {}, "event-data": event}


def _postmark(name: str, values: dict[str, str]) -> Any:
    event: dict[str, Any] = {
        "RecordType": name, "MessageID": "m", "Recipient": "ada@example.net", "ID": 42,
        **dict.fromkeys(("DeliveredAt", "ReceivedAt", "BouncedAt", "ChangedAt"), "2025-10-09T11:02:00.1234567+02:00"),
        "Metadata": {"campaign_id": CAMPAIGN, "user_id": "u-1"}, **values,
    }  # fmt: skip
    if "SuppressSending" in values:
        event["SuppressSending"] = values["SuppressSending"] == "true"
    if name == "Bounce" and "Type" not in values:
        event["Type"] = "SomethingNew"
    return event


def _twilio(name: str, values: dict[str, str]) -> Any:
    person = {"From": "+15551230001"} if name == "inbound" else {"To": "+15551230001"}
    status = {} if name == "inbound" else {"MessageStatus": name}
    return {"MessageSid": "SM1", **person, **status, **values}


def _whatsapp(name: str, values: dict[str, str]) -> Any:
    kind, _, word = name.partition(".")
    value: dict[str, Any] = {"metadata": {"phone_number_id": "2000"}}
    field = "messages"
    if kind == "statuses":
        status: dict[str, Any] = {
            "id": "wamid.1", "status": word, "timestamp": "1760000300", "recipient_id": "15551230001",
            "biz_opaque_callback_data": f"cmp1|{CAMPAIGN}|||u-1",
        }  # fmt: skip
        if "code" in values:
            status["errors"] = [{"code": int(values["code"]), "title": "why"}]
        value["statuses"] = [status]
    elif kind == "messages":
        message: dict[str, Any] = {"id": "wamid.2", "type": word, "timestamp": "1760000300", "from": "15551230001"}
        if "context.id" in values:
            message["context"] = {"id": "wamid.1"}
        value["messages"] = [message]
    elif kind == "user_preferences":
        field = kind
        value[kind] = [{"wa_id": "15551230001", "timestamp": "1760000300", **values}]
    else:
        field = kind
    return {"object": "o", "entry": [{"id": "1", "changes": [{"field": field, "value": value}]}]}


def streams_event(event: str, channel: str) -> dict[str, Any]:
    """An event of Streams. `channel` goes into its attributes where the table wants it from there."""
    by_name = event.startswith("name:")
    name, values = taken_apart(event.removeprefix("name:"))
    attributes: dict[str, Any] = {"campaign_id": CAMPAIGN}
    if channel == "event":
        attributes["campaign_channel"] = "Push"
    for key, value in values.items():
        if key != "name":
            attributes[{"control_group_type": "Control Group type"}.get(key, key.capitalize())] = value
    if "campaign_channel" in values:
        attributes["campaign_channel"] = attributes.pop("Campaign_channel")
    code = "" if by_name else name.replace("*", "SomethingElse")
    shown = name if by_name else values.get("name", "Edited by somebody")
    return {
        "event_name": shown, "event_code": code, "event_uuid": "e", "event_time": 1760000410, "uid": "u-1",
        "event_attributes": attributes,
    }  # fmt: skip


_MAKERS = {
    "sendgrid": _sendgrid, "ses": _ses, "mailgun": _mailgun, "postmark": _postmark, "twilio": _twilio,
    "whatsapp": _whatsapp,
}  # fmt: skip
