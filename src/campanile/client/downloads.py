"""Downloading report files by name, from a Campanile server or from MoEngage: signed, resumed, checked."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import msgspec

from campanile.client.effects import Answer, Open, Read, Request, Steps, Wait, Work
from campanile.client.errors import Damaged, NotReady, Refused, Unreachable
from campanile.client.retries import RETRIED_STATUSES
from campanile.client.session import Session, refusal

REPORTS = "/campaign_reports/rest_api"
DAILY = "/dailyCampaignReportDump"
ZIP_START = b"PK\x03\x04"
OK, PARTIAL, BAD_REQUEST, UNAUTHORIZED, NOTHING_MORE = 200, 206, 400, 401, 416

_SHA256 = re.compile(r'"([0-9a-f]{64})"')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes that there will be, where that is known."""


class Downloaded(msgspec.Struct, frozen=True):
    """A complete file."""

    path: Path
    size: int
    sha256: str
    checked: bool
    """Whether the server named a checksum, which then was the same."""
    resumed_at: int
    """Bytes that were there already from an earlier attempt."""


class _Files(msgspec.Struct, frozen=True):
    """What is on disk while a download is not complete."""

    part: Path
    tag: Path
    """Holds the entity tag of what is in `part`; without it `part` cannot be continued."""

    def known(self) -> int:
        """Bytes of an earlier attempt that can be continued."""
        return self.part.stat().st_size if self.part.exists() and self.tag.exists() else 0

    def etag(self) -> str:
        return self.tag.read_text(encoding="utf-8")

    def restart(self, etag: str) -> None:
        """Forget the bytes; those that follow belong to `etag`, which must be strong to be of use."""
        self.part.write_bytes(b"")
        if etag and not etag.startswith("W/"):
            self.tag.write_text(etag, encoding="utf-8")
        else:
            self.tag.unlink(missing_ok=True)


def sign(app_id: str, filename: str, secret: str) -> str:
    """The signature of a download: hex of the SHA-256 of `APP_ID|FILENAME|SECRET_KEY`."""
    return hashlib.sha256(f"{app_id}|{filename}|{secret}".encode()).hexdigest()


def download(
    session: Session, filename: str, target: Path | str, *, daily: bool = False, progress: Progress | None = None
) -> Steps[Downloaded]:
    """Download a report file to `target`, which appears when it is complete; the key is the report key.

    An interrupted download leaves `<target>.part`, where the next one goes on if the server still has that file.

    Args:
        daily: whether it is a daily dump, `YYYYMMDD.zip`.

    Raises:
        NotReady: no such file, or not yet. Refused: another error, such as a wrong signature.
        Unreachable: no complete answer after all retries. Damaged: the checksum or the content is wrong.
    """
    target = Path(target)
    files = _Files(target.with_name(target.name + ".part"), target.with_name(target.name + ".part.etag"))
    start = files.known()
    attempt = 0
    while True:
        attempt += 1
        begun = files.known()
        try:
            etag = yield from _attempt(session, filename, files, daily, progress)
            break
        except (Unreachable, Refused) as error:
            retried = isinstance(error, Unreachable) or error.status in RETRIED_STATUSES
            if files.known() > begun:
                attempt = 1  # it goes on, however slowly
            if not retried or attempt >= session.retry.attempts:
                raise
            asked = error.retry_after if isinstance(error, Refused) else None
        yield Wait(session.retry.wait(attempt, asked))
    finished: Downloaded = yield Work(lambda: _finish(files, target, etag, start))
    return finished


def _attempt(session: Session, filename: str, files: _Files, daily: bool, progress: Progress | None) -> Steps[str]:
    """One request; returns the entity tag when everything is there."""
    path = f"{DAILY if daily else REPORTS}/{quote(session.workspace_id)}/{quote(filename)}"
    headers = {"Signature": sign(session.workspace_id, filename, session.key), "Accept-Encoding": "identity"}
    have = files.known()
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": files.etag()}
    answer: Answer = yield Open(Request(method="GET", path=path, headers=headers))
    if answer.status == NOTHING_MORE and have:
        return files.etag()  # nothing was missing but the end
    if answer.status not in (OK, PARTIAL):
        raise _refusal(answer)
    etag: str = answer.headers.get("ETag", "")
    position, total = 0, _length(answer)
    if answer.status == PARTIAL:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != have:
            raise Damaged("the server sent another part of the file than it was asked for")
        position, total = have, int(found[3])
    else:
        files.restart(etag)
    with files.part.open("ab") as file:
        while True:
            chunk: bytes = yield Read()
            if not chunk:
                break
            yield Work(functools.partial(file.write, chunk))
            position += len(chunk)
            if progress is not None:
                progress(position, total)
        yield Work(functools.partial(_settle, file))
    if total is not None and position != total:
        raise Unreachable(f"the answer ended after {position} of {total} bytes")
    return etag


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _length(answer: Answer) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _finish(files: _Files, target: Path, etag: str, start: int) -> Downloaded:
    """Check what arrived and put it into its place.

    Raises:
        Damaged: another checksum than the server named, or no archive at all; the file is removed.
    """
    with files.part.open("rb") as file:
        begin = file.read(len(ZIP_START))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    named = _SHA256.fullmatch(etag)
    wrong = named is not None and digest != named[1]
    if wrong or begin != ZIP_START:
        files.part.unlink()
        raise Damaged("the file has another checksum than the server named" if wrong else "the answer is no archive")
    size = files.part.stat().st_size
    files.part.replace(target)
    files.tag.unlink(missing_ok=True)
    return Downloaded(path=target, size=size, sha256=digest, checked=named is not None, resumed_at=min(start, size))


def _refusal(answer: Answer) -> Refused:
    error = refusal(answer)
    if answer.status == UNAUTHORIZED:
        message = "the signature is missing or invalid: check workspace, key and file name"
        return Refused(answer.status, message, retry_after=error.retry_after)
    kind = NotReady if answer.status == BAD_REQUEST else Refused
    return kind(answer.status, error.message, retry_after=error.retry_after)
