"""The signature of downloads (report API specification 4): plain SHA-256, as every client computes it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256

_HEX = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_NONE = "0" * 64


def signature(app_id: str, filename: str, secret: str) -> str:
    """Lower-case hex of the digest of `APP_ID|FILENAME|SECRET_KEY` in UTF-8."""
    return sha256(f"{app_id}|{filename}|{secret}".encode()).hexdigest()


def is_signed(given: str | None, app_id: str, filename: str, secrets: Sequence[str]) -> bool:
    """Whether `given` is the signature under one of the secrets.

    Takes the same time whichever secret it is, whichever digit is wrong, and whether there is a secret at all.
    """
    candidate = given.lower() if given is not None and _HEX.fullmatch(given) else ""
    valid = False
    for secret in secrets or ("",):
        expected = signature(app_id, filename, secret)
        valid |= hmac.compare_digest(expected, candidate or _NONE)
    return valid and bool(candidate) and bool(secrets)
