# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.eval.export_suite import export_for_inspect
from node0.errors import ConfigError

Printed = pytest.CaptureFixture[str]


def test_a_part_of_the_shipped_suite_is_written_and_the_next_command_told(
    tmp_path: Path, capsys: Printed
) -> None:
    place = tmp_path / "a place"

    export_for_inspect(place, None, categories=["planning"], role="refinery")

    told = capsys.readouterr().err
    assert {file.name for file in place.iterdir()} == {"node0_suite.py", "planning.jsonl"}
    assert "1 items of suite roles in" in told
    assert f"cd '{place}' && inspect eval node0_suite.py --model MODEL" in told.replace("\n", " ")


def test_what_is_there_already_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")

    with pytest.raises(ConfigError, match="is there already; choose another place"):
        export_for_inspect(tmp_path, None, categories=[], role=None)

    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_nothing_is_written_where_nothing_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no category 'plannin'; did you mean 'planning'"):
        export_for_inspect(tmp_path / "out", None, categories=["plannin"], role=None)

    assert not (tmp_path / "out").exists()
