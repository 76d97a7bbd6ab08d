# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from pathlib import Path

import pytest

from node0.commands.model.model_options import main


@pytest.mark.parametrize("module", ["node0.commands.model.model_options", "node0.finetune.registry.publish"])
def test_the_registry_is_loaded_without_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'transformers'}} & set(sys.modules)))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments",
    [["lineage"], ["rollback"], ["note", "deacon"], ["prune", "--keep-last", "-1"], ["depoly", "x"]],
)
def test_a_command_that_is_not_whole_is_exit_2(
    town: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main([*arguments, "--town", str(town)]) == 2

    assert capsys.readouterr().out == ""


def test_every_command_of_the_plan_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    shown = capsys.readouterr().out
    for name in (
        "list",
        "show",
        "adapters",
        "register",
        "deploy",
        "promote",
        "rollback",
        "prune",
        "rm",
        "verify",
    ):
        assert f"  {name} " in shown
    for name in ("history", "diff", "lineage", "note", "bom"):
        assert f"  {name} " in shown
