"""The report builder: what is filled in becomes the document the API takes, and what is wrong is said where it is."""

from __future__ import annotations

import html
import re
from typing import Any

import msgspec
import pytest

from campanile.dashboard.builder import form
from campanile.dashboard.builder.actions import act
from campanile.dashboard.builder.form import Custom, Given
from campanile.dashboard.builder.problems import trouble
from campanile.errors import Problem
from campanile.http.forms import Form
from campanile.reports.documents import document
from campanile.reports.schemas import CHANNELS
from campanile.reports.spec import read
from tests.dashboard.site import Site
from tests.dashboard.test_campaigns import document as campaign
from tests.dashboard.test_campaigns import event
from tests.reports.samples import DEFINITION, SMALL, changed, circumstances

pytestmark = pytest.mark.slow

MAIL = f"{22:024x}"
NASTY = "<b data-broken-out>Öffnungen</b> 春 {{7*7}}"
ALL = "all_interactions"

DOCUMENTS = [
    DEFINITION,
    SMALL,
    changed(SMALL, schedule={"type": "once", "at": "asap"}),
    changed(SMALL, schedule={"type": "once", "at": "2025-06-01T06:30", "time_zone": "Europe/Berlin"}),
    changed(SMALL, schedule={"type": "weekly", "time": "23:59", "weekdays": [2, 7]}),
    changed(SMALL, schedule={"type": "monthly", "time": "00:00", "day": 31, "end": {"type": "after_runs", "runs": 3}}),
    changed(
        SMALL,
        schedule={"type": "custom", "every": 2, "unit": "months", "time": "01:00", "day": "last",
                  "end": {"type": "on_date", "date": "2026-01-01"}},
    ),
    changed(SMALL, schedule={"type": "custom", "every": 3, "unit": "weeks", "time": "01:00", "weekdays": [1]}),
    changed(SMALL, selection__date_range={"type": "absolute", "start": "2025-01-01", "end": "2025-01-31"}),
    changed(SMALL, selection__date_range={"type": "rolling", "days": 5, "offset_days": 2}),
    changed(SMALL, selection__campaigns={"mode": "manual", "ids": [MAIL, f"{23:024x}"]}),
    changed(
        SMALL,
        selection__filters={"tags": {"match": "all", "values": [NASTY, "a, b"]}, "created_by": ["a@b.example"],
                            "statuses": ["EXPIRED"], "include_archived": True},
    ),
    changed(SMALL, selection__filters={"tags": {"untagged": True}}),
    changed(
        SMALL,
        content={"split": {"date": True, "child": True, "variation": True, "locale": True}, "parent_totals": True,
                 "skip_zero_days": True, "performance_window": "lifetime",
                 "columns": {"EMAIL": ["campaign.name", "custom.a", "campaign.id"]},
                 "custom_attributes": [{"key": "custom.a", "header": NASTY, "channels": ["EMAIL"], "type": "currency",
                                        "expression": "@{campaign-stats.sent} * 2", "on_zero_division": "zero"}]},
    ),
    changed(
        SMALL,
        format={"type": "csv", "delimiter": "\t", "bom": True, "newline": "crlf", "formula_guard": False,
                "lists": "json", "include_manifest": True},
        on_empty="header_only",
    ),
    changed(SMALL, format={"type": "xlsx", "compression": "tar"}, delivery={"webhook": {"url": "https://x.example/"}}),
    changed(SMALL, delivery={"email": {"recipients": ["a@b.example", "c@d.example"], "require_login": True}}),
]  # fmt: skip


