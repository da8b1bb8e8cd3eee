"""Custom columns as callers write them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reports.reading import problems, refused
from tests.reports.samples import (
    GONE,
    SMALL,
    changed,
    circumstances,
    spec,
)
from tests.reports.vectors import vectors


def custom(**members: Any) -> dict[str, Any]:
    column = {"key": "custom.a", "header": "A", "channels": ["EMAIL"], "expression": "@{campaign-stats.clicks}"}
    return {name: value for name, value in {**column, **members}.items() if value is not GONE}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"key": GONE}, [("required", "key")]),
        ({"key": "a"}, [("invalid_value", "key")]),
        ({"key": "custom.A"}, [("invalid_value", "key")]),
        ({"key": "custom." + "a" * 41}, [("invalid_value", "key")]),
        ({"header": ""}, [("header_invalid", "header")]),
        ({"header": "x" * 101}, [("header_invalid", "header")]),
        ({"header": "a\nb"}, [("header_invalid", "header")]),
        ({"header": "TOTAL CLICKS"}, [("header_duplicate", "header")]),
        ({"channels": GONE}, [("required", "channels")]),
        ({"channels": []}, [("required", "channels")]),
        ({"channels": ["PUSH"]}, [("invalid_value", "channels[0]")]),
        ({"expression": GONE}, [("required", "expression")]),
        ({"expression": ""}, [("expression_syntax", "expression")]),
        ({"expression": "1+"}, [("expression_syntax", "expression")]),
        (
            {"expression": "@{campaign-stats.click} + @{campaign-stats.clack}"},
            [("unknown_attribute", "expression")] * 2,
        ),
        ({"expression": "@{campaign-stats.impressions}"}, [("attribute_not_available_for_channel", "expression")]),
        ({"type": "text"}, [("invalid_value", "type")]),
        ({"decimals": 7}, [("invalid_value", "decimals")]),
        ({"decimals": True}, [("invalid_type", "decimals")]),
        ({"on_zero_division": "null"}, [("invalid_value", "on_zero_division")]),
        ({"format": "x"}, [("unknown_field", "format")]),
    ],
)
def test_custom_columns_that_are_wrong(members: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    wrong = problems(content__custom_attributes=[custom(**members)])
    assert wrong == [(code, f"content.custom_attributes[0].{name}") for code, name in expected]


def test_messages_say_where_and_what_may_be_meant() -> None:
    error = refused(changed(SMALL, content__custom_attributes=[custom(expression="1 + @{campaign-stats.click}")]))
    assert error.message == (
        "content.custom_attributes[0].expression: There is no column campaign-stats.click; similar: "
        "campaign-stats.clicks (at character 4)."
    )
    error = refused(changed(SMALL, content__columns={"EMAIL": ["campaign.nam"]}))
    assert "similar: campaign.name" in error.message


@pytest.mark.parametrize("vector", [p for p in vectors("expr") if "error" in p.values[0]])
def test_faults_of_expressions(vector: dict[str, Any]) -> None:
    raw = changed(
        SMALL,
        selection__scopes=[{"channel": vector["channel"]}],
        content__custom_attributes=[custom(channels=[vector["channel"]], expression=vector["expression"])],
    )
    (problem,) = refused(raw).problems
    assert problem.type == vector["error"].lower()
    assert f"(at character {vector.get('position')})" in problem.message or "position" not in vector


def test_every_channel_must_have_the_columns() -> None:
    raw = changed(
        SMALL,
        selection__scopes=[{"channel": "EMAIL"}, {"channel": "PUSH"}],
        content__custom_attributes=[custom(channels=["PUSH", "EMAIL"], expression="@{campaign-stats.impressions}")],
    )
    (problem,) = refused(raw).problems
    assert (problem.type, "EMAIL" in problem.message) == ("attribute_not_available_for_channel", True)


def test_short_names_follow_the_attribution_model() -> None:
    column = custom(expression="@{campaign-stats.revenue} / @{campaign-stats.conversions}")
    for model in ("all_interactions", "last_interaction"):
        assert spec(given=circumstances(attribution_model=model), content__custom_attributes=[column]).custom


def test_headers_are_compared_with_what_is_selected() -> None:
    column = custom(header="Total clicks")
    chosen = {"EMAIL": ["campaign.id", "custom.a"]}
    assert spec(content__columns=chosen, content__custom_attributes=[column]).custom[0].header == "Total clicks"
    chosen["EMAIL"].append("campaign-stats.clicks")
    assert problems(content__columns=chosen, content__custom_attributes=[column]) == [
        ("header_duplicate", "content.custom_attributes[0].header")
    ]
    pair = [custom(header="Own"), custom(key="custom.b", header="oWN")]
    assert problems(content__custom_attributes=pair) == [("header_duplicate", "content.custom_attributes[1].header")]


def test_keys_of_custom_columns_are_unique() -> None:
    pair = [custom(), custom(header="B")]
    assert problems(content__custom_attributes=pair) == [("invalid_value", "content.custom_attributes[1].key")]


def test_how_many_custom_columns_there_may_be() -> None:
    many = [custom(key=f"custom.c{number}", header=f"C{number}") for number in range(26)]
    assert len(spec(content__custom_attributes=many[:25]).custom) == 25
    assert problems(content__custom_attributes=many) == [("too_many_custom_attributes", "content.custom_attributes")]


def test_columns_of_the_other_model_are_accepted() -> None:
    keys = ["campaign.id", "campaign-stats.goal_1.total_conversions.total_revenue"]
    assert spec(content__columns={"EMAIL": keys}).columns == {"EMAIL": tuple(keys)}
