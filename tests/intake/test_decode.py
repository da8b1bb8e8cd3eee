"""Bodies from the wire: formats, codings, limits, and everything that pretends to be a body."""

from __future__ import annotations

import gzip
import zlib
from random import Random
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from campanile.errors import CampanileError, InvalidInput, PayloadTooLarge, UnsupportedMediaType
from campanile.intake.decode import BodyDecoder, Coding, body_format, content_coding
from campanile.intake.limits import KIB, MAX_ZSTD_BLOCKS, MIB, Limits
from tests.support.sampling import examples

LIMITS = Limits()
SMALL = Limits(wire_bytes=1000, body_bytes=2000)
NOISE = bytes(zlib.crc32(number.to_bytes(4, "big")) & 0xFF for number in range(5000))
"""Bytes that no coding makes much smaller."""


def zstd(data: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


def decoded(wire: bytes, coding: Coding, limits: Limits = LIMITS) -> bytes:
    decoder = BodyDecoder(coding, limits)
    decoder.feed(wire)
    return decoder.finish()


COMPRESS = {"gzip": gzip.compress, "zstd": zstd}


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("application/json", "json"),
        ("Application/JSON; charset=utf-8", "json"),
        ('application/json; charset="UTF-8"', "json"),
        ("application/json;charset=utf8", "json"),
        ("application/x-ndjson", "ndjson"),
        ("application/jsonl", "ndjson"),
        ("application/x-jsonlines; charset=UTF-8", "ndjson"),
    ],
)
def test_formats(header: str, form: str) -> None:
    assert body_format(header) == form


