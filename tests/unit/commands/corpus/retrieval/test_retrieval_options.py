# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from bead_rows import bead, write_backup

from node0 import run_corpus


def test_the_flags_reach_the_index(town_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backup = write_backup(town_root / "backup", [bead("gt-a1"), bead("gt-b2"), bead("gt-c3")])
    place = ["--town", str(town_root), "--rag-dir", str(town_root / "idx"), "--embedder", "none", "--json"]

    code = run_corpus.main(
        [
            "rag-index",
            *place,
            "--beads",
            str(backup),
            "--bead-id",
            "gt-a1",
            "--bead-id",
            "gt-c3",
            "--deny",
            "Mend",
        ]
    )

    out, err = capsys.readouterr()
    assert code == 0
    assert json.loads(out)[0]["sources"] == 2
    assert "words only: the index was made with --embedder none" in err
    assert b"Mend" not in (town_root / "idx" / "index.sqlite").read_bytes()
    assert run_corpus.main(["rag-index-formulas", *place]) == 0
