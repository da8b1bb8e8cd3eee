"""What a refused write looks like to its sender."""

from __future__ import annotations

import json
from collections.abc import Sequence


def assert_refused_clearly(answers: Sequence[str], kind: str = "store_unavailable") -> None:
    """There were refusals, and each one is the error envelope, in words, and shows nothing of the store."""
    assert answers, "the writes were not refused with an answer"
    for text in answers:
        error = json.loads(text)["error"]
        assert error["type"] == kind, text
        assert error["message"]
        assert error["request_id"]
        for inside in ("Traceback", "127.0.0.1", "Code:", "INSERT", "SELECT"):
            assert inside not in text