def fields_of(given: Given) -> list[tuple[str, str]]:
    """The fields a browser sends of a form that shows this."""
    fields: list[tuple[str, str]] = [(name, getattr(given, name)) for name in form.TEXTS]
    fields += [(name, "true") for name in form.TICKS if getattr(given, name)]
    fields += [("channel", token) for token in given.channels]
    fields += [(f"types.{token}", name) for token, names in given.types.items() for name in names]
    fields += [("ids", " ".join(given.ids)), *(("tag", tag) for tag in given.tags)]
    fields += [("status", status) for status in given.statuses]
    fields += [(f"columns.{token}", " ".join(keys)) for token, keys in given.columns.items()]
    for number, custom in enumerate(given.custom):
        start = f"custom-{number}-"
        fields += [
            (f"{start}key", custom.key), (f"{start}header", custom.header), (f"{start}expression", custom.expression),
            (f"{start}type", custom.type), (f"{start}decimals", custom.decimals),
            (f"{start}zero", custom.on_zero_division), *((f"{start}channel", token) for token in custom.channels),
        ]  # fmt: skip
    fields += [("split", name) for name in sorted(given.splits)]
    return [*fields, *(("weekday", day) for day in given.weekdays)]


@pytest.mark.parametrize("stored", DOCUMENTS, ids=[str(number) for number in range(len(DOCUMENTS))])
def test_a_form_that_is_not_touched_changes_nothing(stored: dict[str, Any]) -> None:
    spec = read(stored, circumstances()).spec
    shown = form.of_document(document(spec), "UTC")
    assert read(form.raw(shown), circumstances(previous=spec, state="ACTIVE")).spec == spec
    sent = form.given(Form(fields_of(shown)))
    assert read(form.raw(sent), circumstances(previous=spec, state="ACTIVE")).spec == spec


def test_a_new_form_lacks_a_name_and_channels_only() -> None:
    given = msgspec.structs.replace(Given(zone="UTC"), name="New", channels=("PUSH",))
    assert read(form.raw(given), circumstances()).spec.name == "New"


@pytest.mark.parametrize(
    ("headers", "keys"),
    [
        (["Clicks per sent"], ["custom.clicks_per_sent"]),
        (["Größe", "Größe", "春"], ["custom.gr_e", "custom.gr_e_2", "custom.column"]),
        (["1", "x" * 60], ["custom.column_1", "custom." + "x" * 36]),
        ([NASTY], ["custom.b_data_broken_out_ffnungen_b_7_7"[: 7 + 36]]),
    ],
)
def test_keys_of_own_columns_come_from_their_headers(headers: list[str], keys: list[str]) -> None:
    made = form.keyed([Custom(header=header) for header in headers])
    assert [custom.key for custom in made] == keys
    assert form.keyed(made) == made


GIVEN = Given(name="X", channels=("PUSH", "EMAIL"), columns={"PUSH": ("campaign.id", "campaign.name")})


@pytest.mark.parametrize(
    ("word", "push"),
    [
        ("up:PUSH:campaign.name", ("campaign.name", "campaign.id")),
        ("up:PUSH:campaign.id", ("campaign.id", "campaign.name")),
        ("down:PUSH:campaign.id", ("campaign.name", "campaign.id")),
        ("remove:PUSH:campaign.id", ("campaign.name",)),
        ("add:PUSH:campaign-stats.sent", ("campaign.id", "campaign.name", "campaign-stats.sent")),
        ("add:PUSH:campaign.id", ("campaign.id", "campaign.name")),
        ("down:PUSH:nothing", ("campaign.id", "campaign.name")),
        ("explode", ("campaign.id", "campaign.name")),
        ("add:NOBODY:campaign.id", ("campaign.id", "campaign.name")),
    ],
)
def test_buttons_for_columns(word: str, push: tuple[str, ...]) -> None:
    assert act(GIVEN, word, ALL).columns["PUSH"] == push
    assert set(act(GIVEN, word, ALL).columns) == {"PUSH"}


def test_other_buttons() -> None:
    assert act(GIVEN, "usual:PUSH", ALL).columns == {}
    own = act(GIVEN, "own:EMAIL", ALL).columns["EMAIL"]
    assert "campaign-stats.sent" in own
    assert act(GIVEN, "add:EMAIL:campaign-stats.total_sent", ALL).columns["EMAIL"][: len(own)] == own
    assert act(GIVEN, "same:PUSH", ALL).columns["EMAIL"] == ("campaign.id", "campaign.name")
    assert act(GIVEN, "same:EMAIL", ALL) == GIVEN
    one = act(GIVEN, "remove:PUSH:campaign.id", ALL)
    assert act(one, "remove:PUSH:campaign.name", ALL) == one, "a file has a column"
    picked = act(act(GIVEN, f"pick:{MAIL}", ALL), f"pick:{MAIL}", ALL)
    assert (picked.mode, picked.ids) == ("manual", (MAIL,))
    assert act(picked, f"drop:{MAIL}", ALL).ids == ()
    more = act(act(GIVEN, "more", ALL), "more", ALL)
    assert len(more.custom) == 2
    assert len(act(more, "fewer:0", ALL).custom) == 1
    assert act(more, "fewer:7", ALL) == more


