"""The tenant guard: a question that could read another workspace's rows never reaches the engine."""

from __future__ import annotations

import pytest

from campanile.engine.questions import UnsafeQuestion, load_question, parse_question, question_names

GOOD = "-- How many?\n-- keys: type\n-- sums: total\nSELECT type, count() AS total FROM {{events}} GROUP BY type"


@pytest.mark.parametrize("name", question_names())
def test_every_question_is_tied_to_a_workspace_and_names_its_columns(name: str) -> None:
    question = load_question(name)
    assert "workspace_id = {workspace:String}" in question.sql("campanile")
    assert question.keys or question.sums


def test_a_source_becomes_a_sub_select_with_the_workspace_predicate() -> None:
    sql = parse_question("q", GOOD).sql("db")
    assert "FROM (SELECT * FROM db.events FINAL WHERE workspace_id = {workspace:String})" in sql


def test_as_of_every_source_leaves_out_what_came_later() -> None:
    question = parse_question("q", "SELECT 1 FROM {{events}}, {{raw_events}}, {{snapshots}}").as_of()
    for sql in (question.sql("db"), question.cluster_sql("db", "main")):
        assert sql.count("workspace_id = {workspace:String} AND sequence <= {as_of:UInt64})") == 3


def test_on_a_cluster_shards_answer_over_local_rows_and_integers_are_added() -> None:
    sql = parse_question("q", GOOD).cluster_sql("db", "main")
    assert sql.startswith("SELECT `type`, sum(`total`) AS `total` FROM cluster('main', view(SELECT type,")
    assert "db.events_local FINAL" in sql
    assert sql.endswith("GROUP BY `type`")


def test_without_sums_the_rows_of_all_shards_are_united() -> None:
    question = parse_question("q", "-- keys: event_key\nSELECT event_key FROM {{raw_events}}")
    assert question.cluster_sql("db", "main").startswith("SELECT * FROM cluster('main', view(")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT 1", "no tenant source"),
        ("SELECT count() FROM events", "no tenant source"),
        ("SELECT count() FROM {{events}} JOIN campanile.events USING event_id", "names the table"),
        ("SELECT count() FROM {{events}} WHERE event_id IN (SELECT event_id FROM `campanile`.`events`)", "names the"),
        ("SELECT count() FROM {{everything}}", "unknown source"),
        ("SELECT count() FROM {{events}} WHERE 1 IN (SELECT 1 FROM (SELECT * FROM remote('h', 'd', 't')))", "table"),
        ("SELECT count() FROM {{events}}; DROP DATABASE campanile", "more than one statement"),
    ],
)
def test_unsafe_questions_are_refused(text: str, why: str) -> None:
    with pytest.raises(UnsafeQuestion, match=why):
        parse_question("q", text)


def test_a_common_table_of_the_question_itself_is_no_foreign_table() -> None:
    text = "-- keys: n\nWITH mine AS (SELECT * FROM {{events}}) SELECT count() AS n FROM mine"
    assert parse_question("q", text).keys == ("n",)
