# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest

from node0 import console, run_corpus
from node0.commands.corpus.operational.operational_kind import Kind


def test_the_command_offers_each_kind_by_its_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_corpus.main(["operational", "--help"]) == 0

    assert re.search(r"beads\|slings\|convoys\|all\b", capsys.readouterr().out)
    assert [Kind(word) for word in ("beads", "slings", "convoys", "all")] == list(Kind)


@pytest.mark.parametrize("word", ["rigs", "bead", ""])
def test_what_is_no_kind_is_refused_with_the_kinds_there_are(
    tmp_path: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_corpus.main(["operational", "--collect", word, "--town", str(tmp_path)]) == console.USAGE

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(f"'{kind}'" in said for kind in Kind)
