"""Which certificates of SNS are trusted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campanile.errors import Unavailable
from campanile.hooks.providers.sns import SnsCertificates
from campanile.net.fetch import FetchFailed, FetchRefused
from tests.hooks.desks import RECEIVED
from tests.hooks.served import CERTIFICATE, certificate

ANYTHING = b"0" * 256


def verify(content: bytes | Exception, url: str = CERTIFICATE) -> bool:
    def fetch(_: str) -> bytes:
        if isinstance(content, Exception):
            raise content
        return content

    return SnsCertificates(fetch).verify(url, ANYTHING, b"text", sha1=False, now=RECEIVED)


@pytest.mark.parametrize(
    "content",
    [
        certificate(RECEIVED),
        certificate(RECEIVED, name="sns.amazonaws.com.attacker.example"),
        certificate(RECEIVED, days=-1),
        certificate(RECEIVED + timedelta(days=31)),
        b"no certificate",
        FetchRefused("private"),
    ],
    ids=["wrong signature", "another name", "expired", "not yet valid", "rubbish", "refused"],
)
def test_nothing_else_is(content: bytes | Exception) -> None:
    assert verify(content) is False


def test_a_certificate_that_cannot_be_fetched_now_is_no_verdict() -> None:
    with pytest.raises(Unavailable):
        verify(FetchFailed("down"))


def test_nobody_is_asked_for_a_certificate_elsewhere() -> None:
    assert verify(AssertionError("asked"), "https://attacker.example/cert.pem") is False
