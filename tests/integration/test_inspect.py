# SPDX-License-Identifier: Apache-2.0
"""What `node0 eval export --inspect` writes, evaluated by inspect-ai itself with its mock model."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from node0.commands.eval.eval_options import main
from node0.errors import SandboxUnavailable
from node0.finetune.eval.inspect_tasks.inspect_files import TASK_FILE
from node0.finetune.eval.sandbox.sandbox_runner import find_sandbox

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not importlib.util.find_spec("inspect_ai"), reason="needs inspect-ai (pip install inspect-ai)"
    ),
]

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
LOOP = "epic-parallel-work"
ASKED = ("split-search-epic", "mayor-dispatch", "commit-names-its-bead", "refactor-generator", LOOP)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped suite; skipped where no sandbox works, since its tasks refuse to begin there."""
    try:
        find_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    place = tmp_path_factory.mktemp("inspect") / "suite"
    assert main(["export", "--inspect", str(place)]) == 0
    return place


def _evaluated(model: str, written: Path, tmp_path: Path) -> dict[str, Any]:
    """Value, explanation and roles of the messages, by item."""
    done = subprocess.run(
        [sys.executable, HERE / "inspect_oracle.py", model, TASK_FILE, tmp_path / "logs", *ASKED],
        env={"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src")},
        cwd=written,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["status"] == ["success"] * 5
    assert found["samples"].keys() == set(ASKED)
    return dict(found["samples"])


def test_inspect_finds_every_reference_correct(written: Path, tmp_path: Path) -> None:
    found = _evaluated("oracle", written, tmp_path)

    assert {value for value, _, _ in found.values()} == {"C"}
    assert all(line.startswith("passed ") for _, told, _ in found.values() for line in told.splitlines())
    assert found[LOOP][2] == ["system", "user", *["assistant", "tool"] * 4, "assistant"]


def test_inspect_finds_silence_wrong_and_says_why(written: Path, tmp_path: Path) -> None:
    found = _evaluated("silent", written, tmp_path)

    assert {value for value, _, _ in found.values()} == {"I"}
    assert "failed runs: no command was proposed" in found["mayor-dispatch"][1]
