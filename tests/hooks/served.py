"""The receivers behind HTTP, over a real store and a real metadata database, in this process."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import urlencode

import anyio
import httpx
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from litestar import Litestar
from litestar.di import Provide

from campanile.hooks.providers.sns import signed_text
from campanile.hooks.routes import hook_routes
from campanile.hooks.schemas import MadeHook
from campanile.hooks.service import HookService
from campanile.http.errors import ErrorRenderer
from campanile.http.middleware import wrap
from campanile.intake.routes import intake_routes
from campanile.net.fetch import FetchRefused
from campanile.workspaces.secrets import MasterKey
from tests.http.apps import FixedIds, client_of
from tests.intake.served import Sender, Served, authorization

BASE_URL = "https://stats.example.com"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:ses-events"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/cert.pem"
SIGNING_KEY = "mg-signing-key-for-tests"
AUTH_TOKEN = "twilio-auth-token-for-tests"
APP_SECRET = "meta-app-secret-for-tests"
PASSWORD = "postmark-secret-for-tests"

_EC = ec.generate_private_key(ec.SECP256R1())
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sendgrid_key() -> str:
    der = _EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def certificate(now: datetime, *, name: str = "sns.amazonaws.com", days: int = 335) -> bytes:
    """A certificate of the key that signs in these tests."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(_RSA.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=30))
    return builder.not_valid_after(now + timedelta(days=days)).sign(_RSA, SHA256()).public_bytes(Encoding.PEM)


SECRETS: dict[str, str | None] = {
    "sendgrid": sendgrid_key(), "ses": None, "mailgun": SIGNING_KEY, "postmark": PASSWORD, "twilio": AUTH_TOKEN,
    "whatsapp": APP_SECRET,
}  # fmt: skip


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the background work: it looks more than twice a second."""
    for _ in range(500):
        if condition():
            return
        await anyio.sleep(0.02)
    raise AssertionError("it never happened")


class HookHouse(Served):
    """The application with intake and receivers. What it asks others for goes to `fetch`."""

    def restart(self) -> None:
        """A new process over the same data."""
        self.settings = msgspec.structs.replace(self.settings, base_url=BASE_URL)
        self.asked: list[str] = []
        super().restart()
        self.hooks = HookService(
            self.engine, self.metadata, self.workspaces, self.intake, MasterKey("k" * 32), self.settings, self.clock,
            fetch=self.fetch,
        )  # fmt: skip

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url == CERTIFICATE:
            return certificate(self.clock.now())
        if url.startswith("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"):
            return b"<ok/>"
        raise FetchRefused(url)

    def hook(self, provider: str, *, workspace: str = "w", **options: Any) -> MadeHook:
        if provider == "ses":
            options.setdefault("topics", [TOPIC])
        return self.hooks.hooks.create(workspace, provider, secret=SECRETS[provider], options=options)

    def run(self, scenario: Callable[[Any], Awaitable[None]]) -> None:
        """Start, let the scenario post what it wants, stop."""

        async def run() -> None:
            await self.intake.start()
            await self.hooks.start()
            async with client_of(self.app()) as client:
                await scenario(Poster(client, self))
            await self.hooks.close()
            await self.intake.close()

        asyncio.run(run())

    def app(self) -> Litestar:
        ids = FixedIds()
        app = Litestar(
            [*intake_routes(), *hook_routes()],
            dependencies={"services": Provide(lambda: self, sync_to_thread=False)},
            exception_handlers={Exception: ErrorRenderer(ids=ids)},
            openapi_config=None,
            logging_config=None,
        )
        return wrap(app, ids=ids)


class Poster(Sender):
    """Posts what providers post, signed as they sign."""

    def __init__(self, client: httpx.AsyncClient, house: HookHouse) -> None:
        super().__init__(client)
        self.house = house

    async def deliver(
        self, made: MadeHook, content: Any, *, query: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """A signed delivery; `content` is of the provider's form (for Twilio: form fields)."""
        hook = made.hook
        url = f"/v1/hooks/{hook.provider}/{hook.address}" + (f"?{query}" if query else "")
        body, signed = signed_delivery(hook.provider, content, url, self.house.clock.now())
        return await self.client.post(url, content=body, headers={**signed, **(headers or {})})

    async def manage(self, method: str, path: str, content: Any = None, user: str = "w:manage-key") -> httpx.Response:
        return await self.client.request(method, path, json=content, headers={"Authorization": authorization(user)})


def signed_delivery(provider: str, content: Any, url: str, now: datetime) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a delivery at this moment."""
    stamp = str(int(now.timestamp()))
    body = json.dumps(content).encode()
    media = {"Content-Type": "application/json"}
    match provider:
        case "sendgrid":
            signature = _EC.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
            return body, {
                **media,
                "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
                "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
            }
        case "ses":
            return sns_delivery({
                "Type": "Notification", "MessageId": sha256(body).hexdigest()[:16], "TopicArn": TOPIC,
                "Timestamp": now.isoformat(), "SignatureVersion": "2", "SigningCertURL": CERTIFICATE,
                "Message": body.decode(),
            })  # fmt: skip
        case "mailgun":
            token = sha256(body + stamp.encode()).hexdigest()[:50]
            signature = hmac.digest(SIGNING_KEY.encode(), (stamp + token).encode(), sha256).hex()
            signed = {"signature": {"timestamp": stamp, "token": token, "signature": signature}, "event-data": content}
            return json.dumps(signed).encode(), media
        case "postmark":
            return body, {**media, "X-Campanile-Secret": PASSWORD}
        case "twilio":
            text = BASE_URL + url + "".join(f"{name}{value}" for name, value in sorted(content.items()))
            signature = hmac.digest(AUTH_TOKEN.encode(), text.encode(), sha1)
            return urlencode(content).encode(), {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": base64.b64encode(signature).decode(),
            }
        case "whatsapp":
            digest = hmac.digest(APP_SECRET.encode(), body, sha256).hex()
            return body, {**media, "X-Hub-Signature-256": f"sha256={digest}"}
    raise AssertionError(provider)


def sns_delivery(envelope: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """An envelope as SNS posts it, signed."""
    text = signed_text(envelope)
    assert text is not None
    signature = _RSA.sign(text, padding.PKCS1v15(), SHA256())
    envelope = {"Signature": base64.b64encode(signature).decode(), **envelope}
    return json.dumps(envelope).encode(), {
        "Content-Type": "text/plain; charset=UTF-8",
        "x-amz-sns-message-type": envelope["Type"],
    }
