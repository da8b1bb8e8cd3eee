"""Style sheets and scripts: ours, and those from npm. Served under a path that changes with their content."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import brotli
import msgspec

from campanile.errors import NotFound

HERE = Path(__file__).parent
OURS = HERE / "assets"
PACKAGES = HERE / "node_modules"
"""Where `npm ci` puts the packages of `package-lock.json`; wheels carry the files below."""
VENDOR = {
    "vendor/htmx.js": "htmx.org/dist/htmx.min.js",
    "vendor/uplot.js": "uplot/dist/uPlot.iife.min.js",
    "vendor/uplot.css": "uplot/dist/uPlot.min.css",
}
"""Name for pages → file in the packages."""
MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
ROOT = "/assets"

Coding = Literal["br", "gzip", ""]


class Asset(msgspec.Struct, frozen=True):
    """The bytes of one file in one coding."""

    content: bytes
    media_type: str
    coding: Coding


class Assets:
    """All files, read once; each coding is made when somebody first asks for it. Thread-safe.

    Args:
        packages: folder of the npm packages.
    """

    def __init__(self, packages: Path = PACKAGES) -> None:
        files = {
            path.relative_to(OURS).as_posix(): path
            for path in sorted(OURS.rglob("*"))
            if path.suffix in MEDIA_TYPES and path.is_file()
        }
        vendor = {name: packages / file for name, file in VENDOR.items()}
        self.missing = sorted(VENDOR[name] for name, path in vendor.items() if not path.is_file())
        """Files of packages that are not installed."""
        files.update({name: path for name, path in vendor.items() if path.is_file()})
        self._plain: Mapping[str, bytes] = {name: path.read_bytes() for name, path in files.items()}
        self._coded: dict[tuple[str, Coding], bytes] = {}
        self._lock = threading.Lock()
        digest = blake2b(digest_size=8)
        for name, content in sorted(self._plain.items()):
            digest.update(f"{name} {len(content)} ".encode() + content)
        self.version = digest.hexdigest()
        """One for all files: modules import each other by relative paths."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._plain)

    def url(self, name: str) -> str:
        """The path of a file; pages use it as `asset("app.css")`."""
        return f"{ROOT}/{self.version}/{name}"

    def has(self, name: str) -> bool:
        return name in self._plain

    def get(self, version: str, name: str, accepted: str) -> Asset:
        """A file in the best coding of an `Accept-Encoding` header.

        Raises:
            NotFound: no such file, or of another version.
        """
        plain = self._plain.get(name)
        if plain is None or version != self.version:
            raise NotFound("There is no such file.")
        media_type = MEDIA_TYPES[Path(name).suffix]
        coding = _best(accepted) if media_type != "font/woff2" else ""  # fonts are compressed already
        return Asset(self.coded(name, coding), media_type, coding)

    def coded(self, name: str, coding: Coding) -> bytes:
        """The bytes of a file in a coding."""
        with self._lock:
            found = self._coded.get((name, coding))
            if found is None:
                found = _coded(self._plain[name], coding)
                self._coded[name, coding] = found
            return found


def _coded(content: bytes, coding: Coding) -> bytes:
    if coding == "br":
        compressed: bytes = brotli.compress(content, mode=brotli.MODE_TEXT, quality=11)
        return compressed
    if coding == "gzip":
        return gzip.compress(content, compresslevel=9, mtime=0)
    return content


def _best(accepted: str) -> Coding:
    offered = {
        part.partition(";")[0].strip().lower() for part in accepted.split(",") if "q=0" not in part.split(";")[1:]
    }
    if "br" in offered:
        return "br"
    return "gzip" if "gzip" in offered else ""
