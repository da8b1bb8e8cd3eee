"""What handlers read of requests."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from litestar import Request

from campanile.errors import CampanileError, InvalidInput, PayloadTooLarge, UnsupportedMediaType
from campanile.http.requests import MERGE_PATCH, chosen, if_match, number, query, read_json
from tests.http.test_bodies import Caller

JSON_HEADERS = ((b"content-type", b"application/json"),)


def read(body: bytes, headers: Any = JSON_HEADERS, **options: Any) -> tuple[bytes, object]:
    async def run() -> tuple[bytes, object]:
        return await read_json(Caller([body] if body else [], headers).request, **{"limit": 100, **options})

    return anyio.run(run)


def request(headers: Any = (), text: bytes = b"") -> Request[Any, Any, Any]:
    scope: Any = {"type": "http", "headers": list(headers), "query_string": text}
    return Request(scope)


def refusal(kind: type[CampanileError], call: Any) -> str:
    with pytest.raises(kind) as caught:
        call()
    return caught.value.error_type


def test_json() -> None:
    assert read(b'{"a": [1]}') == (b'{"a": [1]}', {"a": [1]})
    assert read(b"1", ((b"content-type", b" Application/JSON ; charset=utf-8"),)) == (b"1", 1)
    assert read(b"{}", ((b"content-type", MERGE_PATCH.encode()),), media=(MERGE_PATCH,)) == (b"{}", {})
    assert read(b"{}", (*JSON_HEADERS, (b"content-encoding", b"identity"))) == (b"{}", {})


@pytest.mark.parametrize("body", [b"", b"{", b"{} {}", b"\xff", b'"\\ud800"', b"[" * 99, b"nul"])
def test_bodies_that_are_no_json(body: bytes) -> None:
    assert refusal(InvalidInput, lambda: read(body)) == "invalid_json"


def test_other_types_and_sizes() -> None:
    for headers in ((), ((b"content-type", b"text/json"),), (*JSON_HEADERS, (b"content-encoding", b"gzip"))):
        assert refusal(UnsupportedMediaType, lambda headers=headers: read(b"{}", headers)) == "unsupported_media_type"
    assert refusal(PayloadTooLarge, lambda: read(b" " * 101)) == "body_too_large"


def test_a_body_that_may_be_missing() -> None:
    assert read(b"", (), optional=True) == (b"", {})
    assert read(b"[]", optional=True) == (b"[]", [])
    assert refusal(UnsupportedMediaType, lambda: read(b"{}", (), optional=True)) == "unsupported_media_type"


def test_queries() -> None:
    assert dict(query(request(text=b"a=1&b=%20"), "a", "b")) == {"a": "1", "b": " "}
    assert refusal(InvalidInput, lambda: query(request(text=b"a=1&c=1"), "a")) == "unknown_parameter"
    assert refusal(InvalidInput, lambda: query(request(text=b"c=1"))) == "unknown_parameter"


def test_words_and_numbers() -> None:
    assert chosen({}, "a", ("x", "y")) == "x"
    assert chosen({"a": "y"}, "a", ("x", "y")) == "y"
    assert refusal(InvalidInput, lambda: chosen({"a": "Y"}, "a", ("x", "y"))) == "invalid_parameter"
    assert number({}, "n", 1, 9, 5) == 5
    assert number({"n": "009"}, "n", 1, 9, 5) == 9
    for text in ("", "0", "10", "-1", "1.5", "x", "٣", "1" * 5000):
        assert refusal(InvalidInput, lambda text=text: number({"n": text}, "n", 1, 9, 5)) == "invalid_parameter"


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        (None, None),
        (b"*", None),
        (b' "3" ', {3}),
        (b'"3", "4"', {3, 4}),
        (b'W/"3"', set()),
        (b'"x", "", "99999999999"', set()),
    ],
)
def test_conditions(header: bytes | None, versions: set[int] | None) -> None:
    assert if_match(request([] if header is None else [(b"if-match", header)])) == versions


@pytest.mark.parametrize("header", [b"", b"3", b'"3', b'"3" "4"', b"*, *"])
def test_conditions_that_cannot_be_read(header: bytes) -> None:
    assert refusal(InvalidInput, lambda: if_match(request([(b"if-match", header)]))) == "invalid_value"
