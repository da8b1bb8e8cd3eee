"""Downloading report files by name, from a Campanile server or from MoEngage: signed, resumed, checked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import httpx
import msgspec

from campanile import __version__
from campanile.client.errors import ClientError, Refused, Unreachable
from campanile.client.retries import RETRIED_STATUSES, RetryPolicy, parse_retry_after

REPORTS = "/campaign_reports/rest_api"
DAILY = "/dailyCampaignReportDump"
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Seconds to connect, and between two pieces of an answer."""
ZIP_START = b"PK\x03\x04"

_SHA256 = re.compile(r'"([0-9a-f]{64})"')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes that there will be, where that is known."""


class Damaged(ClientError):
    """What arrived is not what the server said it would send."""


class NotReady(Refused):
    """There is no such file, or not yet, or not any more: the server answered 400."""


class Downloaded(msgspec.Struct, frozen=True):
    """A complete file."""

    path: Path
    size: int
    sha256: str
    checked: bool
    """Whether the server named a checksum, which then was the same."""
    resumed_at: int
    """Bytes that were there already from an earlier attempt."""


def sign(app_id: str, filename: str, secret: str) -> str:
    """The signature of a download: hex of the SHA-256 of `APP_ID|FILENAME|SECRET_KEY`."""
    return hashlib.sha256(f"{app_id}|{filename}|{secret}".encode()).hexdigest()


class ReportDownloads:
    """Fetches files of one workspace; the key is its report key. Close it, or use it as a context manager."""

    def __init__(
        self,
        base_url: str,
        app_id: str,
        key: str,
        *,
        retry: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._app_id = app_id
        self._key = key
        self._retry = retry or RetryPolicy()
        self._http = httpx.Client(
            headers={"User-Agent": f"campanile/{__version__}", "Accept-Encoding": "identity"},
            timeout=TIMEOUT,
            transport=transport,
        )

    def __enter__(self) -> ReportDownloads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def fetch(
        self, filename: str, target: Path, *, daily: bool = False, progress: Progress | None = None
    ) -> Downloaded:
        """Download `filename` to `target`, which appears when it is complete.

        An interrupted download leaves `<target>.part`, where the next one goes on if the server still has that file.

        Args:
            daily: whether it is a daily dump, `YYYYMMDD.zip`.

        Raises:
            NotReady: no such file, or not yet. Refused: another error, such as a wrong signature.
            Unreachable: no complete answer after all retries. Damaged: the checksum or the content is wrong.
        """
        part = target.with_name(target.name + ".part")
        tag = target.with_name(target.name + ".part.etag")
        start = part.stat().st_size if part.exists() and tag.exists() else 0
        attempt = 0
        while True:
            attempt += 1
            begun = _known_bytes(part, tag)
            try:
                etag = self._attempt(filename, part, tag, daily, progress)
                break
            except (Unreachable, Refused) as error:
                retried = isinstance(error, Unreachable) or error.status in RETRIED_STATUSES
                if _known_bytes(part, tag) > begun:
                    attempt = 1  # it goes on, however slowly
                if not retried or attempt >= self._retry.attempts:
                    raise
                after = error.retry_after if isinstance(error, Refused) else None
                self._retry.sleep(self._retry.wait(attempt, after))
        checked = _check(part, etag)
        size, digest = part.stat().st_size, _digest(part)
        part.replace(target)
        tag.unlink(missing_ok=True)
        return Downloaded(path=target, size=size, sha256=digest, checked=checked, resumed_at=min(start, size))

    def _attempt(self, filename: str, part: Path, tag: Path, daily: bool, progress: Progress | None) -> str:
        """One request; returns the entity tag when everything is there."""
        url = f"{self.base_url}{DAILY if daily else REPORTS}/{quote(self._app_id)}/{quote(filename)}"
        headers = {"Signature": sign(self._app_id, filename, self._key)}
        have = _known_bytes(part, tag)
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8")}
        try:
            with self._http.stream("GET", url, headers=headers) as answer:
                if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                    return tag.read_text(encoding="utf-8")  # nothing was missing but the end
                if answer.status_code not in (200, 206):
                    answer.read()
                    raise _refusal(answer)
                return self._receive(answer, part, tag, have, progress)
        except httpx.TransportError as error:
            raise Unreachable(f"cannot reach {self.base_url}: {error or type(error).__name__}") from error

    def _receive(self, answer: httpx.Response, part: Path, tag: Path, have: int, progress: Progress | None) -> str:
        etag: str = answer.headers.get("ETag", "")
        position, total = 0, _length(answer)
        if answer.status_code == 206:
            found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != have:
                raise Damaged("the server sent another part of the file than it was asked for")
            position, total = have, int(found[3])
        else:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
            if etag and not etag.startswith("W/"):
                tag.write_text(etag, encoding="utf-8")
            else:
                tag.unlink(missing_ok=True)
        with part.open("ab") as file:
            for chunk in answer.iter_raw():
                file.write(chunk)
                position += len(chunk)
                if progress is not None:
                    progress(position, total)
            file.flush()
            os.fsync(file.fileno())
        if total is not None and position != total:
            raise Unreachable(f"the answer ended after {position} of {total} bytes")
        return etag


def _known_bytes(part: Path, tag: Path) -> int:
    """Bytes of an earlier attempt that can be continued: those whose entity tag is known."""
    return part.stat().st_size if part.exists() and tag.exists() else 0


def _length(answer: httpx.Response) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _check(part: Path, etag: str) -> bool:
    """
    Raises:
        Damaged: another checksum than the server named, or no archive at all; the file is removed.
    """
    with part.open("rb") as file:
        start = file.read(len(ZIP_START))
    named = _SHA256.fullmatch(etag)
    wrong = named is not None and _digest(part) != named[1]
    if wrong or start != ZIP_START:
        part.unlink()
        raise Damaged("the file has another checksum than the server named" if wrong else "the answer is no archive")
    return named is not None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refusal(answer: httpx.Response) -> Refused:
    message = "the signature is missing or invalid: check workspace, key and file name"
    if answer.status_code != httpx.codes.UNAUTHORIZED:
        try:
            message = str(msgspec.json.decode(answer.content)["error"]["message"])
        except (msgspec.DecodeError, KeyError, TypeError):
            message = answer.reason_phrase or "error"
    retry_after = parse_retry_after(answer.headers.get("Retry-After"), answer.headers.get("Date"))
    kind = NotReady if answer.status_code == 400 else Refused
    return kind(answer.status_code, message, retry_after=retry_after)
