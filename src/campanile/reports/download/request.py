"""What a download asks for, taken from the raw path (report API specification 3, 8).

The path that a server has decoded cannot be used: `%2f` and `/` look alike there. So the raw one is split first, and
each part is decoded once. What is left is compared with names in a table; it never becomes part of a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import msgspec

from campanile.errors import InvalidInput, NotFound

FILENAME_BYTES = 255
"""Longest file name."""
APP_ID_BYTES = 128
"""Longest workspace id."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\|]")


class Asked(msgspec.Struct, frozen=True):
    """The two names in the path, decoded once; harmless, but not checked for anything else."""

    app_id: str
    filename: str


def invalid_name() -> InvalidInput:
    return InvalidInput("Invalid report file name", attribute="FILENAME", type="invalid_file_name")


def read_path(raw: bytes | None, path: str, prefix: Sequence[str]) -> Asked:
    """The names in a path `/<prefix>/<APP_ID>/<FILENAME>`.

    Args:
        raw: the path as it was sent; None if the server does not tell.
        path: the decoded path, in case that it does not.

    Raises:
        NotFound: another number of parts. InvalidInput: a part that could be meant for a file system.
    """
    sent = quote(path).encode() if raw is None else raw.partition(b"?")[0]
    parts = [unquote_to_bytes(part) for part in sent.split(b"/")[1:]]
    if (
        len(parts) != len(prefix) + 2
        or not all(parts)
        or [*map(bytes, parts[: len(prefix)])] != [name.encode() for name in prefix]
    ):
        raise NotFound("There is nothing at this path.")
    app_id, filename = parts[-2:]
    if len(app_id) > APP_ID_BYTES or len(filename) > FILENAME_BYTES:
        raise invalid_name()
    try:
        asked = Asked(app_id.decode(), filename.decode())
    except UnicodeDecodeError as error:
        raise invalid_name() from error
    for text in (asked.app_id, asked.filename):
        if text in (".", "..") or _UNSAFE.search(text):
            raise invalid_name()
    return asked


def given_signature(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> str | None:
    """The signature of a request: the header, else the query parameter. None: absent, or given more than once."""
    sent = [value for name, value in headers if name.lower() == b"signature"]
    if len(sent) > 1:
        return None
    if sent and sent[0].strip():
        return sent[0].decode("latin-1").strip()
    try:
        members = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:  # too many to be meant seriously
        return None
    found = [value for name, value in members if name in ("Signature", "signature")]
    return found[0].strip() if len(found) == 1 else None
