# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from bead_rows import bead, closed, hooked, write_backup

from node0.commands.corpus.open_beads import read_beads
from node0.errors import DoltUnavailable, NotFound
from node0.town import Town


def test_a_backup_is_read_where_one_is_named(tmp_path: Path, town_root: Path) -> None:
    rows = [bead("gt-a", close_reason="Merged to main"), hooked("gt-a", 0, "demo/polecats/toast")]
    backup = write_backup(tmp_path / "backup", [*rows, closed("gt-a", 9, "mayor", "Merged to main")])

    found = read_beads(Town(town_root), backup, Town(town_root).dolt_server())

    assert found.of["gt-a"].outcome == "success"


def test_a_backup_that_is_none_and_a_server_that_is_silent_are_told_apart(
    tmp_path: Path, town_root: Path
) -> None:
    town = Town(town_root)

    with pytest.raises(NotFound, match=r"no issues\.jsonl"):
        read_beads(town, tmp_path, town.dolt_server())
    with pytest.raises(DoltUnavailable, match=r"127\.0\.0\.1:1 does not answer"):
        read_beads(town, None, town.dolt_server(host="127.0.0.1", port=1))
