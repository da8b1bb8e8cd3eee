"""Bulk import: modes, order, failures, limits."""

from __future__ import annotations

from typing import Any

import pytest

from campanile.campaigns import imports
from campanile.campaigns.schemas import ImportReport
from campanile.campaigns.service import CampaignService
from campanile.clock import FixedClock
from campanile.errors import NotFound, PayloadTooLarge
from campanile.metadata import Metadata
from tests.campaigns.samples import (
    DOCUMENTS,
    NEW,
    NEWSLETTER,
    NOBODY,
    OTHER,
    PUSH,
    RUN_1,
    RUN_3,
    SALE,
    SALE_DOCUMENT,
    SMS,
    hint,
    lines,
    listing,
    simple,
)


def counts(report: ImportReport) -> dict[str, int]:
    names = ("created", "updated", "unchanged", "skipped", "failed")
    found = {name: getattr(report, name) for name in names if getattr(report, name)}
    if not report.aborted:
        assert sum(found.values()) == report.total
    return found


def take(campaigns: CampaignService, *documents: dict[str, Any] | str, **options: Any) -> ImportReport:
    return campaigns.import_lines("W", lines(*documents), **options)


def status_of(campaigns: CampaignService, campaign_id: str) -> str | None:
    campaign = campaigns.get("W", campaign_id)
    return None if campaign is None else campaign.status


def test_importing_twice_changes_nothing(campaigns: CampaignService) -> None:
    assert counts(take(campaigns, *DOCUMENTS)) == {"created": len(DOCUMENTS)}
    assert counts(take(campaigns, *DOCUMENTS)) == {"unchanged": len(DOCUMENTS)}


def test_good_lines_are_taken_and_bad_ones_reported(shop: CampaignService) -> None:
    report = take(
        shop,
        {"campaign_id": RUN_3, "parent_id": NEW, "status": "SENT"},
        {"campaign_id": NEW, **simple(channel="EMAIL", campaign_delivery_type="PERIODIC")},
        {"campaign_id": NEW[:-2] + "zz", "channel": "EMAIL"},
        SALE_DOCUMENT,
    )
    assert counts(report) == {"created": 2, "unchanged": 1, "failed": 1}
    (failure,) = report.errors
    assert (failure.line, failure.campaign_id, failure.type, failure.attribute) == (
        3,
        NEW[:-2] + "zz",
        "format",
        "campaign_id",
    )
    assert [item["attribute"] for item in failure.details] == [
        "campaign_id",
        "campaign_delivery_type",
        "basic_details.name",
    ]
    assert not report.errors_truncated


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{not json", ("json", "body")),
        ("[]", ("json", "body")),
        ("5", ("json", "body")),
        ('{"campaign_id":"' + NEW + '"} x', ("json", "body")),
        ('{"campaign_id":"\\ud800"}', ("json", "body")),
        ('{"campaign_id":1e400}', ("json", "body")),
        ('{"campaign_id":"' + NEW + '","x":' + "[" * 5000 + "]" * 5000 + "}", ("json", "body")),
        ("{}", ("required", "campaign_id")),
        ('{"campaign_id":null,"id":5}', ("type", "campaign_id")),
        ('{"campaign_id":"' + NEW + '","parent_id":"' + NOBODY + '"}', ("unknown_parent", "parent_id")),
        ('{"campaign_id":"' + NEW + '","parent_id":"' + RUN_1 + '"}', ("parent_is_child", "parent_id")),
        ('{"campaign_id":"' + NEW + '","parent_id":5}', ("type", "parent_id")),
        ('{"campaign_id":"' + NEW + '","parent_id":"' + NEW + '"}', ("format", "parent_id")),
    ],
)
def test_a_bad_line_does_not_stop_the_others(shop: CampaignService, line: str, problem: tuple[str, str]) -> None:
    report = take(shop, line, {"campaign_id": OTHER, **simple()})
    assert counts(report) == {"created": 1, "failed": 1}
    assert [(failure.line, failure.type, failure.attribute) for failure in report.errors] == [(1, *problem)]


