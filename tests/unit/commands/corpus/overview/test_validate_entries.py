# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.overview.validate_entries import validate_entries


def test_each_problem_names_its_file_and_makes_the_command_fail(
    town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate_entries(town, role=None, as_json=True) == 0
    assert capsys.readouterr() == ("[]\n", "2 entries read, 0 problems\n")
    path = town / ".corpus" / "mayor" / "two.json"
    path.write_text(path.read_text().replace('"no"', '"yes"'))

    assert validate_entries(town, role=None, as_json=True) == 1

    out, err = capsys.readouterr()
    assert {row["file"] for row in json.loads(out)} == {"mayor/two.json"}
    assert "2 entries read, 1 problems" in err
