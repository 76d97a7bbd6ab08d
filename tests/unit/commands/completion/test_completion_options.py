# SPDX-License-Identifier: Apache-2.0
import shutil
import subprocess

import pytest

from node0.commands.completion.completion_options import Shell, main

Printed = pytest.CaptureFixture[str]


@pytest.mark.parametrize("shell", list(Shell))
def test_each_shell_takes_its_script(shell: Shell, capsys: Printed) -> None:
    assert main([shell.value]) == 0

    script = capsys.readouterr().out
    assert "_NODE0_COMPLETE" in script
    if found := shutil.which(shell.value):
        subprocess.run([found, "-n", "/dev/stdin"], input=script, text=True, check=True)


def test_another_shell_is_a_usage_error(capsys: Printed) -> None:
    assert main(["csh"]) == 2

    assert "'csh' is not one of" in capsys.readouterr().err
