"""What a provider is to the rest: one small module behind this protocol, plus rows in the mapping table."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from campanile.hooks.drafts import Desk
from campanile.hooks.schemas import Hook, Incoming, Reading

CLOCK_AHEAD = timedelta(minutes=10)
"""How far a provider's clock may be ahead of ours."""


class BadSignature(Exception):
    """The delivery does not come from the provider, or cannot be shown to. Carries the reason for the operator."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Unconfirmed(BadSignature):
    """Genuine, but from a sender that the hook does not list."""


class Certificates(Protocol):
    """Public keys that providers publish."""

    def verify(self, url: str, signature: bytes, text: bytes, *, sha1: bool, now: datetime) -> bool:
        """Whether the owner of the certificate at `url` signed `text`.

        Raises:
            CertificateUnavailable: it cannot be fetched now.
        """
        ...


class Tokens(Protocol):
    """Remembers one-time tokens."""

    def claim(self, hook: Hook, token: str, body: bytes) -> bool:
        """Bind a token to a body for a day; False if another body has it."""
        ...


class Tools(NamedTuple):
    """What verifying may need beyond the delivery itself."""

    base_url: str
    """Public address of this server, as configured: what callers say in `Host` proves nothing."""
    certificates: Certificates
    tokens: Tokens


class Provider(Protocol):
    """One provider. Instances have no state."""

    name: str
    """As in the URL and in the mapping table."""
    label: str
    refused: Literal[401, 403, 406]
    """Answer to a delivery that cannot be trusted."""
    accepted: Literal[200, 204]
    """Answer to a delivery that was taken."""
    origin: Literal["given", "made", "none"]
    """Whether the provider makes the secret, or we do."""
    key_help: str
    """Where it comes from, or where it goes."""
    place: str
    """Where its URL goes at the provider: a sentence for the one who has to enter it."""
    options: frozenset[str]
    """Members of `HookOptions` beyond `types` and `campaign_id` that mean something here."""

    def check_secret(self, secret: str) -> bool:
        """Whether a given secret can be one."""
        ...

    def verify(self, hook: Hook, incoming: Incoming, tools: Tools) -> None:
        """
        Raises:
            BadSignature: it is not from the provider. Unreadable: not even that can be told.
        """
        ...

    def read(self, desk: Desk, incoming: Incoming) -> Reading:
        """What a verified delivery says.

        Raises:
            Unreadable: it is not of the provider's form.
        """
        ...

    def sample(self, now: datetime) -> tuple[str, str, bytes]:
        """A delivery as the provider would send it now: query, media type, body. For trying out, unsigned."""
        ...


class SharedSecret:
    """What providers have in common that sign with a secret of the customer's account."""

    origin: Literal["given", "made", "none"] = "given"

    def check_secret(self, secret: str) -> bool:
        return bool(secret.strip())


def given_signature(incoming: Incoming, header: str) -> str:
    """
    Raises:
        BadSignature: there is none.
    """
    signature = incoming.headers.get(header, "")
    if not signature:
        raise BadSignature("missing_signature")
    return signature


def demand(given: str, expected: Sequence[str]) -> None:
    """
    Raises:
        BadSignature: `given` is none of the expected texts.
    """
    if not matches(given, expected):
        raise BadSignature("bad_signature")


def matches(given: str, expected: Sequence[str]) -> bool:
    """Whether `given` is one of the expected texts; takes as long for a wrong one as for a right one."""
    found = False
    for one in expected:
        found |= hmac.compare_digest(given.encode("utf-8", "surrogatepass"), one.encode())
    return found


def in_window(stamp: str, now: datetime, back: timedelta) -> bool:
    """Whether epoch seconds lie within what the provider's own retries explain."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        return False
    age = now.timestamp() - int(stamp)
    return -CLOCK_AHEAD.total_seconds() <= age <= back.total_seconds()