@pytest.mark.parametrize(
    ("attribute", "message", "field", "step", "sentence"),
    [
        ("name", "name is required.", "name", 1, "Name is required."),
        ("selection.date_range.end", "selection.date_range.end must not be before the start.", "last", 1,
         "Last day must not be before the start."),
        ("content.columns.EMAIL[3]", "content.columns.EMAIL[3]: There is no column x.", "columns", 2,
         "Columns of E-mail: There is no column x."),
        ("content.custom_attributes[1].expression", "content.custom_attributes[1].expression is required.",
         "custom-1-expression", 2, "Own column 2: expression is required."),
        ("schedule", "schedule has no run in the future.", "schedule", 3, "Schedule has no run in the future."),
        ("delivery.email.recipients[0]", "delivery.email.recipients[0] may not be written to.", "emails", 3,
         "E-mail addresses may not be written to."),
        ("", "Something else.", "", 1, "Something else."),
    ],
)  # fmt: skip
def test_problems_find_their_field(attribute: str, message: str, field: str, step: int, sentence: str) -> None:
    found = trouble(Problem("x", message, attribute))
    assert (found.field, found.step, found.sentence) == (field, step, sentence)


# --- over HTTP


@pytest.fixture(scope="module")
def base(site: Site) -> str:
    site.server.import_campaigns(site.owner, [campaign(MAIL, "EMAIL", NASTY)])
    site.server.send_events(site.owner, [event(MAIL, "EMAIL", 0, "sent")])
    return f"/w/{site.id}/reports"


FILLED = Given(name="Built", channels=("EMAIL",), zone="Europe/Berlin")


def send(site: Site, path: str, given: Given, who: str = "analyst", **more: str) -> Any:
    person = site.people[who]
    pairs = [("csrf", person.csrf), *fields_of(given), *more.items()]
    grouped: dict[str, Any] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return person.send("POST", path, grouped)


def test_the_builder_is_for_analysts(site: Site, base: str) -> None:
    assert site.viewer.get(f"{base}/new").status_code == 403
    assert send(site, f"{base}/new", FILLED, "viewer", do="save").status_code == 403
    assert send(site, f"{base}/preview", FILLED, "viewer").status_code == 403
    page = site.people["analyst"].get(f"{base}/new")
    assert page.status_code == 200
    assert 'hx-trigger="load' in page.text


def test_steps_are_left_when_they_are_right(site: Site, base: str) -> None:
    empty = Given(zone="UTC")
    stopped = send(site, f"{base}/new", empty, do="step:3", step="1")
    assert stopped.status_code == 422
    assert 'data-step="1"' in stopped.text
    assert "Name is required." in stopped.text
    assert "Channels must name at least one channel." in stopped.text
    second = send(site, f"{base}/new", FILLED, do="step:2", step="1")
    assert (second.status_code, 'data-step="2"' in second.text) == (200, True)
    back = send(site, f"{base}/new", empty, do="step:1", step="2")
    assert (back.status_code, 'data-step="1"' in back.text) == (200, True)
    late = msgspec.structs.replace(FILLED, schedule="once", at_date="2020-01-01", at_time="06:00")
    refused = send(site, f"{base}/new", late, do="save", step="3")
    assert refused.status_code == 422
    assert 'id="e-at_date"' in refused.text
    assert "2020-01-01" in refused.text, "what was filled in stays"


