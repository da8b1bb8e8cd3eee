"""Deliveries over HTTP: acknowledged, refused, waiting, put aside, spooled (ingest specification 3.1)."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from campanile.errors import EngineUnavailable
from tests.hooks.reports import CHANNEL, IMPLIED, PROVIDERS, QUERY, REFUSED, reported
from tests.hooks.served import TOPIC, HookHouse, Poster, signed_delivery, sns_delivery, until
from tests.intake.served import TIME, click
from tests.intake.worlds import CAMPAIGN, rows, stored_ids

SOME_FAST = [
    pytest.param(provider, marks=[] if provider in ("sendgrid", "twilio") else [pytest.mark.slow])
    for provider in PROVIDERS
]
"""Two of the six where minutes count."""


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_delivery_is_stored_when_it_is_acknowledged_and_counts_once(house: HookHouse, provider: str) -> None:
    made = house.hook(provider)
    expected = [*IMPLIED.get(provider, []), "delivered"]

    async def scenario(send: Poster) -> None:
        for _ in range(3):
            answer = await send.deliver(made, reported(provider), query=QUERY.get(provider, ""))
            assert answer.status_code == (204 if provider == "twilio" else 200), answer.text
            found = rows(house.engine, "type, campaign_id, channel, user_id, message_id, provider")
            channel = CHANNEL.get(provider, "EMAIL")
            assert found == sorted((kind, CAMPAIGN, channel, "u-1", "m-1", provider) for kind in expected)

    house.run(scenario)
    assert house.campaigns.get_many("w", [CAMPAIGN])[CAMPAIGN].attempts == "implied"


@pytest.mark.parametrize("provider", SOME_FAST)
def test_a_forged_delivery_leaves_no_trace(house: HookHouse, provider: str) -> None:
    made = house.hook(provider)

    async def scenario(send: Poster) -> None:
        url = f"/v1/hooks/{provider}/{made.hook.address}" + (f"?{QUERY[provider]}" if provider in QUERY else "")
        body, headers = signed_delivery(provider, reported(provider), url, house.clock.now())
        bare = {"Content-Type": headers["Content-Type"]}
        if provider in ("ses", "mailgun"):
            envelope = json.loads(body)
            name = "Signature" if provider == "ses" else "signature"
            forged = json.dumps({**envelope, name: envelope[name][::-1] if provider == "ses" else {}}).encode()
            missing = json.dumps({key: value for key, value in envelope.items() if key != name}).encode()
            attempts = [(forged, headers), (missing, headers)]
        else:
            wrong = {key: value if key == "Content-Type" else value[:-3] + "xyz" for key, value in headers.items()}
            attempts = [(body, bare), (body, wrong), (body + b" ", headers)]
            if provider == "postmark":
                attempts.pop()  # its secret does not depend on the body
        for content, given in attempts:
            answer = await send.client.post(url, content=content, headers=given)
            assert answer.status_code in (REFUSED[provider], 400), answer.text
            assert "ada@example.net" not in answer.text
        other = await send.client.post(f"/v1/hooks/{provider}/{'a' * 26}", content=body, headers=headers)
        assert (other.status_code, other.json()["error"]["type"]) == (404, "unknown_hook")

    house.run(scenario)
    assert rows(house.engine, "count()") == [(0,)]
    assert house.campaigns.get_many("w", [CAMPAIGN]) == {}
    notes = house.hooks.hooks.deliveries("w", made.hook.id, 10)
    assert {note.outcome for note in notes} <= {"refused", "failed"}
    assert notes


@pytest.mark.parametrize("provider", SOME_FAST)
def test_a_report_without_dimensions_waits_for_its_message(house: HookHouse, provider: str) -> None:
    made = house.hook(provider)
    channel = CHANNEL.get(provider, "EMAIL")

    async def scenario(send: Poster) -> None:
        answer = await send.deliver(made, reported(provider, dimensions=False))
        assert answer.status_code < 300
        assert stored_ids(house.engine) == []
        native = click("native", type="sent", channel=channel, provider=provider, message_id="m-1", user_id="u-9")
        assert (await send.events(native)).status_code == 200
        await until(lambda: ("delivered", CAMPAIGN, "u-9") in rows(house.engine, "type, campaign_id, user_id"))
        # The implied send of the ladder and the native one are one message.
        assert rows(house.engine, "count()") == [(2,)]
        again = await send.deliver(made, reported(provider, dimensions=False))
        assert again.status_code < 300
        assert rows(house.engine, "count()") == [(2,)]

    house.run(scenario)


def test_what_waits_survives_a_restart_and_becomes_a_dead_letter(house: HookHouse) -> None:
    made = house.hook("sendgrid")

    async def waits(send: Poster) -> None:
        await send.deliver(made, reported("sendgrid", dimensions=False))
        await send.deliver(made, reported("sendgrid", dimensions=False, message="m-2"))

    async def found(send: Poster) -> None:
        await send.events(click("native", type="sent", provider="sendgrid", message_id="m-1"))
        await until(lambda: rows(house.engine, "count()") == [(2,)])

    async def given_up(send: Poster) -> None:
        await until(lambda: bool(house.hooks.dead_letters("w")))
        (letter,) = (await send.manage("GET", "/v1/dead-letters")).json()["dead_letters"]
        assert (letter["code"], letter["retriable"]) == ("message_unknown", True)
        assert "ada@" not in json.dumps(letter)
        await send.events(click("late", type="sent", provider="sendgrid", message_id="m-2"))
        retried = await send.manage("POST", "/v1/dead-letters/retry")
        assert retried.json() == {"accepted": 1, "duplicates": 0, "waiting": 0, "dead_lettered": 0}
        assert (await send.manage("GET", "/v1/dead-letters")).json() == {"dead_letters": []}

    house.run(waits)
    house.restart()
    house.run(found)
    house.clock.advance(8 * 86_400)
    house.restart()
    house.run(given_up)
    assert rows(house.engine, "count()") == [(4,)]


def test_while_the_store_is_down_deliveries_wait_on_disk(house: HookHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {provider: house.hook(provider) for provider in ("sendgrid", "ses", "mailgun", "postmark")}
    up = type(house.engine).append

    def down(*_: Any) -> None:
        raise EngineUnavailable("down")

    async def scenario(send: Poster) -> None:
        monkeypatch.setattr(type(house.engine), "append", down)
        assert (await send.events(click("native"))).status_code == 503
        for provider, hook in made.items():
            answer = await send.deliver(hook, reported(provider))
            assert answer.json() == {"status": "success", "durability": "spooled", "ignored": 0}, provider
        spooled = b"".join(path.read_bytes() for path in (house.settings.data_path / "spool").iterdir())
        assert spooled
        assert b"example.net" not in spooled
        assert b"u-1" not in spooled

    async def later(send: Poster) -> None:
        monkeypatch.setattr(type(house.engine), "append", up)
        await until(lambda: not list((house.settings.data_path / "spool").glob("*.parcel")))
        found = rows(house.engine, "provider, type")
        assert found == sorted([*((provider, "delivered") for provider in made), ("postmark", "sent")])

    house.run(scenario)
    house.restart()
    house.run(later)


def test_a_full_spool_says_so(house: HookHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    made = house.hook("sendgrid")
    monkeypatch.setattr(house.hooks._spool, "_limit", 100)

    def down(*_: Any) -> None:
        raise EngineUnavailable("down")

    monkeypatch.setattr(type(house.engine), "append", down)

    async def scenario(send: Poster) -> None:
        answer = await send.deliver(made, reported("sendgrid"))
        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "spool_full")
        assert int(answer.headers["retry-after"]) > 0

    house.run(scenario)


def test_bad_events_never_fail_a_delivery(house: HookHouse) -> None:
    made = house.hook("sendgrid")
    good = reported("sendgrid")[0]
    bad = [
        {"event": "open"}, 7, {**good, "sg_event_id": "x", "timestamp": 1},
        {**good, "sg_event_id": "y", "cmp_locale": "all_locales"},
    ]  # fmt: skip

    async def scenario(send: Poster) -> None:
        answer = await send.deliver(made, [*bad, good, {"event": "account_status_change"}])
        assert answer.json() == {
            "status": "success", "accepted": 1, "duplicates": 0, "ignored": 1, "waiting": 0, "dead_lettered": 4,
        }  # fmt: skip
        letters = (await send.manage("GET", "/v1/dead-letters")).json()["dead_letters"]
        assert sorted(letter["code"] for letter in letters) == [
            "missing_field", "missing_field", "reserved_value", "too_old",
        ]  # fmt: skip
        assert "ada@example.net" not in json.dumps(letters)
        assert "203.0.113.9" not in json.dumps(letters)

    house.run(scenario)


# --- Amazon SNS


def confirmation(house: HookHouse, **changes: Any) -> dict[str, Any]:
    return {
        "Type": "SubscriptionConfirmation", "MessageId": "c-1", "TopicArn": TOPIC, "Token": "t", "Message": "…",
        "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t",
        "Timestamp": house.clock.now().isoformat(), "SignatureVersion": "2",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/cert.pem", **changes,
    }  # fmt: skip


def test_a_topic_that_is_listed_is_confirmed(house: HookHouse) -> None:
    made = house.hook("ses")

    async def scenario(send: Poster) -> None:
        body, headers = sns_delivery(confirmation(house))
        answer = await send.client.post(f"/v1/hooks/ses/{made.hook.address}", content=body, headers=headers)
        assert answer.status_code == 200

    house.run(scenario)
    assert house.asked[-1].endswith("Token=t")


FORGERIES: list[dict[str, Any]] = [
    {"TopicArn": "arn:aws:sns:eu-west-1:999999999999:theirs"},
    {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.attacker.example/cert.pem"},
    {"SigningCertURL": "https://attacker.example/sns.eu-west-1.amazonaws.com/cert.pem"},
    {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/cert.pem"},
    {"SigningCertURL": "https://user@sns.eu-west-1.amazonaws.com/cert.pem"},
    {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com:8443/cert.pem"},
    {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/cert.exe"},
    {"SigningCertURL": "https://s3.amazonaws.com/cert.pem"},
    {"SignatureVersion": "1"},
    {"SignatureVersion": "3"},
    {"Timestamp": "2026-03-16T12:00:00Z"},
]


def test_a_forged_sns_message_is_refused_and_nobody_is_asked(house: HookHouse) -> None:
    made = house.hook("ses")

    async def scenario(send: Poster) -> None:
        for changes in FORGERIES:
            body, headers = sns_delivery(confirmation(house, **changes))
            answer = await send.client.post(f"/v1/hooks/ses/{made.hook.address}", content=body, headers=headers)
            assert answer.status_code == 403, changes

    house.run(scenario)
    assert set(house.asked) <= {"https://sns.eu-west-1.amazonaws.com/cert.pem"}


def test_a_subscribe_url_elsewhere_is_not_asked(house: HookHouse) -> None:
    made = house.hook("ses")

    async def scenario(send: Poster) -> None:
        for url in ("https://169.254.169.254/latest", "https://sns.eu-west-1.amazonaws.com@attacker.example/"):
            body, headers = sns_delivery(confirmation(house, SubscribeURL=url))
            answer = await send.client.post(f"/v1/hooks/ses/{made.hook.address}", content=body, headers=headers)
            assert answer.status_code == 200

    house.run(scenario)
    assert house.asked == ["https://sns.eu-west-1.amazonaws.com/cert.pem"]


# --- Meta


def test_meta_asks_before_it_posts(house: HookHouse) -> None:
    made = house.hook("whatsapp")
    path = f"/v1/hooks/whatsapp/{made.hook.address}"

    async def scenario(send: Poster) -> None:
        right = {"hub.mode": "subscribe", "hub.verify_token": made.verify_token, "hub.challenge": "1158201444"}
        answer = await send.client.get(path, params=right)
        assert (answer.status_code, answer.text) == (200, "1158201444")
        assert answer.headers["content-type"].startswith("text/plain")
        for wrong in ({"hub.verify_token": "guess"}, {"hub.mode": "unsubscribe"}):
            assert (await send.client.get(path, params={**right, **wrong})).status_code == 403
        assert (await send.client.get("/v1/hooks/whatsapp/" + "a" * 26, params=right)).status_code == 404

    house.run(scenario)


def test_statuses_in_any_order_are_one_of_each(house: HookHouse) -> None:
    made = house.hook("whatsapp")
    orders = list(permutations(["sent", "delivered", "read"]))

    async def scenario(send: Poster) -> None:
        for number, order in enumerate(orders):
            for kind in order:
                await send.deliver(made, reported("whatsapp", kind, message=f"m-{number}"))

    house.run(scenario)
    found = rows(house.engine, "message_id, type")
    assert found == [(f"m-{number}", kind) for number in range(6) for kind in ("delivered", "read", "sent")]


def test_a_tap_belongs_to_the_message_it_answers(house: HookHouse) -> None:
    made = house.hook("whatsapp")
    message = {"id": "wamid.IN", "type": "button", "timestamp": str(TIME), "from": "15551230001",
               "context": {"id": "m-1"}, "button": {"payload": "YES"}}  # fmt: skip
    value = {"metadata": {"phone_number_id": "2000"}, "messages": [message]}
    tap = {"object": "o", "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}

    async def scenario(send: Poster) -> None:
        await send.deliver(made, reported("whatsapp"))
        await send.deliver(made, tap)

    house.run(scenario)
    assert ("click", CAMPAIGN, "u-1", "YES") in rows(house.engine, "type, campaign_id, user_id, link_id")


def test_an_opt_out_is_blamed_on_the_last_message(house: HookHouse) -> None:
    made = house.hook("twilio")

    async def scenario(send: Poster) -> None:
        stop = {"OptOutType": "STOP", "From": "+15551230001", "To": "+15550000000"}
        await send.deliver(made, {"MessageSid": "IN0", **stop})
        await send.deliver(made, reported("twilio", "sent"), query=f"c={CAMPAIGN}")
        house.clock.advance(60)
        await send.deliver(made, {"MessageSid": "IN1", **stop})

    house.run(scenario)
    found = rows(house.engine, "type, name, campaign_id")
    assert found == [("custom", "sms_opt_out", ""), ("sent", "", CAMPAIGN), ("unsubscribe", "", CAMPAIGN)]


def test_two_hooks_of_mailgun_report_one_event_once(house: HookHouse) -> None:
    account, domain = house.hook("mailgun"), house.hook("mailgun")

    async def scenario(send: Poster) -> None:
        await send.deliver(account, reported("mailgun"))
        house.clock.advance(1)  # another token
        await send.deliver(domain, reported("mailgun"))

    house.run(scenario)
    assert rows(house.engine, "count()") == [(1,)]


@pytest.mark.parametrize("first", ["native", "webhook"])
def test_a_send_that_is_reported_twice_counts_once(house: HookHouse, first: str) -> None:
    made = house.hook("sendgrid")
    native = click("own", type="sent", provider="sendgrid", message_id="m-1", user_id="u-1")

    async def scenario(send: Poster) -> None:
        if first == "native":
            await send.events(native)
        await send.deliver(made, reported("sendgrid", "processed"))
        if first == "webhook":
            await send.events(native)

    house.run(scenario)
    assert rows(house.engine, "type") == [("sent",)]