@pytest.mark.parametrize(
    "header",
    [
        None, "", "text/plain", "application/x-www-form-urlencoded", "application/json+x", "json", "*/*",
        "application/cloudevents+json", "application/json; charset=latin-1", "application/json; charset=utf-16",
        "application/json; charset=", "application/x-ndjson; charset=ascii",
    ],
)  # fmt: skip
def test_other_formats_are_415(header: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        body_format(header)


@pytest.mark.parametrize(
    ("header", "coding"),
    [(None, "identity"), ("", "identity"), ("identity", "identity"), (" GZIP ", "gzip"), ("zstd", "zstd")],
)
def test_codings(header: str | None, coding: str) -> None:
    assert content_coding(header) == coding


@pytest.mark.parametrize("header", ["br", "deflate", "compress", "x-gzip", "gzip, gzip", "identity, gzip", "zstd,gzip"])
def test_other_codings_are_415(header: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        content_coding(header)


@examples(60)
@given(
    data=st.binary(max_size=3000),
    copies=st.integers(1, 20),
    coding=st.sampled_from(["identity", "gzip", "zstd"]),
    cuts=st.lists(st.integers(0, 200), max_size=10),
)
def test_what_goes_in_comes_out_however_it_is_cut(data: bytes, copies: int, coding: Coding, cuts: list[int]) -> None:
    body = data * copies
    wire = COMPRESS.get(coding, bytes)(body)
    decoder = BodyDecoder(coding, LIMITS, content_length=len(wire))
    position = 0
    for cut in cuts:
        decoder.feed(wire[position : position + cut])
        position += cut
    decoder.feed(wire[position:])
    assert decoder.finish() == body


@pytest.mark.parametrize("options", [{"write_checksum": True}, {"write_content_size": False}, {"level": 19}])
def test_zstd_variants(options: dict[str, Any]) -> None:
    body = Random(1).randbytes(300 * KIB)
    assert decoded(zstd(body, **options), "zstd") == body


def test_zstd_written_in_pieces_has_empty_and_short_blocks() -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    wire = b"".join(
        compressor.compress(NOISE[:100]) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for _ in range(50)
    )
    assert decoded(wire + compressor.flush(), "zstd") == NOISE[:100] * 50


class TestWireLimit:
    def test_at_the_limit(self) -> None:
        assert decoded(b"x" * 1000, "identity", SMALL) == b"x" * 1000

    def test_above_the_limit_while_it_arrives(self) -> None:
        decoder = BodyDecoder("identity", SMALL)
        decoder.feed(b"x" * 1000)
        with pytest.raises(PayloadTooLarge) as caught:
            decoder.feed(b"x")
        assert caught.value.error_type == "body_too_large"

    def test_declared(self) -> None:
        BodyDecoder("gzip", SMALL, content_length=1000)
        with pytest.raises(PayloadTooLarge):
            BodyDecoder("gzip", SMALL, content_length=1001)

    @pytest.mark.parametrize("sent", [9, 11])
    def test_a_length_that_lies(self, sent: int) -> None:
        decoder = BodyDecoder("identity", SMALL, content_length=10)
        decoder.feed(b"x" * sent)
        with pytest.raises(InvalidInput):
            decoder.finish()

    def test_the_defaults(self) -> None:
        assert (LIMITS.wire_bytes, LIMITS.body_bytes) == (5 * MIB, 20 * MIB)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
class TestDecompressedLimits:
    def test_size_below_at_and_above(self, coding: Coding) -> None:
        limits = Limits(body_bytes=4000)
        for size in (3999, 4000):
            assert len(decoded(COMPRESS[coding](NOISE[:size]), coding, limits)) == size
        with pytest.raises(PayloadTooLarge) as caught:
            decoded(COMPRESS[coding](NOISE[:4001]), coding, limits)
        assert caught.value.error_type == "body_too_large"

    def test_a_bomb_stops_early(self, coding: Coding) -> None:
        wire = COMPRESS[coding](bytes(100 * MIB))
        with pytest.raises(PayloadTooLarge) as caught:
            decoded(wire, coding)
        assert caught.value.error_type == "compression_ratio"

    def test_ratio_at_and_above(self, coding: Coding) -> None:
        wire = COMPRESS[coding](bytes(KIB * 200))
        ratio = KIB * 200 / len(wire)
        assert decoded(wire, coding, Limits(compression_ratio=int(ratio) + 1)) == bytes(KIB * 200)
        with pytest.raises(PayloadTooLarge) as caught:
            decoded(wire, coding, Limits(compression_ratio=int(ratio)))
        assert caught.value.error_type == "compression_ratio"

    def test_ratio_exactly_at_the_limit(self, coding: Coding) -> None:
        size, wire = next(
            (size, wire)
            for size in range(70_000, 90_000)
            if size % len(wire := COMPRESS[coding](NOISE[:50] + bytes(size - 50))) == 0
        )
        assert len(decoded(wire, coding, Limits(compression_ratio=size // len(wire)))) == size

    def test_short_bodies_may_compress_well(self, coding: Coding) -> None:
        assert decoded(COMPRESS[coding](bytes(64 * KIB)), coding, Limits(compression_ratio=10)) == bytes(64 * KIB)
        with pytest.raises(PayloadTooLarge):
            decoded(COMPRESS[coding](bytes(64 * KIB + 1)), coding, Limits(compression_ratio=10))

    def test_trailing_bytes(self, coding: Coding) -> None:
        for tail in (b"x", b"\x00", b"\n", COMPRESS[coding](b"second")):
            with pytest.raises(InvalidInput) as caught:
                decoded(COMPRESS[coding](b"first") + tail, coding)
            assert caught.value.error_type == "invalid_compression"

    def test_every_truncation(self, coding: Coding) -> None:
        wire = COMPRESS[coding](NOISE[:300])
        for length in range(len(wire)):
            with pytest.raises(InvalidInput):
                decoded(wire[:length], coding)

    @examples(80)
    @given(position=st.integers(0, 10_000), bits=st.integers(1, 255), tail=st.binary(max_size=20))
    def test_damage_is_an_error_of_the_sender(self, coding: Coding, position: int, bits: int, tail: bytes) -> None:
        wire = bytearray(COMPRESS[coding](NOISE[:700] * 5))
        wire[position % len(wire)] ^= bits
        decoder = BodyDecoder(coding, LIMITS)
        decoder.feed(bytes(wire) + tail)
        try:
            decoder.finish()
        except CampanileError as error:
            assert error.status in (400, 413)

    @examples(60)
    @given(wire=st.binary(max_size=60))
    def test_noise_is_an_error_of_the_sender(self, coding: Coding, wire: bytes) -> None:
        magic = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}[coding]
        for text in (wire, magic + wire):
            with pytest.raises(InvalidInput):
                decoded(text, coding)


def test_zstd_may_not_ask_for_a_large_window() -> None:
    def frame(window_log: int) -> bytes:
        parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
        compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        return compressor.compress(NOISE) + compressor.flush()

    assert decoded(frame(23), "zstd") == NOISE
    with pytest.raises(InvalidInput):
        decoded(frame(24), "zstd")


def test_zstd_blocks_are_limited() -> None:
    header = zstd(b"", write_content_size=False)[:-3]
    empty, last = (0).to_bytes(3, "little"), (1).to_bytes(3, "little")
    assert decoded(header + empty * (MAX_ZSTD_BLOCKS - 1) + last, "zstd") == b""
    with pytest.raises(InvalidInput):
        decoded(header + empty * MAX_ZSTD_BLOCKS + last, "zstd")


def test_skippable_zstd_frames_are_no_bodies() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"
    for wire in (skippable, skippable + zstd(b"[]"), zstd(b"[]") + skippable):
        with pytest.raises(InvalidInput):
            decoded(wire, "zstd")


def test_codings_are_not_nested() -> None:
    inner = gzip.compress(b"[]")
    assert decoded(gzip.compress(inner), "gzip") == inner
