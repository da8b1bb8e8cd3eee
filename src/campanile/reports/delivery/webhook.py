"""Posting signed messages to servers of customers (Standard Webhooks)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from standardwebhooks.webhooks import Webhook

from campanile import __version__
from campanile.net.addresses import AddressRefused, HostUnknown, Resolve, public_address, resolve

TIMEOUT = httpx.Timeout(20.0, connect=10.0)
"""Seconds for an answer, and to connect."""
_PORTS = {"http": 80, "https": 443}


class WebhookRefused(Exception):
    """It will never be taken: the address is not allowed, or the receiver wants no more of it."""


class WebhookFailed(Exception):
    """It may work later."""


class WebhookSender:
    """Posts messages. Blocks. Redirects are not followed, proxies of the environment are not used.

    Args:
        allow_private: whether addresses that are not public may be posted to.
        lookup: finds addresses.
        transport: for tests.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        lookup: Resolve = resolve,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._lookup = lookup
        self._http = httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False, transport=transport)

    def close(self) -> None:
        self._http.close()

    def post(self, url: str, message_id: str, content: Mapping[str, Any], secret: str, now: datetime) -> None:
        """Post a message; the same `message_id` names it at every attempt.

        Raises:
            WebhookRefused: never again. WebhookFailed: not now.
        """
        parts = urlsplit(url)
        host = parts.hostname
        if parts.scheme not in _PORTS or not host:
            raise WebhookRefused("the address is not one of a web server")
        try:
            port = parts.port or _PORTS[parts.scheme]
            address = public_address(host, port, allow_private=self._allow_private, lookup=self._lookup)
        except (AddressRefused, ValueError) as error:
            raise WebhookRefused(str(error)) from error
        except HostUnknown as error:
            raise WebhookFailed(f"{host} has no address") from error
        body = msgspec.json.encode(content)
        stamp = now.astimezone(UTC).replace(microsecond=0)
        headers = {
            "Host": parts.netloc.rpartition("@")[2],
            "Content-Type": "application/json",
            "User-Agent": f"campanile/{__version__}",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(stamp.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, stamp, body.decode()),
        }
        literal = f"[{address}]" if ":" in address else address
        target = parts._replace(netloc=f"{literal}:{port}", fragment="").geturl()
        try:
            with self._http.stream(
                "POST", target, content=body, headers=headers, extensions={"sni_hostname": host}
            ) as answer:
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise WebhookFailed(type(error).__name__) from error
        if status == httpx.codes.GONE:
            raise WebhookRefused("410: the receiver wants no more messages")
        if not 200 <= status < 300:
            raise WebhookFailed(f"answered with status {status}")
