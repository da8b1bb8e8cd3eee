"""What a search sees of texts."""

from __future__ import annotations

import unicodedata

NAME_KEY_CHARACTERS = 200
"""Characters of a name, tag or author that searches and orders see: keys of an index are limited."""


def name_key(name: str) -> str:
    """What a search sees of a name: compatible characters are one, upper and lower case too."""
    return unicodedata.normalize("NFKC", name).casefold()[:NAME_KEY_CHARACTERS]
