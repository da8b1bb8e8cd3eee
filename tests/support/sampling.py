"""How many random examples a property is tried with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:  # pure tests do without the library
    from campanile.engine import Engine

ORDINARY = 100
"""`max_examples` of the profile in which `number` examples are `number`; other profiles make them more or fewer."""
CLUSTER_SHARE = 4
"""A question to a cluster costs several times what it costs embedded: so many times fewer random examples."""


def examples(number: int, engine: Engine | None = None) -> settings:
    """So many random examples, times the share of the profile; on a cluster fewer. However slow the machine is."""
    share = ORDINARY * (CLUSTER_SHARE if engine is not None and engine.shared else 1)
    return settings(
        max_examples=-(-number * settings().max_examples // share),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
