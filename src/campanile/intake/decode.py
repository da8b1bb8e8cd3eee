"""From the body of a request to its plain bytes (ingest specification 1.3, 1.4, 7)."""

from __future__ import annotations

import zlib
from email.message import Message
from io import BytesIO
from typing import Literal

import zstandard

from campanile.errors import InvalidInput, PayloadTooLarge, UnsupportedMediaType
from campanile.intake.limits import KIB, MAX_ZSTD_BLOCKS, Limits

Format = Literal["json", "ndjson"]
Coding = Literal["identity", "gzip", "zstd"]

_FORMATS: dict[str, Format] = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
}
_CODINGS: dict[str, Coding] = {"": "identity", "identity": "identity", "gzip": "gzip", "zstd": "zstd"}

_STEP_BYTES = 256 * KIB
"""Bytes decompressed between two looks at the limits."""
_GZIP_WINDOW_BITS = 31
"""zlib's way of saying: gzip and nothing else."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_RLE = 1
"""Type of a block that holds one byte and how often it repeats (RFC 8878)."""


def body_format(content_type: str | None) -> Format:
    """The format that a `Content-Type` header names; anything unknown, and any charset but UTF-8, is 415."""
    message = Message()
    message["Content-Type"] = content_type or ""
    found = _FORMATS.get(message.get_content_type()) if content_type else None
    if found is None:
        raise UnsupportedMediaType(
            "Content-Type must be application/json or application/x-ndjson", attribute="Content-Type"
        )
    charset = message.get_param("charset")
    if charset is not None and str(charset).lower().replace("_", "-") not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("The charset of Content-Type must be UTF-8", attribute="Content-Type")
    return found


def content_coding(content_encoding: str | None) -> Coding:
    """The coding that a `Content-Encoding` header names; anything unknown, and more than one, is 415."""
    found = _CODINGS.get((content_encoding or "").strip().lower())
    if found is None:
        raise UnsupportedMediaType(
            "Content-Encoding must be one of identity, gzip and zstd", attribute="Content-Encoding"
        )
    return found


class BodyDecoder:
    """Collects a body as it arrives and decompresses it at the end.

    `feed` only counts and keeps; it is cheap enough for an event loop. `finish` does the work and belongs into a
    thread. Neither ever holds more than the limits allow, whatever the compressed data claims.
    """

    def __init__(self, coding: Coding, limits: Limits, *, content_length: int | None = None) -> None:
        """Refuses a declared length beyond the limit before a byte is read."""
        self._coding = coding
        self._limits = limits
        self._declared = content_length
        self._received = 0
        self._chunks: list[bytes] = []
        if content_length is not None and content_length > limits.wire_bytes:
            raise self._too_large(limits.wire_bytes)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body; 413 as soon as there are too many."""
        self._received += len(chunk)
        if self._received > self._limits.wire_bytes:
            self._chunks.clear()
            raise self._too_large(self._limits.wire_bytes)
        self._chunks.append(chunk)

    def finish(self) -> bytes:
        """The plain bytes of the body."""
        wire = b"".join(self._chunks)
        self._chunks.clear()
        if self._declared is not None and self._declared != len(wire):
            raise InvalidInput("The body is not as long as Content-Length says", attribute="Content-Length")
        if self._coding == "gzip":
            return self._gzip(wire)
        if self._coding == "zstd":
            return self._zstd(wire)
        if len(wire) > self._limits.body_bytes:
            raise self._too_large(self._limits.body_bytes)
        return wire

    def _gzip(self, wire: bytes) -> bytes:
        stream = zlib.decompressobj(wbits=_GZIP_WINDOW_BITS)
        plain = _Plain(self._limits, len(wire))
        rest = wire
        try:
            while not stream.eof:
                piece = stream.decompress(rest, _STEP_BYTES)
                rest = stream.unconsumed_tail
                if not piece and not rest and not stream.eof:
                    raise _corrupt("ends too early")
                plain.add(piece)
        except zlib.error as error:
            raise _corrupt("is corrupt") from error
        if stream.unused_data:
            raise _corrupt("is followed by further bytes")
        return plain.joined()

    def _zstd(self, wire: bytes) -> bytes:
        _check_single_frame(wire)
        decompressor = zstandard.ZstdDecompressor(max_window_size=self._limits.zstd_window_bytes)
        plain = _Plain(self._limits, len(wire))
        try:
            with decompressor.stream_reader(BytesIO(wire), read_across_frames=False) as reader:
                while piece := reader.read(_STEP_BYTES):
                    plain.add(piece)
        except zstandard.ZstdError as error:
            raise _corrupt("is corrupt or needs too much memory") from error
        return plain.joined()

    @staticmethod
    def _too_large(limit: int) -> PayloadTooLarge:
        return PayloadTooLarge(f"The body is larger than {limit} bytes")


class _Plain:
    """Decompressed bytes within the limits."""

    def __init__(self, limits: Limits, wire_bytes: int) -> None:
        self._limits = limits
        self._wire_bytes = wire_bytes
        self._size = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        limits = self._limits
        self._size += len(piece)
        if self._size > limits.ratio_test_bytes and self._size > self._wire_bytes * limits.compression_ratio:
            raise PayloadTooLarge(
                f"The body expands to more than {limits.compression_ratio} times its size", type="compression_ratio"
            )
        if self._size > limits.body_bytes:
            raise PayloadTooLarge(f"The body is larger than {limits.body_bytes} bytes after decompression")
        self._pieces.append(piece)

    def joined(self) -> bytes:
        return b"".join(self._pieces)


def _corrupt(what: str) -> InvalidInput:
    return InvalidInput(f"The compressed body {what}", type="invalid_compression", attribute="Content-Encoding")


def _check_single_frame(wire: bytes) -> None:
    """Refuse everything but one complete zstd frame: the library stops at its end without saying what follows.

    Walks the block headers (RFC 8878 3.1.1), decompressing nothing.
    """
    if not wire.startswith(_ZSTD_MAGIC):
        raise _corrupt("is not a zstd frame")
    try:
        position = zstandard.frame_header_size(wire)
        has_checksum = zstandard.get_frame_parameters(wire).has_checksum
    except zstandard.ZstdError as error:
        raise _corrupt("is corrupt") from error
    for _ in range(MAX_ZSTD_BLOCKS):
        header = int.from_bytes(wire[position : position + 3], "little")
        kind, size = header >> 1 & 3, header >> 3
        position += 3 + (1 if kind == _ZSTD_RLE else size)
        if position > len(wire):
            raise _corrupt("ends too early")
        if header & 1:
            break
    else:
        raise _corrupt(f"has more than {MAX_ZSTD_BLOCKS} blocks")
    position += 4 if has_checksum else 0
    if position > len(wire):
        raise _corrupt("ends too early")
    if position < len(wire):
        raise _corrupt("is followed by further bytes")