def test_a_report_is_saved_once(site: Site, base: str) -> None:
    given = msgspec.structs.replace(FILLED, name="Built once", schedule="weekly", weekdays=("1", "4"))
    answers = [send(site, f"{base}/new", given, do="save", step="3", ticket="one-ticket") for _ in range(2)]
    (target,) = {answer.headers["location"] for answer in answers}
    report_id = target.rpartition("/")[2]
    found = site.services.definitions.get(site.id, report_id)
    assert (found.state, found.spec.name, found.created_by) == ("ACTIVE", "Built once", "analyst@example.com")
    assert found.spec.schedule is not None
    assert found.spec.schedule.weekdays == (1, 4)
    assert "Every Monday and Thursday at 06:00, Europe/Berlin" in site.viewer.get(target).text
    again = send(site, f"{base}/new", given, do="save", step="3", ticket="another")
    assert again.status_code == 422
    assert 'id="e-name"' in again.text
    other = msgspec.structs.replace(given, name="Built twice")
    reused = send(site, f"{base}/new", other, do="save", step="3", ticket="one-ticket")
    assert reused.status_code == 422


def test_what_is_to_be_made_now_is_watched(site: Site, base: str) -> None:
    given = msgspec.structs.replace(FILLED, name="At once", schedule="asap")
    target = send(site, f"{base}/new", given, do="save", step="3").headers["location"]
    page = site.people["analyst"].get(target).text
    assert "The report is being made." in page
    assert 'hx-trigger="every 2s"' in page
    site.server.make_reports()
    assert 'hx-trigger="every 2s"' not in site.viewer.get(target).text


def test_a_draft_is_finished_later(site: Site, base: str) -> None:
    given = msgspec.structs.replace(FILLED, name="Half done", rest=False)
    target = send(site, f"{base}/new", given, do="draft", step="1").headers["location"]
    report_id = target.rpartition("/")[2]
    assert site.services.definitions.get(site.id, report_id).state == "DRAFT"
    page = site.people["analyst"].get(f"{target}/edit").text
    assert 'value="Half done"' in page
    assert "Save and start" in page or "Next: " in page
    refused = send(site, f"{target}/edit", given, do="save", step="3", version="1")
    assert refused.status_code == 422
    assert 'id="e-delivery"' in refused.text
    started = send(site, f"{target}/edit", msgspec.structs.replace(given, rest=True), do="save", step="3", version="1")
    assert started.headers["location"] == target
    assert site.services.definitions.get(site.id, report_id).state == "ACTIVE"


def test_editing_starts_from_what_is_stored_and_notices_others(site: Site, base: str) -> None:
    given = msgspec.structs.replace(FILLED, name="Edited by two")
    target = send(site, f"{base}/new", given, do="save", step="3").headers["location"]
    assert 'value="save"' in site.people["analyst"].get(f"{target}/edit").text, "at every step"
    later = msgspec.structs.replace(given, time="07:15")
    assert send(site, f"{target}/edit", later, do="save", step="3", version="1").status_code == 303
    assert "07:15" in site.viewer.get(target).text
    outdated = send(site, f"{target}/edit", given, do="save", step="3", version="1")
    assert outdated.status_code == 422
    assert "Somebody else saved this report" in outdated.text
    assert "07:15" in site.viewer.get(target).text
    history = site.viewer.get(target).text
    assert "schedule.time" in history
    entry = site.services.audit.page(site.id, limit=1)[0]
    assert (entry.action, entry.after["changed"]) == ("report.changed", "schedule.time")


def test_reports_of_others_cannot_be_edited(site: Site, base: str) -> None:
    target = send(site, f"{base}/new", msgspec.structs.replace(FILLED, name="Mine"), do="save").headers["location"]
    theirs = target.replace(site.id, "WOTHER")
    stranger = site.people["stranger"]
    stranger.get("/w/WOTHER/reports")
    assert stranger.get(f"{theirs}/edit").status_code == 404
    assert send(site, f"{theirs}/edit", FILLED, "stranger", do="save", version="1").status_code == 404
    chosen = stranger.get(f"/w/WOTHER/reports/new?campaign={MAIL}").text
    assert MAIL not in chosen, "campaigns of others are not known"


