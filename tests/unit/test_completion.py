# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from node0 import cli
from node0.completion import ASKED_BY, script_of

Printed = pytest.CaptureFixture[str]


def _completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> list[str]:
    words = line.split(" ")
    for name, value in {
        ASKED_BY: "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }.items():
        monkeypatch.setenv(name, value)
    assert cli.main([]) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("node0 fin", ["finetune"]),
        ("node0 finetune --lora-", ["--lora-rank"]),
        ("node0 finetune --role dea", ["deacon"]),
        ("node0 job ", ["list", "show"]),
        ("node0 corpus list --role wit", ["witness"]),
    ],
)
def test_commands_options_and_roles_are_completed(
    line: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    assert _completed(line, monkeypatch, capsys) == words


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_itself_completes_by_the_script(tmp_path: Path) -> None:
    """As a person presses Tab: bash sources the script and calls what it registered."""
    program = tmp_path / "node0"
    run = f'exec "{sys.executable}" -c "import sys; from node0.cli import main; sys.exit(main())" "$@"'
    program.write_text(f"#!/bin/sh\n{run}\n")
    program.chmod(0o755)
    ask = (
        f"{script_of('bash')}\nCOMP_WORDS=(node0 mea); COMP_CWORD=1; "
        "_node0_completion node0; echo ${COMPREPLY[@]}"
    )
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    done = subprocess.run(
        ["bash", "--norc", "-c", ask], capture_output=True, text=True, check=True, env=environment
    )

    assert done.stdout.split() == ["measure"], done.stderr
