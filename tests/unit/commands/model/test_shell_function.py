# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from node0.commands.model.model_options import main


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_gt_model_reaches_our_command_and_all_else_reaches_gt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    for name in ("gt", "gt-model"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$#" "$@"\n')
        (tmp_path / name).chmod(0o755)
    assert main(["shell-function"]) == 0
    lines = capsys.readouterr().out + "gt model list --role 'a b'\ngt mail inbox\ngt\n"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    done = subprocess.run([shell, "-euc", lines], capture_output=True, text=True, env=environment, check=True)

    assert done.stdout.splitlines() == ["gt-model 3 list --role a b", "gt 2 mail inbox", "gt 0"]
