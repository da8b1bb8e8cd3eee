"""What a refused write looks like to its sender."""

from __future__ import annotations

import json
from collections.abc import Sequence


def assert_refused_clearly(answers: Sequence[str]) -> None:
    """There were refusals, and each one is the error envelope, in words, without a look inside."""
    assert answers, "the writes were not refused with an answer"
    for text in answers:
        error = json.loads(text)["error"]
        assert error["type"] == "store_unavailable", text
        assert error["message"]
        assert error["request_id"]
        assert "Traceback" not in text
