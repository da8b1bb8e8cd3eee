"""Documents are fetched from public addresses only, whatever the name, the redirect or the length says."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from campanile.net.addresses import HostUnknown
from campanile.net.fetch import FETCH_BYTES, Fetcher, FetchFailed, FetchRefused

URL = "https://sns.eu-west-1.amazonaws.com/cert.pem"


def fetcher(answer: Callable[[httpx.Request], httpx.Response], *addresses: str) -> Fetcher:
    return Fetcher(lookup=lambda _host, _port: list(addresses), transport=httpx.MockTransport(answer))


def test_the_connection_goes_to_the_address_that_was_found() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b"certificate")

    assert fetcher(answer, "8.8.8.8")(URL) == b"certificate"
    (request,) = asked
    assert (request.url.host, request.headers["host"]) == ("8.8.8.8", "sns.eu-west-1.amazonaws.com")
    assert request.extensions["sni_hostname"] == "sns.eu-west-1.amazonaws.com"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["169.254.169.254"], ["8.8.8.8", "::1"], ["fd00::1"]])
def test_a_private_address_is_not_asked(addresses: list[str]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nobody may be asked")

    with pytest.raises(FetchRefused):
        fetcher(answer, *addresses)(URL)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": "https://169.254.169.254/"}),
        httpx.Response(404),
        httpx.Response(200, content=b"x" * (FETCH_BYTES + 1)),
    ],
)
def test_what_will_never_work_is_refused(answer: httpx.Response) -> None:
    with pytest.raises(FetchRefused):
        fetcher(lambda _: answer, "8.8.8.8")(URL)


def test_only_https_is_asked() -> None:
    with pytest.raises(FetchRefused):
        fetcher(lambda _: httpx.Response(200), "8.8.8.8")(URL.replace("https", "http"))


def test_what_may_work_later_says_so() -> None:
    with pytest.raises(FetchFailed):
        fetcher(lambda _: httpx.Response(503), "8.8.8.8")(URL)

    def unknown(host: str, _port: int) -> list[str]:
        raise HostUnknown(host)

    with pytest.raises(FetchFailed):
        Fetcher(lookup=unknown)(URL)
