"""Personal data: found, replaced by pseudonyms, masked or dropped before anything is stored (ingest specification 1.9).

Only opaque ids are kept. What looks like an e-mail address or a phone number becomes a pseudonym where it identifies
a user, and disappears everywhere else.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import Literal, NamedTuple

PSEUDONYM_DIGITS = 32
"""Hex digits of a pseudonym: 128 bits of the keyed hash."""
MASK = "*"
"""Stands where something was taken out of a text."""

_EMAIL = re.compile(
    r"(?<![^@\s<>()\[\],;:\"'])[^@\s<>()\[\],;:\"']++@[^@\s<>()\[\],;:\"'.]++(?:\.[^@\s<>()\[\],;:\"'.]++)++"
)
"""An address as it stands in a text. It starts where a word starts, so that no text is searched twice."""
_PHONE = re.compile(r"\+[\s().\-/]*[1-9](?:[\s().\-/]*\d){6,14}", re.ASCII)
"""A number of 7 to 15 digits behind a plus sign, however it is punctuated (E.164)."""
_NOT_PHONE_DIGITS = re.compile(r"[^+\d]", re.ASCII)
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]|\.\d)", re.ASCII)
_IPV6 = re.compile(
    r"(?<![\w:])(?:(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}|[0-9a-fA-F]{0,4}::[0-9a-fA-F]{1,4})(?![\w:])", re.ASCII
)
_NUMBER = re.compile(r"\d{7,}|\d{2,}(?:[ \-]\d{2,}){2,}", re.ASCII)
"""A long number, or groups of digits as people write phone numbers; status codes are shorter."""
_CONTACT_LINK = re.compile(r"\s*(mailto|tel|sms|smsto|facetime|whatsapp|callto):", re.IGNORECASE)
_ADDRESS_IN_LINK = re.compile(
    r"(?<![^@%\s/?&=#:;,])[^@%\s/?&=#:;,]++(?:@|%40)[^@\s/?&=#:;,.]++(?:\.[^@\s/?&=#:;,.]++)++|(?:\+|%2B)[1-9]\d{6,14}(?!\d)",
    re.ASCII | re.IGNORECASE,
)
_USER_INFO = re.compile(r"^(\s*[A-Za-z][A-Za-z0-9+.\-]*://)[^/@\s]*@")


class Address(NamedTuple):
    """An address in the form its pseudonym is made of."""

    kind: Literal["email", "phone", "message"]
    """A message stands for whoever got it, where nothing says who that was."""
    value: str


def pseudonym(key: bytes, address: Address) -> str:
    """The id that stands for an address in one workspace: equal for equal addresses, useless without the key."""
    digest = hmac.digest(key, f"{address.kind}:{address.value}".encode(), sha256).hex()
    return f"p_{digest[:PSEUDONYM_DIGITS]}"


def address_in(text: str) -> Address | None:
    """The e-mail address anywhere in `text`, or the international phone number that `text` is."""
    if "@" in text:
        found = _EMAIL.search(text)
        if found is not None:
            return Address("email", found.group().lower())
    if text.lstrip().startswith("+"):
        stripped = text.strip()
        if _PHONE.fullmatch(stripped):
            return Address("phone", _NOT_PHONE_DIGITS.sub("", stripped))
    return None


def masked(text: str) -> str:
    """`text` without e-mail addresses, phone numbers, network addresses and other long numbers."""
    if "@" in text:
        text = _EMAIL.sub(MASK, text)
    for pattern in (_PHONE, _IPV4, _IPV6, _NUMBER):
        text = pattern.sub(MASK, text)
    return text


def clean_link(link: str, *, keep_query: bool) -> str:
    """A link without what identifies its reader: query string, fragment, user part, and addresses elsewhere.

    Of a link that *is* an address (`mailto:`, `tel:`) the scheme remains.
    """
    contact = _CONTACT_LINK.match(link)
    if contact is not None:
        return f"{contact.group(1).lower()}:"
    if not keep_query:
        link = link.split("?", 1)[0].split("#", 1)[0]
    link = _USER_INFO.sub(r"\1", link)
    return _ADDRESS_IN_LINK.sub(MASK, link)
