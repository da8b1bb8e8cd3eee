"""Settings > Webhooks over HTTP: the same hooks as the API's, for the same people."""

from __future__ import annotations

import re
from typing import Any

import pytest

from campanile.hooks.providers import PROVIDERS
from tests.conftest import NOW
from tests.dashboard.site import Site
from tests.dashboard.test_campaigns import document
from tests.hooks.served import SECRETS, TOPIC
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

CAMPAIGN = "0" * 22 + "d1"


def base(site: Site) -> str:
    return f"/w/{site.id}/settings/webhooks"


def made(site: Site, provider: str = "postmark", **fields: str) -> tuple[str, str]:
    """Id and page of a hook made through the form."""
    before = {hook.id for hook in site.services.hooks.hooks.list(site.id)}
    answer = site.admin.post(f"{base(site)}/new/{provider}", fields)
    assert answer.status_code == 200, answer.text
    (new,) = {hook.id for hook in site.services.hooks.hooks.list(site.id)} - before
    return new, answer.text


def secret_in(text: str) -> str:
    found = re.search(r'data-copy="([\w-]{32})"', text)
    assert found
    return found.group(1)


def report(site: Site, hook_id: str, secret: str, *, message: str = "m-1", campaign: str = CAMPAIGN) -> Any:
    """What Postmark posts."""
    hook = site.services.hooks.hooks.get(site.id, hook_id)
    body = {
        "RecordType": "Delivery", "MessageID": message, "Recipient": "ada@example.net", "DeliveredAt": NOW.isoformat(),
        "Metadata": {"campaign_id": campaign, "user_id": "u-1"},
    }  # fmt: skip
    path = f"/v1/hooks/postmark/{hook.address}"
    return site.server.client.post(path, json=body, headers={"X-Campanile-Secret": secret})


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_can_be_connected(site: Site, provider: str) -> None:
    page = site.admin.get(f"{base(site)}/new/{provider}").text
    fields = {"name": f"<i>{provider}</i>"}
    if provider == "ses":
        fields["topics"] = f"{TOPIC}\n{TOPIC}-2\n"
    secret = SECRETS[provider]
    if secret is not None and provider != "postmark":
        fields["secret"] = secret
        assert 'name="secret"' in page
    hook_id, text = made(site, provider, **fields)
    hook = site.services.hooks.hooks.get(site.id, hook_id)
    assert hook.name == f"<i>{provider}</i>"
    assert f"{site.services.settings.resolved_base_url}/v1/hooks/{provider}/{hook.address}" in text
    assert hook.options.topics == ((TOPIC, f"{TOPIC}-2") if provider == "ses" else ())
    if secret is not None and provider != "postmark":
        assert secret not in text
    assert f"&lt;i&gt;{provider}&lt;/i&gt;" in site.viewer.get(base(site)).text


def test_secrets_are_shown_once(site: Site) -> None:
    hook_id, text = made(site)
    secret = secret_in(text)
    token = secret_in(made(site, "whatsapp", secret="meta-app-secret")[1])
    for path in (base(site), f"{base(site)}/{hook_id}", f"/w/{site.id}/settings/audit"):
        shown = site.admin.get(path).text
        assert secret not in shown
        assert token not in shown
    assert report(site, hook_id, secret).status_code == 200


def test_options_and_what_is_wrong_with_them(site: Site) -> None:
    hook_id, _ = made(site, "sendgrid", secret=SECRETS["sendgrid"] or "", dropped_unsubscribed="both", types="click")
    options = site.services.hooks.hooks.get(site.id, hook_id).options
    assert (options.dropped_unsubscribed, options.types) == ("both", ("click",))
    page = site.viewer.get(f"{base(site)}/{hook_id}").text
    assert "Dropped, was unsubscribed" in page
    for provider, fields, field in (
        ("mailgun", {}, "secret"),
        ("sendgrid", {"secret": "no key"}, "secret"),
        ("ses", {}, "topics"),
        ("ses", {"topics": "arn:aws:s3:::bucket"}, "topics"),
        ("postmark", {"campaign_id": "summer"}, "campaign_id"),
        ("postmark", {"types": "opened?"}, "types"),
        ("postmark", {"name": "x" * 300}, "name"),
    ):
        refused = site.admin.post(f"{base(site)}/new/{provider}", fields)
        assert refused.status_code == 422, fields
        assert f'href="#f-{field}"' in refused.text
        assert "no key" not in refused.text
    assert site.admin.get(f"{base(site)}/new/carrier-pigeon").status_code == 404


