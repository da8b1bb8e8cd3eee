"""Hooks as operators manage them, and MoEngage's receivers, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from campanile.audit.service import AuditService
from tests.hooks.payloads import streams_event
from tests.hooks.reports import ADDRESS, AGENT, HOST, NUMBER, PROVIDERS, reported
from tests.hooks.served import APP_SECRET, PASSWORD, TOPIC, HookHouse, Poster, until
from tests.intake.served import TIME, authorization, click
from tests.intake.worlds import CAMPAIGN, rows

pytestmark = pytest.mark.slow


def test_the_life_of_a_hook(house: HookHouse) -> None:
    async def scenario(send: Poster) -> None:
        made = await send.manage("POST", "/v1/hooks", {"provider": "postmark", "name": "Letters"})
        assert made.status_code == 201
        hook = made.json()
        path = f"/v1/hooks/{hook['hook_id']}"
        assert hook["url"].startswith("https://stats.example.com/v1/hooks/postmark/")
        shown = (await send.manage("GET", path)).json()
        assert "secret" not in shown
        assert hook["secret"] not in json.dumps((await send.manage("GET", "/v1/hooks")).json())

        async def post(secret: str, url: str = hook["url"]) -> int:
            answer = await send.client.post(
                url.removeprefix("https://stats.example.com"), json=reported("postmark"),
                headers={"Authorization": authorization(f"hook:{secret}")},
            )  # fmt: skip
            return answer.status_code

        assert await post(hook["secret"]) == 200
        turned = (await send.manage("POST", f"{path}/rotate", {"address": True})).json()
        assert turned["secret"] != hook["secret"]
        assert turned["url"] != hook["url"]
        for secret in (hook["secret"], turned["secret"]):
            for url in (hook["url"], turned["url"]):
                assert await post(secret, url) == 200
        house.clock.advance(24 * 3600)
        assert await post(hook["secret"], turned["url"]) == 401
        assert await post(turned["secret"], hook["url"]) == 404
        assert await post(turned["secret"], turned["url"]) == 200
        await until(lambda: len(house.hooks.hooks.deliveries("w", hook["hook_id"], 100)) == 7)
        notes = (await send.manage("GET", f"{path}/deliveries?limit=2")).json()["deliveries"]
        assert [note["outcome"] for note in notes] in (["ok", "refused"], ["refused", "ok"])
        assert (await send.manage("DELETE", path)).status_code == 204
        assert (await send.manage("GET", path)).status_code == 404
        assert await post(turned["secret"], turned["url"]) == 404

    house.run(scenario)


def test_changes_are_in_the_audit_log(house: HookHouse) -> None:
    """With the key that made them, and without anything secret."""
    secrets = []

    async def scenario(send: Poster) -> None:
        made = (await send.manage("POST", "/v1/hooks", {"provider": "postmark", "name": "Letters"})).json()
        turned = (await send.manage("POST", f"/v1/hooks/{made['hook_id']}/rotate", {"address": True})).json()
        await send.manage("DELETE", f"/v1/hooks/{made['hook_id']}")
        secrets.extend([made["secret"], turned["secret"], made["url"].rpartition("/")[2]])

    house.run(scenario)
    entries = AuditService(house.metadata, house.clock).page("w")
    told = [entry for entry in entries if entry.action.startswith("hook.")]
    assert [(entry.action, entry.before, entry.after) for entry in told] == [
        ("hook.deleted", {"provider": "postmark", "name": "Letters"}, {}),
        ("hook.rotated", {}, {"name": "Letters", "secret": "new", "address": "new"}),
        ("hook.created", {}, {"provider": "postmark", "name": "Letters"}),
    ]
    assert {entry.actor.partition("_")[0] for entry in told} == {"key key"}
    assert not [secret for secret in secrets if secret in str(entries)]


def test_secrets_rest_encrypted(house: HookHouse) -> None:
    for provider in ("whatsapp", "postmark"):
        house.hook(provider)
    stored = b"".join(path.read_bytes() for path in house.settings.data_path.glob("metadata.db*"))
    assert APP_SECRET.encode() not in stored
    assert PASSWORD.encode() not in stored


WRONG_ORDERS: list[tuple[Any, str]] = [
    ({"provider": "pigeon"}, "provider"),
    ({"provider": "mailgun"}, "secret"),
    ({"provider": "sendgrid", "secret": "not a key"}, "secret"),
    ({"provider": "postmark", "secret": "short"}, "secret"),
    ({"provider": "ses"}, "topics"),
    ({"provider": "ses", "options": {"topics": ["*"]}}, "topics"),
    ({"provider": "ses", "secret": "x", "options": {"topics": [TOPIC]}}, "secret"),
    ({"provider": "postmark", "options": {"topics": [TOPIC]}}, "topics"),
    ({"provider": "postmark", "options": {"types": ["teleported"]}}, "types"),
    ({"provider": "postmark", "options": {"types": "delivered"}}, "options"),
    ({"provider": "postmark", "options": {"campaign_id": "x"}}, "campaign_id"),
    ({"provider": "postmark", "name": "x" * 257}, "name"),
    ({"provider": "postmark", "nmae": "x"}, "body"),
    ([], "body"),
]


def test_a_wrong_order_names_what_is_wrong(house: HookHouse) -> None:
    async def scenario(send: Poster) -> None:
        for order, attribute in WRONG_ORDERS:
            answer = await send.manage("POST", "/v1/hooks", order)
            assert (answer.status_code, answer.json()["error"]["attribute"]) == (400, attribute), answer.text

    house.run(scenario)


def test_hooks_belong_to_their_workspace_and_to_managers(house: HookHouse) -> None:
    made = house.hook("postmark")

    async def scenario(send: Poster) -> None:
        path = f"/v1/hooks/{made.hook.id}"
        for user, status in (("v:manage-key", 404), ("w:ingest-key", 403), ("w:report-key", 403)):
            assert (await send.manage("GET", path, user=user)).status_code == status
            assert (await send.manage("DELETE", path, user=user)).status_code == status

    house.run(scenario)


def test_a_trial_shows_what_would_happen_and_stores_nothing(house: HookHouse) -> None:
    hooks = [house.hook(provider) for provider in ("sendgrid", "ses", "mailgun", "postmark", "twilio", "whatsapp")]

    async def scenario(send: Poster) -> None:
        for made in hooks:
            trial = (await send.manage("POST", f"/v1/hooks/{made.hook.id}/test")).json()
            assert trial["events"]
            assert trial["problems"] == []
        path = f"/v1/hooks/{hooks[0].hook.id}/test"
        trial = (await send.manage("POST", path, reported("sendgrid", dimensions=False))).json()
        assert [problem["type"] for problem in trial["problems"]] == ["message_unknown"]
        wrong = await send.manage("POST", path, {"not": "a list"})
        assert (wrong.status_code, wrong.json()["error"]["type"]) == (400, "unreadable")

    house.run(scenario)
    assert rows(house.engine, "count()") == [(0,)]
    assert house.campaigns.get_many("w", [CAMPAIGN]) == {}


def test_a_hook_may_take_some_types_only_and_know_its_campaign(house: HookHouse) -> None:
    made = house.hook("sendgrid", types=["open"], campaign_id=CAMPAIGN)

    async def scenario(send: Poster) -> None:
        await send.deliver(made, reported("sendgrid", "delivered", dimensions=False))
        await send.deliver(made, reported("sendgrid", "open", dimensions=False))

    house.run(scenario)
    assert rows(house.engine, "type, campaign_id") == [("open", CAMPAIGN)]


def test_dropped_by_the_unsubscribe_list_may_count_twice(house: HookHouse) -> None:
    made = house.hook("sendgrid", dropped_unsubscribed="both")
    dropped = [{**reported("sendgrid", "dropped")[0], "reason": "Unsubscribed Address"}]

    async def scenario(send: Poster) -> None:
        for _ in range(2):
            await send.deliver(made, dropped)

    house.run(scenario)
    assert rows(house.engine, "type, reason") == [("failed", "b_u_c_removed"), ("unsubscribe", "")]


MACHINES = [
    ("open", "Mozilla/5.0", "203.0.113.9", True),
    ("open", "Mozilla/5.0 (Windows NT 10.0)", "203.0.113.9", False),
    ("open", "Mozilla/5.0 (Macintosh)", "17.58.0.1", True),
    ("click", "Mozilla/5.0 (Macintosh)", "17.58.0.1", False),
    ("click", "Barracuda Sentinel (EE)", "", True),
    ("click", "", "no address", False),
]


def test_machines_are_told_and_forgotten(house: HookHouse) -> None:
    made = house.hook("sendgrid")

    async def scenario(send: Poster) -> None:
        for number, (event, agent, address, machine) in enumerate(MACHINES):
            report = [{**reported("sendgrid", event, message=f"m-{number}")[0], "useragent": agent, "ip": address}]
            await send.deliver(made, report)
            native = click(f"native-{number}", type=event, user_agent=agent, ip_address=address)
            assert (await send.events(native)).json()["warnings"] == []
            found = rows(house.engine, f"if(endsWith(event_id, '-{event}'), message_id, event_id), machine")
            assert {("m-" + str(number), machine), (f"native-{number}", machine)} <= set(found)

    house.run(scenario)


def test_a_message_id_that_cannot_be_one_is_put_aside(house: HookHouse) -> None:
    made = house.hook("mailgun")

    async def scenario(send: Poster) -> None:
        for message in ("m\0", "m" * 257):
            answer = await send.deliver(made, reported("mailgun", dimensions=False, message=message))
            assert (answer.status_code, answer.json()["dead_lettered"]) == (200, 1)

    house.run(scenario)


# --- MoEngage


def test_a_batch_of_streams_never_fails_for_one_event(house: HookHouse) -> None:
    good = streams_event("MOE_EMAIL_CLICK", "EMAIL") | {"event_time": TIME}
    custom = streams_event("Purchase", "-") | {"event_time": TIME, "event_uuid": "c", "email_id": ADDRESS}
    custom["event_attributes"] |= {"order_value": 49.9, "email": ADDRESS, "mobile_number": NUMBER}
    unmappable = {"event_name": "Nameless"}

    async def scenario(send: Poster) -> None:
        body = json.dumps({"events": [good, good, custom, unmappable]}).encode()
        answer = await send.post("/v1/streams/moengage", body, content_type="application/json")
        found = answer.json()
        found.pop("request_id")
        assert found == {"status": "success", "accepted": 2, "duplicates": 1, "ignored": 0, "dead_lettered": 1}
        again = await send.post("/v1/streams/moengage", body, content_type="application/json")
        assert (again.json()["accepted"], again.json()["duplicates"]) == (0, 3)
        for wrong in (b"[]", b"{", b'{"events": {}}', b""):
            assert (await send.post("/v1/streams/moengage", wrong)).status_code == 400
        assert (await send.post("/v1/streams/moengage", body, user="w:report-key")).status_code == 403
        assert (await send.post("/v1/streams/moengage", body, user="w:wrong")).status_code == 401

    house.run(scenario)
    found = rows(house.engine, "type, name, campaign_id, user_id, attributes")
    assert found[0][:4] == ("click", "", CAMPAIGN, "u-1")
    assert found[1][:4] == ("custom", "Purchase", "", "u-1")
    assert json.loads(found[1][4])["order_value"] == 49.9
    assert "example.net" not in found[1][4]


def test_actions_are_stored_once_when_the_answer_arrives(house: HookHouse) -> None:
    action = {"action": "bought", "attributes": {"value": 3, "email": ADDRESS}, "user_time": TIME}
    body = {"type": "event", "customer_id": "u-1", "actions": [action]}

    async def scenario(send: Poster) -> None:
        for _ in range(2):
            answer = await send.post("/v1/event/w", json.dumps(body).encode(), content_type="application/json")
            assert (answer.status_code, answer.json()["status"]) == (200, "success")
        other = await send.post("/v1/event/v", json.dumps(body).encode(), content_type="application/json")
        assert (other.status_code, other.json()["error"]["type"]) == (409, "workspace_mismatch")
        for wrong, attribute in (
            ({**body, "type": "Event"}, "type"),
            ({**body, "customer_id": "guest"}, "customer_id"),
            ({**body, "actions": []}, "actions"),
            ({**body, "actions": [{"attributes": {}}]}, "actions.0.action"),
            ({**body, "actions": [{"action": "x", "user_time": 1}]}, "time"),
        ):
            answer = await send.post("/v1/event/w", json.dumps(wrong).encode(), content_type="application/json")
            assert (answer.status_code, answer.json()["error"]["attribute"]) == (400, attribute)
        large = json.dumps({**body, "pad": "x" * 128 * 1024}).encode()
        assert (await send.post("/v1/event/w", large, content_type="application/json")).status_code == 413

    house.run(scenario)
    assert rows(house.engine, "name, user_id, attributes") == [("bought", "u-1", '{"value":3}')]


# --- abuse


def test_strange_bodies_are_refused(house: HookHouse) -> None:
    hooks = [house.hook(provider).hook for provider in PROVIDERS]
    urls = [f"/v1/hooks/{hook.provider}/{hook.address}" for hook in hooks]
    strange = [
        b"", b"{", b"[" * 100_000, b'{"a":' * 2_000, b"\xff\xfe", b"NaN", b'{"timestamp": NaN}', b"null", b"7",
        b'{"signature": []}', b'{"signature": {"timestamp": {}, "token": 1e400}}', b"a=1&" * 1_000, b"\0" * 100,
    ]  # fmt: skip

    async def scenario(send: Poster) -> None:
        for url in urls:
            for body in strange:
                for media in ("application/json", "application/x-www-form-urlencoded"):
                    answer = await send.client.post(url, content=body, headers={"Content-Type": media})
                    assert 400 <= answer.status_code < 500, (body[:20], answer.text)
            declared = await send.client.post(url, content=b"x" * (5 * 1024 * 1024 + 1))
            assert declared.status_code == 413
            packed = await send.client.post(url, content=b"x", headers={"Content-Encoding": "gzip"})
            assert packed.status_code == 415

    house.run(scenario)
    assert rows(house.engine, "count()") == [(0,)]


def test_a_signed_delivery_that_is_nested_too_deeply_is_refused(house: HookHouse) -> None:
    made = house.hook("sendgrid")
    nested: Any = "x"
    for _ in range(70):
        nested = [nested]

    async def scenario(send: Poster) -> None:
        answer = await send.deliver(made, [{**reported("sendgrid")[0], "deep": nested}])
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "unreadable")

    house.run(scenario)
    assert rows(house.engine, "count()") == [(0,)]


def test_nothing_personal_is_found_again(house: HookHouse, embedded: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Every provider, with and without dimensions, with events that fail, wait and are spooled."""
    hooks = {provider: house.hook(provider) for provider in PROVIDERS}

    async def scenario(send: Poster) -> None:
        for provider, made in hooks.items():
            for dimensions in (True, False):
                content = reported(provider, dimensions=dimensions, message=f"{provider}-{dimensions}")
                await send.deliver(made, content)
        bad = {**reported("sendgrid", "bounce")[0], "reason": f"550 <{ADDRESS}> {HOST} +{NUMBER}", "timestamp": 1}
        await send.deliver(hooks["sendgrid"], [bad, {"event": ADDRESS}, {"event": "open", ADDRESS: NUMBER}])
        stream = streams_event("Purchase", "-") | {"event_time": TIME, "email_id": ADDRESS, "push_id": "push-token-1"}
        stream["event_attributes"] |= {"mobile_number": NUMBER, "note": f"call {ADDRESS}"}
        await send.post("/v1/streams/moengage", json.dumps({"events": [stream]}).encode())
        await until(lambda: bool(house.hooks.dead_letters("w")))

    house.run(scenario)
    stored = repr(rows(house.engine, "toString(tuple(*))"))  # the files of the store are compressed
    assert "sendgrid-True" in stored
    folders = (house.settings.data_path, embedded._folder)
    everything = [path for folder in folders for path in Path(folder).rglob("*") if path.is_file()]
    assert len(everything) > 10
    for path in everything:
        content = path.read_bytes()
        for secret in (ADDRESS, NUMBER, HOST, AGENT, "push-token-1"):
            assert secret.encode() not in content, (path, secret)
            assert secret not in stored
    for secret in (ADDRESS, NUMBER, HOST, AGENT):
        assert secret not in caplog.text
