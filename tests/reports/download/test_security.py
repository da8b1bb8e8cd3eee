"""The security cases of the report API, one by one, and the promises about errors and limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from campanile.reports.download.request import given_signature
from campanile.reports.download.routes import FAILED_SIGNATURES
from campanile.reports.download.signature import is_signed, signature
from campanile.settings import Settings
from tests.reports.download.asgi import ask
from tests.reports.download.fixture import NOW, A, Answer, B, application
from tests.reports.runs.world import World

pytestmark = pytest.mark.slow

KEY_A, KEY_B = "demo-campaign-key-A1", "demo-campaign-key-B2"
NAME = "Report_-_test_20210217.zip"


def get(
    app: Any, filename: str, *, app_id: str = A, key: str = KEY_A, raw: str | None = None, **options: Any
) -> Answer:
    """Ask for a file, signed under `key`; `raw` is the path segment as it is sent."""
    path = f"/campaign_reports/rest_api/{app_id}/{quote(filename) if raw is None else raw}"
    headers = {"Signature": signature(app_id, filename, key), **options.pop("headers", {})}
    return ask(app, options.pop("method", "GET"), path, headers=headers, **options)


def error(answer: Answer) -> tuple[str, str]:
    assert answer.status == 400, answer
    found = json.loads(answer.body)["error"]
    return found["attribute"], found["message"]


INVALID = ("FILENAME", "Invalid report file name")
MISSING = ("FILENAME", "Report not found")
UNSAFE_NAMES = [
    "..%2f..%2fetc%2fpasswd",
    "..%2F..%2Fetc%2Fpasswd",
    "..%5c..%5cwindows",
    "..\\windows",
    "%2e%2e",
    "%2e",
    "..",
    ".",
    f"{NAME}%00",
    f"%00{NAME}",
    f"{NAME}%0d%0aSet-Cookie:x",
    f"{NAME}%0a",
    f"{NAME}%7f",
    "a%7cb_20210217.zip",
    "a|b_20210217.zip",
    "%ff%fe_20210217.zip",
    "x" * 256,
    "%41" * 256,
]
"""Third parts of a path that are refused whoever asks."""
NO_ROUTES = [
    f"/campaign_reports/rest_api/{A}/sub/{NAME}",
    f"/campaign_reports/rest_api/{A}/{NAME}/",
    f"/campaign_reports/rest_api/{A}//{NAME}",
    f"/campaign_reports/rest_api//{A}/{NAME}",
    f"/campaign_reports//rest_api/{A}/{NAME}",
    f"//campaign_reports/rest_api/{A}/{NAME}",
    f"/campaign_reports/rest_api/{A}/x/../{NAME}",
    f"/campaign_reports/rest_api/../rest_api/{A}/{NAME}",
    f"/campaign_reports/rest_api/{A}",
    "/campaign_reports/rest_api/",
    "/campaign_reports/rest_api",
    f"/campaign_reports%2frest_api/{A}/{NAME}",
    f"/campaign_reports/rest_api%2f{A}/{NAME}",
    f"/campaign_reports/rest_api/{A}%2f{NAME}",
    f"/campaign_reports/rest_ap/{A}/{NAME}",
    f"/v1/dailyCampaignReportDump/{A}/x/20210217.zip",
]
"""Paths that look like those of files."""


# --- the signature itself


@pytest.mark.parametrize(
    ("filename", "secret", "expected"),
    [
        (NAME, KEY_A, "fdc68bceb29bc6a097218cc73b98ebc1902bdeb800f3d2665aa98a9a6c2f2956"),
        (NAME[:-4], KEY_A, "05bf6942ba941e11147f6691be58b211cb11d85f0c5750f1a49ab11860a0e32d"),
        (NAME, "demo-app-secret-A1", "d733a8344a6740631251299fe6d9d1f1d13bbae2707aecc55d01604b84c3c28f"),
        (NAME, "clé-démo", "a8533e2c549945acb44c7e1e64b3d8888a82ec2f90bed955345138b24634d0cc"),
        ("20210217.zip", KEY_A, "bc738da4580ee3ac50df92a37a24df9798e5053bafe908b1d2746e2508662ee8"),
    ],
)
def test_the_worked_example(filename: str, secret: str, expected: str) -> None:
    assert signature(A, filename, secret) == expected
    assert is_signed(expected, A, filename, ["another", secret])
    assert is_signed(expected.upper(), A, filename, [secret, "another"])
    assert not is_signed(expected, A, filename, ["another"])
    assert not is_signed(expected, A, filename, [])


@pytest.mark.parametrize("given", [None, "", "0" * 63, "0" * 65, "g" * 64, "０" * 64, "é" * 64, "0x" + "0" * 62])
def test_what_is_no_digest_is_no_signature(app: Any, given: str | None) -> None:
    assert not is_signed(given, A, NAME, [KEY_A])
    if given is not None and given.isascii():
        answer = ask(app, "GET", f"/campaign_reports/rest_api/{A}/{NAME}", headers={"Signature": given})
        assert (answer.status, answer.body) == (401, b"")


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ([], b"", None),
        ([(b"Signature", b" abc ")], b"", "abc"),
        ([(b"signature", b"abc")], b"Signature=def", "abc"),
        ([(b"signature", b"  ")], b"Signature=def", "def"),
        ([(b"signature", b"")], b"", None),
        ([(b"signature", b"abc"), (b"signature", b"abc")], b"", None),
        ([], b"signature=def", "def"),
        ([], b"Signature=def&signature=def", None),
        ([], b"Signature=def&Signature=def", None),
        ([], b"SIGNATURE=def", None),
        ([], b"x=1&Signature=%20def%20&y", "def"),
        ([], b"&".join(b"x=1" for _ in range(200)) + b"&Signature=def", None),
        ([(b"signature", b"\xff\xfe")], b"", "ÿþ"),
    ],
)
def test_where_the_signature_is_taken_from(
    headers: list[tuple[bytes, bytes]], query: bytes, expected: str | None
) -> None:
    assert given_signature(headers, query) == expected


def test_repeated_headers_are_refused(app: Any) -> None:
    valid = signature(A, NAME, KEY_A)
    path = f"/campaign_reports/rest_api/{A}/{NAME}"
    assert ask(app, "GET", path, headers=[("Signature", valid), ("Signature", valid)]).status == 401
    assert ask(app, "GET", path, f"Signature={valid}&Signature={valid}").status == 401


def test_every_digit_of_the_signature_counts(app: Any) -> None:
    valid = signature(A, NAME, KEY_A)
    for place in (0, 31, 63):
        wrong = valid[:place] + ("0" if valid[place] != "0" else "1") + valid[place + 1 :]
        path = f"/campaign_reports/rest_api/{A}/{NAME}"
        assert ask(app, "GET", path, headers={"Signature": wrong}).status == 401


def test_all_ways_to_fail_take_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each secret is tried in full, whatever was given: no early exit to measure."""
    compared: list[tuple[int, int]] = []

    def compare(first: str, second: str) -> bool:
        compared.append((len(first), len(second)))
        return first == second

    monkeypatch.setattr("campanile.reports.download.signature.hmac.compare_digest", compare)
    valid = signature(A, NAME, KEY_A)
    for given in (valid, "0" + valid[1:], valid[:-1] + "0", None, "short"):
        compared.clear()
        is_signed(given, A, NAME, [KEY_A, "second", "third"])
        assert compared == [(64, 64)] * 3
    compared.clear()
    is_signed(valid, "unknown", NAME, [])
    assert compared == [(64, 64)]


