# SPDX-License-Identifier: Apache-2.0
"""The real Claude Code works through ten steps against the gateway, before an engine with a script."""

import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from integration.claude_code.sessions import Home, find_claude
from integration.served_process import serving
from serving_parts import scripted_http_engine
from tiny_run import PROFILE, make_base

CLAUDE = find_claude()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CLAUDE is None, reason="Claude Code is not installed; `make town-tools` installs it"),
]

STEPS = 10


def test_ten_steps_are_taken_and_each_request_begins_with_the_one_before(tmp_path: Path) -> None:
    assert CLAUDE is not None
    base = make_base(tmp_path / "model", max_seq_len=200_000)
    profile = tmp_path / "deacon.yaml"
    profile.write_text(PROFILE)
    home = Home(tmp_path / "home")
    calls = [
        json.dumps({"name": "Bash", "arguments": {"command": f"echo step {number} >> steps"}})
        for number in range(STEPS)
    ]
    texts = [f"Step.<tool_call>{call}</tool_call>" for call in calls]

    with (
        scripted_http_engine(*texts, "All ten are done.") as engine,
        serving(
            *("--model", f"ft-witness-v1={base}", "--role", "deacon", "--profile", profile),
            *("--engine", "vllm", "--engine-url", engine.url),
        ) as served,
    ):
        gateway: Any = SimpleNamespace(url=served.url)
        home.run(gateway, "Take ten steps.", "--tools", "Bash", claude=CLAUDE)
        assert served.stop() == 0

    prompts = [body["prompt"] for body in engine.bodies]
    assert (home.project / "steps").read_text().splitlines() == [f"step {number}" for number in range(STEPS)]
    assert len(prompts) == STEPS + 1
    assert all(_shared(before, after) >= 0.95 * len(before) for before, after in pairwise(prompts))


def _shared(before: list[int], after: list[int]) -> int:
    """How many first ids are the same."""
    return next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
