"""Looking campaigns up: search, labels for numbers, runs of parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

PATH = "/core-services/v1/campaigns"
PAGE = 15
"""Campaigns asked for at once; the most the API gives."""
REQUEST_ID = "campanile-client"

Row = dict[str, Any]


class Post(Protocol):
    """Sends one JSON object and returns what came back."""

    def __call__(self, path: str, content: Mapping[str, object]) -> Any: ...


class Campaigns:
    """Every method raises as those of the client do. Filters: those of `campaign_fields`; empty ones are left out."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def search(
        self,
        *,
        page: int = 1,
        limit: int = PAGE,
        include_children: bool = False,
        include_archived: bool = False,
        **filters: str | Sequence[str] | Mapping[str, str],
    ) -> list[Row]:
        """One page of campaigns with their whole configuration, newest first."""
        body = _body(page, limit, filters, include_child_campaigns=include_children)
        rows: list[Row] = self._post(f"{PATH}/search", {**body, "include_archive_campaigns": include_archived})
        return rows

    def meta(
        self,
        *,
        page: int = 1,
        limit: int = PAGE,
        include_children: bool = True,
        **filters: str | Sequence[str] | Mapping[str, str],
    ) -> list[Row]:
        """One page of names, parents and reach, newest first."""
        rows: list[Row] = self._post(
            f"{PATH}/meta", _body(page, limit, filters, include_child_campaigns=include_children)
        )
        return rows

    def labels(self, campaign_ids: Sequence[str]) -> dict[str, Row]:
        """The `meta` rows of these campaigns by id; unknown ids are left out."""
        wanted = list(dict.fromkeys(campaign_ids))
        found = {}
        for start in range(0, len(wanted), PAGE):
            for row in self.meta(ids=wanted[start : start + PAGE]):
                found[row["campaign_id"]] = row
        return found

    def executions(self, parent_id: str) -> Iterator[Row]:
        """All runs of a parent, earliest first."""
        page = 1
        while True:
            path = f"{PATH}/{quote(parent_id, safe='')}/executions"
            runs = self._post(path, _body(page, PAGE, {})).get("executions", [])
            yield from runs
            if len(runs) < PAGE:
                return
            page += 1


def _body(page: int, limit: int, filters: Mapping[str, Any], **flags: bool) -> dict[str, object]:
    fields = {name: value for name, value in filters.items() if value}
    wanted = {"campaign_fields": fields} if fields else {}
    return {"request_id": REQUEST_ID, "limit": limit, "page": page, **flags, **wanted}