# --- paths


@pytest.mark.parametrize("raw", UNSAFE_NAMES)
def test_unsafe_names_are_refused_before_the_signature(app: Any, raw: str) -> None:
    path = f"/campaign_reports/rest_api/{A}/{raw}"
    assert error(ask(app, "GET", path)) == INVALID
    assert error(ask(app, "GET", path, headers={"Signature": "0" * 64})) == INVALID
    assert error(ask(app, "GET", f"/dailyCampaignReportDump/{A}/{raw}")) == INVALID


@pytest.mark.parametrize("app_id", ["..", "%2e%2e", "a%2fb", "a%00", "a%7cb", "x" * 129])
def test_unsafe_workspaces_are_refused_as_well(app: Any, app_id: str) -> None:
    assert error(ask(app, "GET", f"/campaign_reports/rest_api/{app_id}/{NAME}")) == INVALID


def test_a_bar_cannot_shift_fields(app: Any) -> None:
    """`A|x` + `y` and `A` + `x|y` have one message to sign; neither is a name."""
    digest = signature(A, f"x|{NAME}", KEY_A)
    assert error(get(app, f"x|{NAME}")) == INVALID
    path = f"/campaign_reports/rest_api/{A}%7Cx/{NAME}"
    assert error(ask(app, "GET", path, headers={"Signature": digest})) == INVALID


@pytest.mark.parametrize("raw", ["%252e%252e%252f", "%25%32%65", "%252fx_20210217.zip"])
def test_double_encoding_is_decoded_once(app: Any, raw: str) -> None:
    from urllib.parse import unquote

    assert ask(app, "GET", f"/campaign_reports/rest_api/{A}/{raw}").status == 401
    assert error(get(app, unquote(raw), raw=raw)) == INVALID


