# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.staleness.staleness_options import main


def test_an_unknown_version_is_refused_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nobody", "--town", str(tmp_path)]) == 1
    assert "no model 'nobody'" in capsys.readouterr().err
