# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


@pytest.fixture
def busy(harness: Make, blocks: dict[str, Make]) -> Any:
    """A session with words, single, parallel and failing tools, and a system turn in the middle."""
    text, call, result = blocks["text"], blocks["call"], blocks["result"]
    session = harness()
    session.prompt("Start the patrol, größer ❯ 🏭.")
    session.system("Today is Monday.")
    session.answer(text("Looking."), call("t1"))
    session.user(result("t1", "two agents\nstale"))
    session.answer(call("t2"), call("t3"))
    session.parallel_results(result("t2", "ok"), result("t3", "no such rig", is_error=True))
    session.system("The hook says hello.")
    session.answer(text("All is well."))
    session.prompt("And again.")
    session.answer(text("Again well."))
    return session
