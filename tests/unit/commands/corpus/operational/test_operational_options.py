# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from bead_rows import bead, closed, hooked, write_backup

from node0 import run_corpus

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"
Printed = pytest.CaptureFixture[str]


def run(*argv: str) -> int:
    return run_corpus.main(list(argv))


def told(capsys: Printed) -> Any:
    return json.loads(capsys.readouterr().out)


def test_beads_of_a_backup_are_shown_and_collected(tmp_path: Path, town: Path, capsys: Printed) -> None:
    rows = [bead("gt-a", close_reason="Merged to main"), hooked("gt-a", 0, "demo/polecats/toast")]
    place = write_backup(tmp_path / "backup", [*rows, closed("gt-a", 9, "mayor", "Merged to main")])
    options = ("--beads", str(place), "--town", str(town), "--json")

    assert run("operational", "--outcomes", *options) == 0
    (shown,) = told(capsys)
    assert (shown["bead"], shown["outcome"], shown["slings"]) == ("gt-a", "success", 1)
    assert run("operational", "--collect", "beads", *options) == 0
    collected = {(row["what"], row["which"]): row["count"] for row in told(capsys)}
    assert collected[("collected", "bead lifecycles")] == collected[("entries", "new")] == 1
    assert run("operational", "--collect", "slings", *options) == 0
    assert told(capsys)[0] == {"what": "collected", "which": "sling outcomes", "count": 1}