def test_formulas_are_checked_while_they_are_written(site: Site, base: str) -> None:
    def check(expression: str) -> str:
        given = msgspec.structs.replace(FILLED, custom=(Custom(header="X", expression=expression),))
        text = send(site, f"{base}/new", given, do="refresh", step="2").text
        found = re.search(r'id="custom-0-check".*?</div>', text, re.DOTALL)
        assert found
        return html.unescape(re.sub(r"<[^>]+>", "", found.group()))

    assert "Write a formula" in check("")
    assert "Reads Total Sent, Total clicks" in check("@{campaign-stats.sent} / @{campaign-stats.clicks}")
    assert "similar: campaign-stats.clicks" in check("@{campaign-stats.clickz}")
    assert "no column" in check("@{campaign-stats.nothing_like_it}")
    assert "E-mail has no column" in check("@{campaign-stats.android.clicks}").replace("EMAIL", "E-mail")
    wrong = check("1 + / @{campaign-stats.sent}")
    assert "1 + / @{campaign-stats.sent}" in wrong, "the fault is marked in the formula"


def test_campaigns_are_found_and_picked(site: Site, base: str) -> None:
    link = f"{base}/new?campaign={MAIL}"
    assert link in site.people["analyst"].get(f"/w/{site.id}/campaigns/{MAIL}").text
    assert link not in site.viewer.get(f"/w/{site.id}/campaigns/{MAIL}").text
    page = site.people["analyst"].get(f"{base}/new?campaign={MAIL}&campaign=unknown").text
    assert f'value="{MAIL}"' in page
    assert 'value="EMAIL" id="channel-EMAIL" checked' in page
    given = msgspec.structs.replace(FILLED, mode="manual")
    found = send(site, f"{base}/new", given, do="refresh", step="1", find="ÖFFNUNGEN").text
    assert f"pick:{MAIL}" in found
    assert f"pick:{MAIL}" not in send(site, f"{base}/new", given, do="refresh", find="elsewhere").text
    picked = send(site, f"{base}/new", given, do=f"pick:{MAIL}").text
    assert f"drop:{MAIL}" in picked
    assert "data-broken-out>" not in picked


def test_columns_are_found_by_words(site: Site, base: str) -> None:
    def found(**search: str) -> list[str]:
        text = send(site, f"{base}/new", FILLED, do="refresh", step="2", **search).text
        return re.findall(r'value="add:EMAIL:([^"]+)"', text)

    assert found(columns_find="bounce hard") != []
    assert all("goal_" in key for key in found(columns_group="goals"))
    assert found(columns_find="no such thing") == []
    assert len(found()) == 40
    assert not [key for key in found(columns_group="campaign") if not key.startswith("campaign.")]


def test_the_preview_is_what_a_file_would_hold(site: Site, base: str) -> None:
    custom = Custom(header=NASTY, expression="@{campaign-stats.sent} * 2")
    given = msgspec.structs.replace(FILLED, name="", range="last_7_days", custom=(custom, Custom(header="unfinished")))
    text = send(site, f"{base}/preview", given).text
    assert html.escape(NASTY) in text or html.escape(NASTY, quote=False) in text
    assert "data-broken-out>" not in text
    assert MAIL in text
    seen = re.search(r'id="preview-seen" value="(\w+)"', text)
    assert seen
    assert send(site, f"{base}/preview", given, seen=seen.group(1)).status_code == 204
    nothing = send(site, f"{base}/preview", Given(zone="UTC"))
    assert "must name at least one channel" in nothing.text
    wrong = msgspec.structs.replace(FILLED, range="days", days="many")
    assert "Number of days must be a whole number" in send(site, f"{base}/preview", wrong).text


def test_previews_are_limited(site: Site, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campanile.dashboard.builder.routes.PREVIEWS_PER_MINUTE", 1)
    assert send(site, f"{base}/preview", FILLED, "admin").status_code == 200
    assert send(site, f"{base}/preview", FILLED, "admin").status_code == 429


def test_every_channel_can_be_built(site: Site, base: str) -> None:
    given = msgspec.structs.replace(FILLED, name="Everything", channels=tuple(CHANNELS))
    for token in CHANNELS:
        page = send(site, f"{base}/new", given, do=f"tab:{token}", step="2")
        assert page.status_code == 200
        assert f'name="tab" value="{token}"' in page.text
