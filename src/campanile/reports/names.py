"""Names of reports, and the stems that name their files (report specification 2.1)."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import count

NAME_CHARACTERS = 127
"""Longest name of a report."""

_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9 _-]{0,125}[A-Za-z0-9_-])?", re.ASCII)


def is_name(text: str) -> bool:
    """Whether a report may bear this name. Names are never rewritten."""
    return _NAME.fullmatch(text) is not None


def stem(name: str) -> str:
    """What files of the report begin with: every space becomes an underscore, nothing else changes."""
    return name.replace(" ", "_")


def stem_key(name: str) -> str:
    """Equal for names whose files a person or a file system could take for each other."""
    return stem(name).lower()


def copy_name(name: str, taken: Collection[str]) -> str:
    """A name for a copy whose stem key is not among `taken`; the middle of a long name gives way."""
    for number in count(1):
        ending = "" if number == 1 else f" {number}"
        room = NAME_CHARACTERS - len("Copy of ") - len(ending)
        kept = name if len(name) <= room else name[: room - room // 2] + name[-(room // 2) :]
        candidate = f"Copy of {kept}{ending}"
        if stem_key(candidate) not in taken:
            return candidate
    raise AssertionError("counting never ends")
