"""Amazon SNS: what is signed, and whose certificates are trusted (ingest specification 3.3)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from campanile.errors import Unavailable
from campanile.net.fetch import FetchFailed, FetchRefused

CONFIRMATIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
KEPT_CERTIFICATES = 32
"""Certificates remembered; Amazon has one per region and changes it about once a year."""

Fetch = Callable[[str], bytes]

_HOST = re.compile(r"sns\.[a-z0-9-]{3,40}\.amazonaws\.com(?:\.cn)?")
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def is_aws_url(url: str, *, suffix: str = "") -> bool:
    """Whether a URL belongs to SNS itself: https, an SNS host of Amazon, the usual port, nothing in front of it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    return (
        plain
        and parts.scheme == "https"
        and _HOST.fullmatch(parts.hostname or "") is not None
        and parts.username is None
        and parts.password is None
        and port in (None, 443)
        and not parts.fragment
        and parts.path.endswith(suffix)
    )


def signed_text(envelope: Mapping[str, Any]) -> bytes | None:
    """What the signature of an envelope covers; None if a member of it is missing."""
    kind = envelope.get("Type")
    keys = _CONFIRMATION if kind in CONFIRMATIONS else _NOTIFICATION
    parts: list[str] = []
    for key in keys:
        value = envelope.get(key)
        if value is None and key == "Subject":
            continue
        if not isinstance(value, str):
            return None
        parts += [key, value]
    return "".join(f"{part}\n" for part in parts).encode()


class SnsCertificates:
    """Certificates of SNS. Thread-safe.

    They are trusted because the host that serves them is Amazon's: its TLS certificate is checked against the
    authorities of this machine. The certificate itself must be valid now and made out to that service.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[str, x509.Certificate] = {}
        self._lock = threading.Lock()

    def verify(self, url: str, signature: bytes, text: bytes, *, sha1: bool, now: datetime) -> bool:
        """Whether the owner of the certificate at `url` signed `text`.

        Raises:
            Unavailable: the certificate cannot be fetched now.
        """
        if not is_aws_url(url, suffix=".pem"):
            return False
        certificate = self._certificate(url, now)
        key = certificate.public_key() if certificate is not None else None
        if not isinstance(key, RSAPublicKey):
            return False
        try:
            key.verify(signature, text, PKCS1v15(), SHA1() if sha1 else SHA256())  # noqa: S303 - if the operator says so
        except InvalidSignature:
            return False
        return True

    def _certificate(self, url: str, now: datetime) -> x509.Certificate | None:
        with self._lock:
            known = self._known.get(url)
        if known is not None and _valid(known, now):
            return known
        try:
            found = x509.load_pem_x509_certificate(self._fetch(url))
        except FetchFailed as error:
            raise Unavailable("A certificate of the provider cannot be fetched now.", type="no_certificate") from error
        except (FetchRefused, ValueError):
            return None
        if not _valid(found, now):
            return None
        with self._lock:
            if len(self._known) >= KEPT_CERTIFICATES:
                self._known.clear()
            self._known[url] = found
        return found


def _valid(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether it may be used now, and is made out to SNS."""
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc and any(
        name == "sns.amazonaws.com" or _HOST.fullmatch(name) is not None for name in names
    )
