# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0 import cli
from node0.finetune.rag.indexer import RAGIndexer
from node0.town import Town


def test_a_town_is_asked_by_its_root(town_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    RAGIndexer(Town(town_root).rag).index_bead("gt-abc12", "the lamp is broken")

    assert cli.main(["rag", "query", "lamp", "--town", str(town_root), "--context"]) == 0

    assert "the lamp is broken" in capsys.readouterr().out


def test_a_town_without_an_index_and_a_number_that_is_none_are_refused(
    town_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["rag", "query", "lamp", "--town", str(town_root)]) == 1
    assert "make one with `node0-corpus rag-index`" in capsys.readouterr().err
    assert cli.main(["rag", "query", "lamp", "-n", "0"]) == 2
