"""What `campanile demo` shows of conversions and experiments."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.rule import Rule

from campanile.cli.goal_table import goal_table
from campanile.cli.output import table
from campanile.client import Client, Stats
from campanile.demo.plans import INCONCLUSIVE, MISMATCH, WINNER, plan

SHOWN = ("converted users", "conversion events", "cvr", "total revenue", "control group cvr", "control group uplift")
"""Goal columns that are shown."""
EXPERIMENTS = {WINNER: "a clear winner", INCONCLUSIVE: "an inconclusive test", MISMATCH: "a sample-ratio mismatch"}


def goals(console: Console, answers: Mapping[str, Stats]) -> None:
    """The goals of one campaign under every attribution type that was asked for."""
    wanted = plan(WINNER)
    console.print(f"\nPurchases after “{wanted.name}”, by attribution type")
    rows = []
    for attribution, answer in answers.items():
        found = goal_table(node for node in answer if node.campaign_id == wanted.campaign_id)
        for row in found.rows:
            numbers = dict(zip(found.columns, row[4:], strict=True))
            rows.append((attribution, row[2], *(numbers.get(name, "") for name in SHOWN)))
    console.print(table(("attribution", "variation", *SHOWN), rows))


def experiments(console: Console, client: Client) -> None:
    """The three experiments of the shop, each with its verdicts."""
    console.print(Rule("Experiments"))
    for key, what in EXPERIMENTS.items():
        answer = client.experiment(plan(key).campaign_id)
        console.print(f"“{answer['campaign_name']}”, {what}: campanile experiment {answer['campaign_id']}")
        for goal in answer["goals"]:
            for group in goal["control_groups"]:
                effect = group["intention_to_treat"]
                if group["group"] == "campaign_control_group":
                    console.print(f"  {goal['goal']}: {effect['explanation']}", soft_wrap=True)
            if goal["variations"] is not None:
                console.print(f"  {goal['goal']}: {goal['variations']['explanation']}", soft_wrap=True)
    console.print()
