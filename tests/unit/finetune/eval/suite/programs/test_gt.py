# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.finetune.eval.suite.programs.gt import main


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "gt.json"
    path.write_text(json.dumps({"gt hook": "gt-1", "gt hook --all": "gt-1 gt-2"}))
    return path


def test_the_longest_beginning_answers(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hook", "--all", "--json"], answers) == 0
    assert main(["hook", "show"], answers) == 0

    assert capsys.readouterr().out == "gt-1 gt-2\ngt-1\n"


def test_commands_that_only_do_something_succeed(answers: Path) -> None:
    assert main(["done"], answers) == 0
    assert main(["nudge", "rig/moss", "hello"], answers.parent / "none") == 0


def test_what_is_not_known_fails_aloud(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hooks"], answers) == 1
    assert main([], answers) == 1

    assert "gt hooks" in capsys.readouterr().err
