# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.exchange.collect_artifacts import collect_artifacts
from node0.finetune.corpus.store import CorpusStore


def test_instructions_of_every_root_are_collected_without_denied_words(
    town_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("harbor", "yard"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "CLAUDE.md").write_text(f"# {name}\n\nAsk zeppelin before you merge.\n")

    collect_artifacts([tmp_path / "harbor", tmp_path / "yard"], town_root, deny=["zeppelin"], as_json=True)

    rows = json.loads(capsys.readouterr().out)
    stored = CorpusStore(town_root / ".corpus").list()
    assert {row["id"] for row in rows} == {entry.id for entry in stored}
    assert len({row["rig"] for row in rows}) == 2
    assert "zeppelin" not in str([entry.messages for entry in stored])
