"""What the companion APIs are asked, checked in the order of their contract (campaign specification 1.3–1.6, 3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any, Literal

import msgspec

from campanile.campaigns import vocabulary
from campanile.campaigns.checks import parse_time
from campanile.campaigns.listing.keys import name_key
from campanile.errors import InvalidInput, Problem

BODY_BYTES = 1024 * 1024
"""Largest request body."""
MAX_LIMIT = 15
"""Rows per page."""
MAX_IDS = 100
"""Ids one request may name; the Stats API pages by ten, so this labels ten pages at once."""
REQUEST_ID_CHARACTERS = 256
MAX_OFFSET = 10**9
"""No workspace has as many campaigns; beyond, a page is empty without asking."""

Api = Literal["search", "meta"]
Version = Literal["v1", "v5"]

_STATUS_WORDS: dict[str, frozenset[str]] = {
    **{name: frozenset({name}) for name in ("DRAFT", "SCHEDULED", "PAUSED", "SENT", "RETIRED", "ARCHIVED", "SENDING")},
    "ACTIVE": frozenset({"ACTIVE", "SENDING"}),
    "COMPLETED": frozenset({"SENT", "RETIRED"}),
    "STOPPED": frozenset({"STOPPED", "FAILED"}),
}
"""Filter word → stored statuses."""
_TYPES = {
    str: "string", int: "int", float: "float", bool: "boolean", list: "list", dict: "dict", type(None): "null",
}  # fmt: skip
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_DAY_FIRST = re.compile(r"(\d\d)-(\d\d)-(\d{4})", re.ASCII)
_V5_SEARCH_FIELDS = frozenset(
    {"ids", "name", "channels", "campaign_delivery_type", "status", "tags", "created_by", "created_date"}
)


class CampaignFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which campaigns are meant; all conditions hold together. None: no condition."""

    ids: frozenset[str] | None = None
    """In lower case, as stored."""
    name: str = ""
    """As `name_key` makes it; contained in the name."""
    channels: frozenset[str] | None = None
    """As stored."""
    delivery_types: frozenset[str] | None = None
    statuses: frozenset[str] | None = None
    """As stored."""
    tags: frozenset[str] | None = None
    """As `name_key` makes them; any of them."""
    created_by: frozenset[str] | None = None
    """As `name_key` makes them; any of them."""
    created_from: datetime | None = None
    created_to: datetime | None = None
    """Inclusive."""
    children: bool = False
    """Whether children and flow nodes are shown."""
    archived: bool = False


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of an answer."""

    request_id: str
    """As given; empty where it may be left out and was."""
    limit: int
    page: int
    """From 1."""

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


class CampaignQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request for campaigns."""

    page: Page
    filter: CampaignFilter
    nothing: bool = False
    """A filter was used that this API does not have: the answer is empty (V5)."""


def decode_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        InvalidInput: it is not one.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput("body is not valid JSON", attribute="body", type="invalid_json") from error
    if not isinstance(value, dict):
        raise InvalidInput("body is not a JSON object", attribute="body", type="not_an_object")
    return value


def caller_id(given: dict[str, Any]) -> str:
    """The id that the caller gave the request, for errors; empty without a usable one."""
    value = given.get("request_id")
    return value[:REQUEST_ID_CHARACTERS] if isinstance(value, str) else ""


def parse_page(given: dict[str, Any]) -> Page:
    """The request of the executions endpoint.

    Raises:
        InvalidInput: every field that is wrong.
    """
    fields = _Fields()
    page = fields.page(given, "v1", "")
    fields.finish()
    return page


def parse_query(given: dict[str, Any], api: Api, version: Version = "v1", header_id: str = "") -> CampaignQuery:
    """The request of a search or meta endpoint; `header_id` is the request id of the header (V5).

    Raises:
        InvalidInput: every field that is wrong, in the order of the contract.
    """
    fields = _Fields()
    page = fields.page(given, version, header_id)
    filters: dict[str, Any] = fields.typed(given.get("campaign_fields"), dict, "campaign_fields") or {}
    found = fields.filters(filters, api, version)
    children = fields.flag(given, "include_child_campaigns")
    archived = api == "meta"
    if api == "search":
        flags = [fields.flag(given, name) for name in ("include_archive_campaigns", "include_archived_campaigns")]
        archived = any(flags)
    fields.finish()
    unknown = (
        version == "v5"
        and api == "search"
        and any(name not in _V5_SEARCH_FIELDS and value is not None for name, value in filters.items())
    )
    wanted = CampaignFilter(**found, children=children, archived=archived)
    return CampaignQuery(page=page, filter=wanted, nothing=unknown)


