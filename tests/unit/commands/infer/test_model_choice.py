# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import typer

from node0.commands.infer.model_choice import ModelChoice


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (ModelChoice(None), "--model, or a server with --url"),
        (ModelChoice("a", url=""), "--url names no server"),
        (ModelChoice("a", url=" "), "--url names no server"),
        (ModelChoice("a", token_file=Path("t")), "--token-file is for a server"),
        (ModelChoice("a", url="http://127.0.0.1:9", adapters=("x",)), "--adapters are loaded here"),
    ],
)
def test_flags_that_do_not_go_together_are_a_wrong_call(choice: ModelChoice, told: str) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        choice.check()


def test_what_comes_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    ModelChoice("deacon").check()
    ModelChoice("deacon", url="http://127.0.0.1:9").check()

    assert capsys.readouterr().err == "loading deacon\nasking http://127.0.0.1:9\n"
