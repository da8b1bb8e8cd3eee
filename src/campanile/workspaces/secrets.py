"""The master key, and what is derived from it: digests to look keys up, a cipher for what must be read again."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from hashlib import blake2b
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from campanile.errors import ConfigurationError
from campanile.settings import Settings

MASTER_KEY_CHARACTERS = 32
"""Least length of the master key."""
KEY_FILE = "secret.key"
_NONCE_BYTES = 12
_FORMAT = b"\x01"
"""First byte of everything sealed; another cipher would get another number."""


class MasterKey:
    """Derives one sub-key per purpose; the text itself is not kept."""

    def __init__(self, text: str) -> None:
        if len(text) < MASTER_KEY_CHARACTERS:
            raise ConfigurationError(
                f"the secret key must have at least {MASTER_KEY_CHARACTERS} characters", attribute="secret_key"
            )
        root = blake2b(text.encode(), digest_size=32, person=b"campanile-root").digest()
        self._digest_key = _derive(root, b"campanile-digest")
        self._cipher = AESGCM(_derive(root, b"campanile-seal"))
        self.fingerprint = _derive(root, b"campanile-print").hex()
        """Tells two master keys apart without revealing either."""

    def digest(self, secret: str) -> bytes:
        """32 bytes that identify `secret`; useless to whoever has the database but not the master key."""
        return blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=32, key=self._digest_key).digest()

    def seal(self, secret: bytes, purpose: str) -> bytes:
        """Encrypt `secret`; it can only be opened for the same `purpose`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Undo `seal`.

        Raises:
            ConfigurationError: sealed by another master key, or damaged.
        """
        if sealed[:1] == _FORMAT:
            with contextlib.suppress(InvalidTag):
                nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
                return self._cipher.decrypt(nonce, text, purpose.encode())
        raise ConfigurationError("a stored secret cannot be read: it was written with another secret key")


def load_master_key(settings: Settings) -> MasterKey:
    """The master key of the settings, else of the file `secret.key` in the data folder, made at the first start.

    Raises:
        ConfigurationError: too short, the file cannot be read or written, or others than its owner may read it.
    """
    if settings.secret_key:
        return MasterKey(settings.secret_key)
    path = settings.data_path / KEY_FILE
    try:
        if not path.exists():
            _create(path)
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(f"{path} may be read by others: run chmod 600 {path}", attribute="secret_key")
        return MasterKey(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot use the key file {path}: {error}", attribute="secret_key") from error


def _create(path: Path) -> None:
    """Write a new key under another name, then give it its name unless another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink()


def _derive(root: bytes, purpose: bytes) -> bytes:
    return blake2b(key=root, digest_size=32, person=purpose).digest()