@pytest.mark.parametrize("path", NO_ROUTES)
def test_other_numbers_of_parts_are_no_routes(app: Any, path: str) -> None:
    answer = ask(app, "GET", path, headers={"Signature": signature(A, NAME, KEY_A)})
    assert answer.status == 404
    found = json.loads(answer.body)["error"]
    assert (found["type"], found["attribute"]) == ("NOT FOUND", "")


def test_without_a_raw_path_the_decoded_one_is_used_and_slashes_stay_slashes(app: Any) -> None:
    headers = {"Signature": signature(A, NAME, KEY_A)}
    path = f"/campaign_reports/rest_api/{A}/{NAME}"
    assert ask(app, "GET", path, headers=headers, with_raw_path=False).status == 200
    traversal = f"/campaign_reports/rest_api/{A}/..%2f..%2fetc%2fpasswd"
    assert ask(app, "GET", traversal, headers=headers, with_raw_path=False).status == 404


def test_encoded_ordinary_characters_are_the_same_name(app: Any) -> None:
    for raw in ("Report_%2D_test_20210217.zip", "%52eport_-_test_20210217%2ezip"):
        assert get(app, NAME, raw=raw).status == 200


# --- names and workspaces


def test_case_matters(app: Any) -> None:
    assert error(get(app, "report_-_test_20210217.zip")) == MISSING
    assert error(get(app, "REPORT_-_TEST_20210217.zip")) == MISSING


def test_names_of_another_workspace_are_unknown(app: Any) -> None:
    assert error(get(app, "Other_20210217.zip")) == MISSING
    assert get(app, "Other_20210217.zip", app_id=B, key=KEY_B).status == 200
    assert get(app, "Other_20210217.zip", app_id=B, key=KEY_A).status == 401


def test_the_signature_of_another_file_is_none(app: Any) -> None:
    other = signature(A, "API_TX_PN_20210217.zip", KEY_A)
    assert ask(app, "GET", f"/campaign_reports/rest_api/{A}/{NAME}", headers={"Signature": other}).status == 401


def test_nothing_is_said_before_the_signature_holds(app: Any) -> None:
    """Known and unknown, expired and unfinished files all look alike."""
    names = [NAME, "Missing_20210217.zip", "Edge_20210213.zip", "Queued_20210220.zip", "nonsense", "x.csv"]
    answers = [ask(app, "GET", f"/campaign_reports/rest_api/{A}/{name}") for name in names]
    stripped = [Answer(answer.status, {**answer.headers, "x-request-id": ""}, answer.body) for answer in answers]
    assert all(answer == stripped[0] for answer in stripped)
    assert stripped[0].status == 401
    assert stripped[0].headers["www-authenticate"] == 'Signature realm="campaign-reports"'


def test_a_regenerated_key_stops_at_once(files: World, app: Any) -> None:
    key = files.workspaces.create_key(A, "report", value="soon-to-be-gone-1")
    assert get(app, NAME, key="soon-to-be-gone-1").status == 200
    files.workspaces.regenerate_key(A, key.key.id, value="its-successor-1")
    assert get(app, NAME, key="soon-to-be-gone-1").status == 401
    assert get(app, NAME, key="its-successor-1").status == 200
    files.workspaces.archive_key(A, key.key.id)
    assert get(app, NAME, key="its-successor-1").status == 401


def test_keys_without_the_scope_and_of_other_kinds_sign_nothing(files: World, app: Any) -> None:
    files.workspaces.create_key(A, "report", value="stats-only-key-1", scopes=["stats:read"])
    assert get(app, NAME, key="stats-only-key-1").status == 401
    files.workspaces.create_key(A, "manage", value="managing-key-1")
    assert get(app, NAME, key="managing-key-1").status == 401


def test_an_unknown_workspace_may_be_hidden(files: World) -> None:
    hiding = application(files, Settings(hide_unknown_app_id=True))
    answer = get(hiding, NAME, app_id="NOSUCHWORKSPACE")
    assert (answer.status, answer.body) == (401, b"")
    assert get(hiding, NAME).status == 200


def test_states_of_files(files: World, app: Any) -> None:
    for name, message in [
        ("Queued_20210220.zip", "Report is not ready"),
        ("Broken_20210220.zip", "Report generation failed"),
        ("Report_-_test_20210209.zip", "Report has expired"),
        ("Edge_20210213.zip", "Report has expired"),
        ("Mailed_20210217.zip", "Report not found"),  # not for download by name
    ]:
        assert error(get(app, name)) == ("FILENAME", message), name
    files.clock.set(NOW.replace(month=3, day=18))  # 30 days after the expiry of the oldest file
    assert error(get(app, "Report_-_test_20210209.zip")) == ("FILENAME", "Report not found")
    assert error(get(app, NAME)) == ("FILENAME", "Report has expired")
    files.clock.set(NOW)