def test_lines_are_numbered_with_the_blank_ones(campaigns: CampaignService) -> None:
    body = b"\xef\xbb\xbf" + lines({"campaign_id": NEW, **simple()}) + b"\r\n\r\n  \n{x\r\n" + lines(
        {"campaign_id": OTHER, **simple()}
    )  # fmt: skip
    report = campaigns.import_lines("W", body)
    assert counts(report) == {"created": 2, "failed": 1}
    assert [failure.line for failure in report.errors] == [4]
    assert campaigns.import_lines("W", b"").total == campaigns.import_lines("W", b"\n\n").total == 0


def test_of_two_lines_on_one_campaign_the_later_wins(campaigns: CampaignService) -> None:
    report = take(campaigns, *({"campaign_id": NEW, **simple(status=status)} for status in ("DRAFT", "SENT", "SENT")))
    assert counts(report) == {"created": 1, "updated": 1, "unchanged": 1}
    assert status_of(campaigns, NEW) == "SENT"
    # also for a child, whose lines wait for the parents
    report = take(
        campaigns,
        {"campaign_id": RUN_1, "parent_id": NEWSLETTER, "status": "DRAFT"},
        {"campaign_id": RUN_1, **simple(status="SENT")},
        {"campaign_id": NEWSLETTER, **simple()},
    )
    assert counts(report) == {"created": 2, "updated": 1}
    assert status_of(campaigns, RUN_1) == "SENT"


def test_skip_leaves_existing_campaigns_alone(shop: CampaignService) -> None:
    report = take(
        shop,
        {**SALE_DOCUMENT, "status": "STOPPED"},
        {"campaign_id": SMS, "channel": "FAX"},
        {"campaign_id": NEW, **simple()},
        {"campaign_id": NEW, **simple("again")},
        mode="skip",
    )
    assert counts(report) == {"created": 1, "skipped": 2, "failed": 1}
    assert status_of(shop, SALE) == "SENT"


def test_merge_changes_given_members_only(shop: CampaignService) -> None:
    before = shop.document("W", SALE)
    assert before is not None
    report = take(shop, {"campaign_id": SALE, "status": "STOPPED", "campaign_tags": ["x"]}, mode="merge")
    assert counts(report) == {"updated": 1}
    after = shop.document("W", SALE)
    assert after is not None
    details = {**before.document["basic_details"], "tags": ["x"]}
    changed = {"status": "STOPPED", "basic_details": details, "revision": 2}
    assert after.document == {**before.document, **changed}
    assert counts(take(shop, {"campaign_id": SALE, "campaign_tags": ["x"]}, mode="merge")) == {"unchanged": 1}
    assert counts(take(shop, {"campaign_id": RUN_1, "status": "SENT"}, mode="merge")) == {"unchanged": 1}


def test_merge_of_an_unknown_campaign_needs_a_whole_document(shop: CampaignService) -> None:
    report = take(shop, {"campaign_id": NEW, "status": "SENT"}, {"campaign_id": OTHER, **simple()}, mode="merge")
    assert counts(report) == {"created": 1, "failed": 1}
    assert [item["attribute"] for item in report.errors[0].details] == [
        "channel",
        "campaign_delivery_type",
        "basic_details.name",
    ]


def test_merges_of_one_file_add_up(shop: CampaignService) -> None:
    report = take(
        shop,
        {"campaign_id": SMS, "status": "PAUSED"},
        {"campaign_id": SMS, "campaign_team": "T"},
        {"campaign_id": SMS, "status": "SENT"},
        mode="merge",
    )
    assert counts(report) == {"updated": 3}
    found = shop.document("W", SMS)
    assert found is not None
    assert (found.document["status"], found.document["basic_details"]["team"], found.revision) == ("SENT", "T", 4)


def test_abort_writes_nothing_if_a_line_fails(shop: CampaignService) -> None:
    report = take(shop, {"campaign_id": NEW, **simple()}, "{not json", {**SALE_DOCUMENT, "status": "DRAFT"},
                  abort_on_error=True)  # fmt: skip
    assert report.aborted
    assert report.total == 3
    assert counts(report) == {"failed": 1}
    assert shop.get("W", NEW) is None
    assert status_of(shop, SALE) == "SENT"
    report = take(shop, {"campaign_id": NEW, **simple()}, abort_on_error=True)
    assert not report.aborted
    assert counts(report) == {"created": 1}