class _Fields:
    """Collects problems in the order in which fields are read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def finish(self) -> None:
        if self.problems:
            first = self.problems[0]
            problems = tuple(self.problems)
            raise InvalidInput(first.message, attribute=first.attribute, type=first.type, problems=problems)

    def add(self, target: str, sentence: str) -> None:
        """`sentence` follows the name of the field, which is the last part of its path."""
        self.problems.append(Problem("invalid_field", f"{target.rpartition('.')[2]} {sentence}", target))

    def missing(self, target: str) -> None:
        self.add(target, "key is mandatory field")

    def typed(self, value: Any, kind: type, target: str) -> Any:
        """`value` if it is of exactly this JSON type, else None. None stays None."""
        if value is None or type(value) is kind:
            return value
        self.wrong_type(value, kind, target)
        return None

    def wrong_type(self, value: Any, kind: type, target: str) -> None:
        wanted, got = _TYPES[kind], _TYPES.get(type(value), "null")
        self.add(target, f"- Invalid value passed. Expected type: {wanted}, but got: {got}.")

    # --- the page

    def page(self, given: dict[str, Any], version: Version, header_id: str) -> Page:
        request_id = self._request_id(given.get("request_id"), version, header_id)
        limit = self._number(given.get("limit"), "limit", MAX_LIMIT)
        number = self._number(given.get("page"), "page", None)
        return Page(request_id=request_id, limit=limit, page=number)

    def _request_id(self, value: Any, version: Version, header_id: str) -> str:
        before = len(self.problems)
        text: str = self.typed(value, str, "request_id") or ""
        if len(self.problems) > before:
            return ""
        if len(text) > REQUEST_ID_CHARACTERS or len(header_id) > REQUEST_ID_CHARACTERS:
            self.add("request_id", "value is too long")
        elif text and header_id and text != header_id:
            self.add("request_id", "differs from the header X-MOE-Request-Id")
        elif not text and version == "v1":
            self.missing("request_id")
        return text or header_id

    def _number(self, value: Any, target: str, most: int | None) -> int:
        if value is None:
            self.missing(target)
        elif (number := self.typed(value, int, target)) is not None:
            if number < 1:
                self.add(target, "value is too short")
            elif most is not None and number > most:
                self.add(target, "value is too long")
            else:
                return int(number)
        return 1

    def flag(self, given: dict[str, Any], target: str) -> bool:
        return self.typed(given.get(target), bool, target) is True

    # --- the filters

    def filters(self, given: dict[str, Any], api: Api, version: Version) -> dict[str, Any]:
        found: dict[str, Any] = {"ids": self._ids(given)}
        name: str = self.typed(given.get("name"), str, "campaign_fields.name") or ""
        found["name"] = name_key(name.strip())
        found["channels"] = self._words(given.get("channels"), "channels", _single(vocabulary.channel))
        # Each version and endpoint names this filter in its own way; both are understood where both can be meant.
        kind = "delivery_type" if given.get("campaign_delivery_type") is None else "campaign_delivery_type"
        types = given.get(kind)
        if version == "v5" and api == "meta" and isinstance(types, str):
            types = [types] if types else None
        found["delivery_types"] = self._words(types, kind, _single(vocabulary.delivery_type))
        found["statuses"] = self._words(given.get("status"), "status", _statuses)
        for name in ("tags", "created_by"):
            texts = self._texts(given.get(name), f"campaign_fields.{name}")
            found[name] = frozenset(name_key(text.strip()) for text in texts) if texts else None
        low, high = self._created(given.get("created_date"), both=api == "meta")
        return {**found, "created_from": low, "created_to": high}

    def _ids(self, given: dict[str, Any]) -> frozenset[str] | None:
        one: str = self.typed(given.get("id"), str, "campaign_fields.id") or ""
        many = self._texts(given.get("ids"), "campaign_fields.ids", MAX_IDS)
        sets = [{one}] if one else []
        sets += [set(many)] if many else []
        if not sets:
            return None
        known = [{name for text in texts if (name := vocabulary.campaign_id(text)) is not None} for texts in sets]
        return frozenset(set.intersection(*known))

    def _texts(self, value: Any, target: str, most: int | None = None) -> list[str]:
        items: list[Any] = self.typed(value, list, target) or []
        if most is not None and len(items) > most:
            self.add(target, "value is too long")
            return []
        wrong = [item for item in items if not isinstance(item, str)]
        if wrong:
            self.wrong_type(wrong[0], str, target)
            return []
        return items

    def _words(self, value: Any, name: str, meaning: Callable[[str], frozenset[str] | None]) -> frozenset[str] | None:
        target = f"campaign_fields.{name}"
        texts = self._texts(value, target)
        meant: set[str] = set()
        for text in texts:
            words = meaning(text)
            if words is None:
                self.add(target, "is invalid passed value")
                return None
            meant |= words
        return frozenset(meant) if texts else None

    def _created(self, value: Any, *, both: bool) -> tuple[datetime | None, datetime | None]:
        target = "campaign_fields.created_date"
        given: dict[str, Any] | None = self.typed(value, dict, target)
        if given is None:
            return None, None
        before = len(self.problems)
        low = self._instant(given.get("from_date"), f"{target}.from_date", time.min, required=both)
        high = self._instant(given.get("to_date"), f"{target}.to_date", time.max, required=both)
        if len(self.problems) == before and low is not None and high is not None and low > high:
            self.add(f"{target}.from_date", "is invalid passed value")
        return low, high

    def _instant(self, value: Any, target: str, of_day: time, *, required: bool) -> datetime | None:
        """A day counts from its first or to its last moment, as `of_day` says."""
        if value in (None, ""):
            if required:
                self.missing(target)
            return None
        text: str | None = self.typed(value, str, target)
        if text is None:
            return None
        day = _day(text.strip())
        instant = datetime.combine(day, of_day, UTC) if day is not None else parse_time(text)
        if instant is None:
            self.add(target, "is invalid passed value")
        return instant


def _single(meaning: Callable[[str], str | None]) -> Callable[[str], frozenset[str] | None]:
    def words(text: str) -> frozenset[str] | None:
        word = meaning(text)
        return None if word is None else frozenset({word})

    return words


def _statuses(text: str) -> frozenset[str] | None:
    return _STATUS_WORDS.get(text.strip().upper())


def _day(text: str) -> date | None:
    if match := _DAY.fullmatch(text):
        parts = match[1], match[2], match[3]
    elif match := _DAY_FIRST.fullmatch(text):
        parts = match[3], match[2], match[1]
    else:
        return None
    try:
        return date(*map(int, parts))
    except ValueError:
        return None
