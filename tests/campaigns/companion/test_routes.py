"""The endpoints of the companion APIs: order of checks, errors, limits, both versions, reach."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from campanile.campaigns.companion.routes import rates
from campanile.campaigns.companion.schemas import BODY_BYTES
from campanile.http.rolling import Rate
from campanile.settings import Settings
from campanile.workspaces.schemas import CreatedWorkspace
from tests.campaigns.companion import vectors
from tests.stats.inprocess import InProcess, basic, running
from tests.support.engines import EmbeddedEngine

NOW = datetime(2024, 12, 1, 12, 0, tzinfo=UTC)
SEARCH, META = "/core-services/v1/campaigns/search", "/core-services/v1/campaigns/meta"
V5_SEARCH, V5_META = "/v5/campaigns/search", "/v5/campaigns/meta"
EXECUTIONS = "/core-services/v1/campaigns/64a1b2c3d4e5f6a7b8c9d0a0/executions"
SALE = "64a1b2c3d4e5f6a7b8c9d0e1"
PAGE = {"request_id": "r1", "limit": 15, "page": 1}


class Shop:
    """A server with the campaigns of the contract."""

    def __init__(self, server: InProcess, owner: CreatedWorkspace) -> None:
        self.server = server
        self.owner = owner

    def send(self, path: str, body: Any = None, *, method: str = "POST", key: str = "", **headers: str | None) -> Any:
        given = {
            "Authorization": basic(self.owner.workspace.id, key or self.owner.report_key),
            "MOE-APPKEY": self.owner.workspace.id,
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        content = body if isinstance(body, bytes) else json.dumps(PAGE if body is None else body).encode()
        return self.server.client.request(
            method, path, content=content, headers={name: value for name, value in given.items() if value is not None}
        )

    def rows(self, path: str, **body: Any) -> Any:
        answer = self.send(path, {**PAGE, **body})
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(name="server", scope="module")
def _server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    with running(embedded, NOW) as server:
        yield server


@pytest.fixture(name="shop")
def _shop(server: InProcess) -> Shop:
    owner = server.services.workspaces.create("A")
    server.import_campaigns(owner, vectors.documents())
    server.clock.set(NOW)
    return Shop(server, owner)


def error(answer: Any) -> tuple[int, str, str]:
    body = answer.json()
    assert body["message"] == body["error"]["message"]
    return answer.status_code, body["error"]["code"], body["error"]["target"]


def test_checks_come_in_order(shop: Shop) -> None:
    """Each request is wrong in everything that is checked later, too."""
    wrong: dict[str, str | None] = {"Content_Type": "text/plain", "MOE_APPKEY": None}
    assert error(shop.send(SEARCH + "es", b"x", **wrong))[:2] == (404, "404 Not Found")
    refused = shop.send(SEARCH, b"x", method="GET", **wrong)
    assert (error(refused)[:2], refused.headers["allow"]) == ((405, "405 Method Not Allowed"), "POST")
    large = b"[" + b" " * BODY_BYTES
    assert error(shop.send(SEARCH, large, Authorization=None, **wrong))[:2] == (413, "413 Payload Too Large")
    assert error(shop.send(SEARCH, b"x", Authorization=None, **wrong))[0] == 401
    assert error(shop.send(SEARCH, b"x", **wrong)) == (401, "401 Authentication error", "MOE-APPKEY")
    ingest = shop.owner.ingest_key
    assert error(shop.send(SEARCH, b"x", key=ingest, Content_Type="text/plain"))[:2] == (403, "403 Forbidden")
    assert error(shop.send(SEARCH, b"x", Content_Type=None))[:2] == (415, "415 Unsupported Media Type")
    assert error(shop.send(SEARCH, b"x")) == (400, "400 Bad Request", "body")
    assert error(shop.send(SEARCH, [1])) == (400, "400 Bad Request", "body")
    assert error(shop.send(EXECUTIONS.replace("0a0", "0ff"), {}))[::2] == (400, "request_id")
    assert error(shop.send(EXECUTIONS.replace("0a0", "0ff"))) == (404, "404 Not Found", "parent_campaign_id")


def test_a_body_in_a_charset_is_accepted_and_old_keys_are_ignored(shop: Shop) -> None:
    answer = shop.send(SEARCH, Content_Type="application/json; charset=utf-8", APP_SECRET_KEY="wrong")
    assert answer.status_code == 200


def test_refused_credentials_in_full(shop: Shop) -> None:
    inner = {"code": "InvalidValue", "target": "APP_SECRET_KEY", "message": "Invalid APP_SECRET_KEY is provided."}
    expected = {
        "error": {
            "code": "401 Authentication error",
            "message": "Authentication required",
            "target": "",
            "details": [{**inner, "message": [inner]}],
            "request_id": "",
        },
        "message": "Authentication required",
    }
    for answer in (shop.send(SEARCH, key="wrong"), shop.send(SEARCH, MOE_APPKEY="OTHER")):
        assert (answer.status_code, answer.json()) == (401, expected)
        assert answer.headers["www-authenticate"] == 'Basic realm="campanile"'


def test_the_callers_id_comes_back_with_every_error_that_can_know_it(shop: Shop) -> None:
    named = {**PAGE, "request_id": "mine"}
    for answer in (
        shop.send(SEARCH, {**named, "limit": 0}),
        shop.send(SEARCH, named, key=shop.owner.ingest_key),
        shop.send(SEARCH, named, Content_Type="text/plain"),
        shop.send(EXECUTIONS.replace("0a0", "0e1"), named),
    ):
        assert answer.json()["error"]["request_id"] == "mine"
    assert shop.send(SEARCH, {**PAGE, "request_id": 5}).json()["error"]["request_id"] == ""


def test_limits_are_counted_per_endpoint_and_say_when_to_come_back(shop: Shop) -> None:
    answers = [shop.send(SEARCH) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[0].headers["x-ratelimit-limit"] == "100"
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers[-2:]] == ["90", "90"]
    assert answers[-1].headers["x-ratelimit-reset"] == str(int(NOW.timestamp()) + 60)
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].json() == {
        "error": {
            "code": "429 conflict",
            "message": "rate_limit",
            "target": "",
            "details": [{"target": "rate_limit", "message": "Rate limiting breached"}],
            "request_id": "r1",
        },
        "message": "rate_limit",
    }
    assert shop.send(V5_SEARCH, MOE_APPKEY=None).status_code == 429, "the same data, the same limit"
    assert shop.send(META).status_code == shop.send(EXECUTIONS).status_code == 200
    shop.server.clock.advance(1)
    assert shop.send(SEARCH).status_code == 200
    for _ in range(8):
        shop.server.clock.advance(2)
        assert {shop.send(SEARCH).status_code for _ in range(10)} == {200}
    shop.server.clock.advance(2)
    assert [shop.send(SEARCH).status_code for _ in range(10)] == [200] * 9 + [429]


def test_limits_can_be_switched_off() -> None:
    assert rates(Settings()) == [Rate(1_000, 10), Rate(60_000, 100), Rate(3_600_000, 6000)]
    assert rates(Settings(campaign_calls_per_second=0, campaign_calls_per_hour=0)) == [Rate(60_000, 100)]


def test_pages_are_complete_and_say_how_much_there_is(shop: Shop) -> None:
    flags = {"include_child_campaigns": True, "include_archived_campaigns": True}
    pages = [shop.send(SEARCH, {**PAGE, **flags, "limit": 4, "page": number}) for number in (1, 2, 3, 4, 5)]
    found = [row["campaign_id"] for page in pages for row in page.json()]
    assert [len(page.json()) for page in pages] == [4, 4, 4, 1, 0]
    assert {page.headers["x-total-count"] for page in pages} == {"13"}
    assert len(set(found)) == 13
    assert shop.send(SEARCH, {**PAGE, "page": 10**30}).json() == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "  NEWS "}, {"0a0", "0a1", "0a2", "0a3"}),
        ({"name": "100%_sure\0"}, set()),
        ({"tags": ["NewsLetter"]}, {"0a0", "0a1", "0a2", "0a3"}),
        ({"tags": ["news\0", "x" * 9_999]}, set()),
        ({"created_by": ["ANA@example.com"], "channels": ["email"]},
         {"0a0", "0a1", "0a2", "0a3", "0d0", "0e1"}),
        ({"delivery_type": ["business_triggered"]}, {"0b0", "0b1"}),
        ({"campaign_delivery_type": ["PERIODIC"], "status": ["sent"]}, {"0a1", "0a2"}),
        ({"status": ["STOPPED"]}, {"0b1", "0f0"}),
        ({"status": ["draft"]}, {"0f3"}),
        ({"id": SALE.upper(), "ids": [SALE, "nonsense"]}, {"0e1"}),
        ({"id": SALE, "ids": ["64a1b2c3d4e5f6a7b8c9d0e2"]}, set()),
        ({"ids": [], "id": "", "name": "", "tags": [], "created_date": {"to_date": "2023-12-31"}}, set()),
        ({"created_date": {"from_date": "2024-11-20T10:00:00Z", "to_date": "9999-12-31"}}, {"0e2"}),
        ({"created_date": {"from_date": None, "to_date": "02-05-2024"}, "channels": ["PUSH"]}, {"0b0", "0c0"}),
    ],
    ids=[
        "name", "no-name", "tag", "no-tag", "creator", "delivery-type", "two", "stopped", "draft", "id", "ids", "none",
        "since", "until",
    ],
)  # fmt: skip
def test_filters_see_what_children_inherit(shop: Shop, fields: dict[str, Any], expected: set[str]) -> None:
    rows = shop.rows(SEARCH, campaign_fields=fields, include_child_campaigns=True)
    assert {row["campaign_id"][-3:] for row in rows} == expected


def test_every_channel_and_spelling_is_understood(shop: Shop) -> None:
    names = [
        "PUSH", "EMAIL", "SMS", "WHATSAPP", "RCS", "MMS", "IN_APP", "CARDS", "ONSITE", "WEB_PERSONALIZATION",
        "FACEBOOK", "GOOGLE ADS", "CONNECTORS", "inapp", "ON_SITE", "OSM", "GOOGLE_ADS", "GOOGLE_ADS_AUDIENCE",
        "FACEBOOK_AUDIENCE", "CONNECTOR",
    ]  # fmt: skip
    assert len(shop.rows(META, campaign_fields={"channels": names})) == 8


@pytest.mark.parametrize(
    ("path", "body", "problems"),
    [
        (SEARCH, {}, [("request_id", "key is mandatory field"), ("limit", "key is mandatory field"),
                      ("page", "key is mandatory field")]),
        (SEARCH, {**PAGE, "request_id": None}, [("request_id", "key is mandatory field")]),
        (SEARCH, {**PAGE, "request_id": "x" * 257}, [("request_id", "value is too long")]),
        (SEARCH, {**PAGE, "limit": True, "page": 1.0},
         [("limit", "- Invalid value passed. Expected type: int, but got: boolean."),
          ("page", "- Invalid value passed. Expected type: int, but got: float.")]),
        (SEARCH, {**PAGE, "campaign_fields": []},
         [("campaign_fields", "- Invalid value passed. Expected type: dict, but got: list.")]),
        (SEARCH, {**PAGE, "campaign_fields": {"tags": "sale", "channels": ["PUSH", None]}},
         [("campaign_fields.channels", "- Invalid value passed. Expected type: string, but got: null."),
          ("campaign_fields.tags", "- Invalid value passed. Expected type: list, but got: string.")]),
        (SEARCH, {**PAGE, "campaign_fields": {"status": ["running"], "ids": [SALE] * 101}},
         [("campaign_fields.ids", "value is too long"), ("campaign_fields.status", "is invalid passed value")]),
        (SEARCH, {**PAGE, "campaign_fields": {"created_date": {"from_date": "2024-13-01", "to_date": 5}}},
         [("campaign_fields.created_date.from_date", "is invalid passed value"),
          ("campaign_fields.created_date.to_date", "- Invalid value passed. Expected type: string, but got: int.")]),
        (SEARCH, {**PAGE, "campaign_fields": {"created_date": {"from_date": "2024-02-01", "to_date": "2024-01-01"}}},
         [("campaign_fields.created_date.from_date", "is invalid passed value")]),
        (SEARCH, {**PAGE, "include_child_campaigns": 1, "include_archive_campaigns": "true"},
         [("include_child_campaigns", "- Invalid value passed. Expected type: boolean, but got: int."),
          ("include_archive_campaigns", "- Invalid value passed. Expected type: boolean, but got: string.")]),
        (META, {**PAGE, "campaign_fields": {"created_date": {}}},
         [("campaign_fields.created_date.from_date", "key is mandatory field"),
          ("campaign_fields.created_date.to_date", "key is mandatory field")]),
        (EXECUTIONS, {"request_id": "r", "limit": 16}, [("limit", "value is too long"),
                                                       ("page", "key is mandatory field")]),
    ],
)  # fmt: skip
def test_every_problem_is_named_in_order(shop: Shop, path: str, body: Any, problems: list[tuple[str, str]]) -> None:
    answer = shop.send(path, body)
    assert answer.status_code == 400
    found = [(item["target"], item["message"]) for item in answer.json()["error"]["details"]]
    assert found == [(target, f"{target.rpartition('.')[2]} {text}") for target, text in problems]


def test_version_5_wraps_the_same_rows(shop: Shop) -> None:
    found = shop.send(V5_SEARCH, {"limit": 15, "page": 1}, MOE_APPKEY=None, X_MOE_Request_Id="abc").json()
    assert (found["response_id"], found["type"]) == ("abc", "campaign")
    (row,) = [row for row in found["data"]["campaigns"] if row["id"] == SALE]
    assert (row["status"], row["sent_time"]) == ("SENT", "2024-07-04 20:32:00.000000")
    assert not {"campaign_status", "campaign_start_time", "campaign_end_time"} & row.keys()
    single = shop.send(f"/v5/campaigns/{SALE}", b"", method="GET").json()
    assert single["data"] == row
    labels = shop.send(V5_META, {"limit": 15, "page": 1, "campaign_fields": {"delivery_type": "PERIODIC"}}).json()
    assert [label["id"] for label in labels["data"]["campaigns"]] == ["64a1b2c3d4e5f6a7b8c9d0a0"]
    assert labels["data"]["campaigns"][0]["campaign_status"] == "ACTIVE"
    unnamed = [shop.send(V5_META, {"limit": 1, "page": 1}).json()["response_id"] for _ in range(2)]
    assert len(set(unnamed)) == 2 and all(len(name) == 36 for name in unnamed)


def test_version_5_has_errors_of_its_own(shop: Shop) -> None:
    different = shop.send(V5_SEARCH, {**PAGE, "request_id": "a"}, X_MOE_Request_Id="b")
    assert different.status_code == 400
    assert different.json() == {
        "response_id": "a",
        "error": {
            "code": "VALIDATION_FAILED",
            "message": "One or more fields failed validation.",
            "target": "request_id",
            "details": [{"target": "request_id", "message": "request_id differs from the header X-MOE-Request-Id"}],
            "request_id": "a",
        },
    }
    codes = {
        "UNAUTHORIZED": shop.send(V5_SEARCH, MOE_APPKEY="OTHER"),
        "FORBIDDEN": shop.send(V5_SEARCH, key=shop.owner.ingest_key),
        "NOT_FOUND": shop.send("/v5/campaigns/ffffffffffffffffffffffff", b"", method="GET"),
        "METHOD_NOT_ALLOWED": shop.send(f"/v5/campaigns/{SALE}", b"", method="PUT"),
    }
    assert {name: answer.json()["error"]["code"] for name, answer in codes.items()} == {name: name for name in codes}
    for _ in range(10):
        limited = shop.send(V5_SEARCH)
    assert (limited.status_code, limited.json()["error"]["code"]) == (429, "RATE_LIMITED")


def reach(shop: Shop, campaign_id: str) -> Any:
    (row,) = shop.rows(META, campaign_fields={"id": campaign_id})
    return row.get("reachability_details")


def test_reach_is_counted_from_the_funnel_where_nobody_wrote_it(shop: Shop) -> None:
    campaign_id = "64a1b2c3d4e5f6a7b8c9d0cc"
    document = {
        "campaign_id": campaign_id, "channel": "PUSH", "campaign_delivery_type": "ONE_TIME", "name": "Soon",
        "status": "SCHEDULED", "created_at": "2024-11-28T00:00:00Z", "platforms": ["ANDROID", "IOS"],
    }  # fmt: skip
    shop.server.import_campaigns(shop.owner, [document])
    assert reach(shop, campaign_id) is None, "nothing is known"
    qualified = [
        {"event_id": f"q{user}-{platform}-{day}", "type": "qualified", "campaign_id": campaign_id, "channel": "PUSH",
         "platform": platform, "user_id": f"u{user}", "time": f"2024-11-{day}T10:00:00Z"}
        for user in range(5) for platform in ("ANDROID", "IOS") for day in (29, 30)
    ]  # fmt: skip
    shop.server.send_events(shop.owner, qualified)
    assert reach(shop, campaign_id) == {"count": 5, "last_updated_time": "2024-12-01T12:00:00"}
    shop.server.import_campaigns(shop.owner, [{**document, "reachability_details": {"count": 7}}])
    assert reach(shop, campaign_id) == {"count": 7}, "what was written counts"
    shop.server.import_campaigns(shop.owner, [{**document, "status": "SENT"}])
    assert reach(shop, campaign_id) is None


def test_reported_reach_is_that_of_the_latest_day(shop: Shop) -> None:
    campaign_id = "64a1b2c3d4e5f6a7b8c9d0cd"
    shop.server.import_campaigns(shop.owner, [{
        "campaign_id": campaign_id, "channel": "EMAIL", "campaign_delivery_type": "ONE_TIME", "name": "Soon",
        "status": "SCHEDULED", "created_at": "2024-11-28T00:00:00Z",
    }])  # fmt: skip
    snapshots = [
        {"snapshot_id": f"s{day}", "campaign_id": campaign_id, "channel": "EMAIL", "platform": "EMAIL",
         "date": f"2024-11-{day}", "as_of": f"2024-11-{day}T11:00:00Z",
         "funnel": {"user_with_email": people + 1, "user_with_email_after__h_b": people}}
        for day, people in ((29, 100), (30, 120))
    ]  # fmt: skip
    answer = shop.send("/v1/funnel", snapshots, key=shop.owner.ingest_key)
    assert answer.status_code == 200, answer.text
    assert reach(shop, campaign_id)["count"] == 120