@pytest.mark.parametrize("abort_on_error", [True, False])
def test_a_dry_run_tells_what_would_happen(shop: CampaignService, abort_on_error: bool) -> None:
    documents = [
        {"campaign_id": RUN_3, "parent_id": NEW},
        {"campaign_id": NEW, **simple()},
        {**SALE_DOCUMENT, "status": "DRAFT"},
        SALE_DOCUMENT,
    ]
    report = take(shop, *documents, dry_run=True, abort_on_error=abort_on_error)
    assert counts(report) == {"created": 2, "updated": 2}
    assert shop.get("W", NEW) is None
    assert status_of(shop, SALE) == "SENT"
    assert counts(take(shop, *documents)) == counts(report)


@pytest.mark.parametrize("abort_on_error", [True, False])
def test_parents_and_children_may_be_transactions_apart(
    campaigns: CampaignService, monkeypatch: pytest.MonkeyPatch, abort_on_error: bool
) -> None:
    monkeypatch.setattr(imports, "LINES_PER_TRANSACTION", 2)
    children = [{"campaign_id": f"{number:024x}", "parent_id": f"{99 - number:024x}"} for number in range(7)]
    parents = [{"campaign_id": f"{99 - number:024x}", **simple()} for number in range(7)]
    report = take(campaigns, *children, *parents, *children, abort_on_error=abort_on_error)
    assert counts(report) == {"created": 14, "unchanged": 7}


def test_a_failing_transaction_leaves_the_ones_before(
    metadata: Metadata, shop: CampaignService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "LINES_PER_TRANSACTION", 1)
    real = imports.write_document
    calls = iter(range(10))

    def fail_at_the_third(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 2:
            raise RuntimeError
        return real(*arguments, **named)

    monkeypatch.setattr(imports, "write_document", fail_at_the_third)
    names = [f"{number:024x}" for number in range(4)]
    with pytest.raises(RuntimeError):
        take(shop, *({"campaign_id": name, **simple()} for name in names))
    assert sorted(shop.get_many("W", names)) == names[:2]


def test_only_so_many_errors_are_listed(campaigns: CampaignService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "ERRORS", 2)
    report = take(campaigns, "x", "y", {"campaign_id": NEW, **simple()}, "z")
    assert counts(report) == {"created": 1, "failed": 3}
    assert [failure.line for failure in report.errors] == [1, 2]
    assert report.errors_truncated


def test_limits_refuse_the_whole_import(campaigns: CampaignService, monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"campaign_id": NEW, **simple()}
    monkeypatch.setattr(imports, "LINES", 2)
    campaigns.import_lines("W", lines(good, good) + b"\n")
    for limit, value in (("LINES", 1), ("LINE_BYTES", 20), ("BODY_BYTES", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(imports, limit, value)
            with pytest.raises(PayloadTooLarge):
                take(campaigns, {**good, "campaign_id": OTHER}, good)
    assert campaigns.get("W", OTHER) is None


def test_an_unknown_workspace(campaigns: CampaignService) -> None:
    with pytest.raises(NotFound):
        campaigns.import_lines("nobody", lines({"campaign_id": NEW, **simple()}))


def test_an_import_describes_a_registered_campaign(
    campaigns: CampaignService, workspace: Any, clock: FixedClock
) -> None:
    campaigns.register(workspace, [hint(NEW, channel="PUSH", platforms="IOS", sent=3)])
    report = take(campaigns, {"campaign_id": NEW, **simple(channel="PUSH")})
    assert counts(report) == {"updated": 1}
    found = campaigns.document("W", NEW)
    assert found is not None
    assert (found.document["source"], found.document["auto_registered"], found.revision) == ("import", False, 2)
    assert found.document["sent_time"] == "2024-11-30T10:00:03Z"
    assert found.document["basic_details"] == {"name": "x", "tags": [], "platforms": ["IOS"]}


def test_a_large_import_keeps_its_order(campaigns: CampaignService) -> None:
    documents = [{"campaign_id": f"{n:024x}", "parent_id": f"{n // 2 + 10_000:024x}"} for n in range(1500)]
    documents += [{"campaign_id": f"{n + 10_000:024x}", **simple(str(n))} for n in range(750)]
    assert counts(take(campaigns, *documents)) == {"created": 2250}
    assert len(listing(campaigns, "W")) == 2250
    children = campaigns.children_of("W", [f"{n + 10_000:024x}" for n in range(750)])
    assert sum(map(len, children.values())) == 1500
    assert {PUSH, SALE}.isdisjoint(children)