# --- what is behind


def stored(files: World, name: str) -> Path:
    with files.metadata.read() as connection:
        from campanile.reports.files.names import parse_name
        from campanile.reports.runs import repository

        parsed = parse_name(name)
        assert parsed is not None
        run = repository.named(connection, A, *parsed, NOW)
    assert run is not None
    assert run.file is not None
    return files.folder / "files" / run.file.id[:2] / run.file.id


@pytest.mark.parametrize("how", ["removed", "linked", "cut"])
def test_a_file_that_was_changed_behind_the_server(files: World, app: Any, how: str) -> None:
    path = stored(files, "API_TX_PN_20210217.zip")
    content = path.read_bytes()
    path.unlink()
    if how == "linked":
        path.symlink_to(stored(files, NAME))
    elif how == "cut":
        path.write_bytes(content[:-1])
    for method in ("GET", "HEAD"):
        answer = get(app, "API_TX_PN_20210217.zip", method=method)
        assert answer.status == 500
        found = json.loads(answer.body)["error"]
        assert (found["message"], found["type"]) == ("Internal error", "INTERNAL SERVER ERROR")
        assert str(files.folder) not in answer.body.decode()
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    assert get(app, "API_TX_PN_20210217.zip").status == 200


def test_stored_names_are_made_here(files: World) -> None:
    names = {path.name for path in (files.folder / "files").rglob("*") if path.is_file()}
    assert names
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)


def test_signatures_stay_out_of_logs_and_errors(app: Any) -> None:
    digest = signature(A, NAME, KEY_A)
    with capture_logs() as logs:
        for name in (NAME, "Missing_20210217.zip", "x" * 300):
            path = f"/campaign_reports/rest_api/{A}/{name}"
            answer = ask(app, "GET", path, f"Signature={digest}", {"Referer": digest})
            assert digest.encode() not in answer.body
    assert logs
    assert digest not in json.dumps(logs, default=str)
    assert "Signature" not in json.dumps([log.get("path") for log in logs])


# --- limits and methods


def test_guessing_is_limited_per_address(files: World, app: Any) -> None:
    path = f"/campaign_reports/rest_api/{A}/{NAME}"
    for _ in range(FAILED_SIGNATURES):
        assert ask(app, "GET", path, client="192.0.2.7").status == 401
    answer = ask(app, "GET", path, client="192.0.2.7")
    assert (answer.status, answer.body) == (429, b"")
    assert answer.headers["retry-after"] == "60"
    headers = {"Signature": signature(A, NAME, KEY_A)}
    assert ask(app, "GET", path, headers=headers, client="192.0.2.7").status == 429
    assert ask(app, "GET", path, headers=headers, client="192.0.2.8").status == 200
    files.clock.advance(60)
    assert ask(app, "GET", path, headers=headers, client="192.0.2.7").status == 200
    files.clock.set(NOW)


def test_success_is_not_limited(app: Any) -> None:
    for _ in range(FAILED_SIGNATURES + 5):
        assert get(app, NAME, method="HEAD").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize(
    "path", ["/campaign_reports/rest_api", "/dailyCampaignReportDump", "/v1/dailyCampaignReportDump"]
)
def test_other_methods(app: Any, method: str, path: str) -> None:
    answer = ask(app, method, f"{path}/{A}/{NAME}")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert json.loads(answer.body)["error"]["type"] == "METHOD NOT ALLOWED"


def test_the_daily_dump_knows_both_paths_and_says_that_it_is_old(app: Any) -> None:
    headers = {"Signature": signature(A, "20210217.zip", KEY_A)}
    for path in ("/dailyCampaignReportDump", "/v1/dailyCampaignReportDump"):
        answer = ask(app, "GET", f"{path}/{A}/20210217.zip", headers=headers)
        assert (answer.status, answer.headers["deprecation"]) == (200, "true")
        assert answer.headers["content-disposition"] == 'attachment; filename="20210217.zip"'
    bare = {"Signature": signature(A, "20210217", KEY_A)}
    assert error(ask(app, "GET", f"/dailyCampaignReportDump/{A}/20210217", headers=bare)) == INVALID


def test_the_daily_dump_outlives_seven_days(files: World, app: Any) -> None:
    files.clock.set(NOW.replace(month=6))
    headers = {"Signature": signature(A, "20210217.zip", KEY_A)}
    assert ask(app, "GET", f"/dailyCampaignReportDump/{A}/20210217.zip", headers=headers).status == 200
    files.clock.set(NOW)
