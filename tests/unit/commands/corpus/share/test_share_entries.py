# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.share.share_entries import approve, print_staged, stage
from node0.errors import GateRefused, SharingDisabled

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def sharing(town: Path) -> Path:
    """The town, with sharing switched on."""
    (town / ".models").mkdir(exist_ok=True)
    (town / ".models" / "settings.yaml").write_text("corpus_sharing: {enabled: true}\n")
    return town


def test_nothing_is_staged_while_sharing_is_off(town: Path, tmp_path: Path) -> None:
    with pytest.raises(SharingDisabled):
        stage("mayor", tmp_path / "out", town, as_json=True)

    assert not (tmp_path / "out").exists()


def test_a_person_is_told_how_to_go_on(sharing: Path, tmp_path: Path, capsys: Printed) -> None:
    stage("mayor", tmp_path / "out", sharing, as_json=False)

    staged = tmp_path / "out" / "mayor.jsonl"
    assert f"`node0-corpus share approve {staged} --reviewer YOU`" in capsys.readouterr().err
    print_staged(staged, as_json=False)
    assert capsys.readouterr().out.count("=== line") == len(staged.read_text().splitlines()) == 2
    print_staged(staged, as_json=True)
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_a_reviewer_sees_what_is_left_of_names_ids_and_paths_before_approving(
    sharing: Path, tmp_path: Path, capsys: Printed
) -> None:
    stage("mayor", tmp_path / "out", sharing, as_json=True)
    staged = tmp_path / "out" / "mayor.jsonl"
    staged.write_text(staged.read_text().replace("use ", "use what Ingrid left in lamps/old for OPS-4711, "))
    capsys.readouterr()

    print_staged(staged, as_json=False)

    shown = capsys.readouterr().out.partition("=== line 1")[0]
    left = dict(line.split(": ", 1) for line in shown.splitlines()[1:] if line)
    assert left.keys() == {"names", "ids", "paths"}
    assert "Ingrid" in left["names"]
    assert "OPS-4711" in left["ids"]
    assert "lamps/old" in left["paths"]


def test_a_file_that_was_changed_after_staging_is_refused(
    sharing: Path, tmp_path: Path, capsys: Printed
) -> None:
    stage("mayor", tmp_path / "out", sharing, as_json=True)
    staged = tmp_path / "out" / "mayor.jsonl"
    approve(staged, sharing, reviewer="ada", as_json=True)
    staged.write_text(staged.read_text().replace("use ", "use ghp_0123456789abcdefABCDEF0123456789wxyz "))

    with pytest.raises(GateRefused):
        approve(staged, sharing, reviewer="ada", as_json=True)