def test_what_arrived_and_what_went_wrong(site: Site) -> None:
    hook_id, text = made(site, name="Letters")
    secret = secret_in(text)
    path = f"{base(site)}/{hook_id}"
    assert "Nothing has arrived yet" in site.viewer.get(path).text
    assert report(site, hook_id, secret).status_code == 200
    assert report(site, hook_id, "wrong").status_code == 401
    wait_until(
        lambda: len(site.services.hooks.hooks.deliveries(site.id, hook_id, 9)) == 2,
        what="the list of deliveries",
    )
    page = site.viewer.get(path).text
    assert "taken" in page
    assert "bad_signature" in page
    assert "The secret here is not the one at the provider" in page
    assert "/v1/hooks/postmark/" not in page
    assert "/v1/hooks/postmark/" in site.admin.get(path).text


def test_the_test_call_stores_nothing(site: Site) -> None:
    hook_id, _ = made(site)
    before = site.services.intake.status(_workspace(site)).accepted
    page = site.admin.post(f"{base(site)}/{hook_id}/test").text
    assert "What the test call would do" in page
    assert "delivered" in page
    assert site.services.intake.status(_workspace(site)).accepted == before


def test_dead_letters_are_tried_again(site: Site) -> None:
    hook_id, text = made(site, name="Old <b>letters</b>")
    secret = secret_in(text)
    unknown = "0" * 22 + "d9"
    site.services.workspaces.update_settings(site.id, {"auto_register_campaigns": "false"})
    assert report(site, hook_id, secret, message="m-dead", campaign=unknown).json()["dead_lettered"] == 2
    page = site.viewer.get(f"{base(site)}/dead-letters").text
    assert "unknown_campaign" in page
    assert "Old &lt;b&gt;letters&lt;/b&gt;" in page
    assert unknown in page
    assert "Try again" not in page
    assert "2 events of webhooks could not be stored" in site.viewer.get(f"/w/{site.id}/settings/health").text
    letters = site.services.hooks.dead_letters(site.id)
    again = site.admin.post(f"{base(site)}/dead-letters/retry", {"id": letters[0].id})
    assert again.status_code == 303
    assert "1 still cannot be stored" in site.admin.get(f"{base(site)}/dead-letters").text
    site.server.import_campaigns(site.owner, [document(unknown, "EMAIL", "Summer")])
    assert site.admin.post(f"{base(site)}/dead-letters/retry").status_code == 303
    assert site.services.hooks.dead_letters(site.id) == []
    assert "2 stored" in site.admin.get(f"{base(site)}/dead-letters").text
    entry = site.services.audit.page(site.id)[0]
    assert (entry.action, entry.actor) == ("dead_letters.retried", "admin@example.com")
    assert entry.after == {"accepted": 2, "waiting": 0, "dead again": 0}


def test_rotation(site: Site) -> None:
    hook_id, text = made(site)
    path = f"{base(site)}/{hook_id}/rotate"
    assert "24 hours" in site.admin.get(path).text
    before = site.services.hooks.hooks.get(site.id, hook_id)
    turned = site.admin.post(path, {"address": "true"})
    assert secret_in(turned.text) != secret_in(text)
    after = site.services.hooks.hooks.get(site.id, hook_id)
    assert after.address != before.address
    assert report(site, hook_id, secret_in(text)).status_code == 200
    assert "works until" in site.viewer.get(f"{base(site)}/{hook_id}").text
    given, _ = made(site, "mailgun", secret="first-signing-key")
    assert site.admin.post(f"{base(site)}/{given}/rotate").status_code == 422


def test_deleting_is_asked_for_and_remembered(site: Site) -> None:
    hook_id, text = made(site, name="Gone")
    path = f"{base(site)}/{hook_id}/delete"
    assert "Delete for good" in site.admin.get(path).text
    assert site.admin.post(path).status_code == 303
    assert site.admin.get(f"{base(site)}/{hook_id}").status_code == 404
    assert site.admin.post(path).status_code == 404
    entries = [entry for entry in site.services.audit.page(site.id) if entry.subject == hook_id]
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("hook.deleted", "admin@example.com"),
        ("hook.created", "admin@example.com"),
    ]
    assert entries[0].before == {"provider": "postmark", "name": "Gone"}
    assert secret_in(text) not in str(entries)


def test_hooks_of_others_are_out_of_reach(site: Site) -> None:
    theirs = site.services.hooks.hooks.create("WOTHER", "postmark").hook.id
    for path in ("", "/rotate", "/delete"):
        assert site.admin.get(f"{base(site)}/{theirs}{path}").status_code == 404
    for path in ("/test", "/rotate", "/delete"):
        assert site.admin.post(f"{base(site)}/{theirs}{path}").status_code == 404
    assert [hook.id for hook in site.services.hooks.hooks.list("WOTHER")] == [theirs]


def _workspace(site: Site) -> Any:
    found = site.services.workspaces.get(site.id)
    assert found is not None
    return found
