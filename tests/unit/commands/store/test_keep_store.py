# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.store import keep_store
from node0.errors import NotFound, StoreUnavailable
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

Output = pytest.CaptureFixture[str]


def test_a_town_without_a_store_has_no_rows_and_none_is_made(tmp_path: Path, capsys: Output) -> None:
    keep_store.status(tmp_path, as_json=True)

    assert {row["rows"] for row in json.loads(capsys.readouterr().out)} == {0}
    assert list(tmp_path.iterdir()) == []


def test_a_copy_says_how_much_it_copied_and_from_where(tmp_path: Path, capsys: Output) -> None:
    registry = ModelRegistry(Town(tmp_path))
    registry.register(ModelRegistryEntry(name="deacon", role="deacon", artifact_path="/x"))
    registry.close()

    keep_store.copy("town", f"sqlite:///{tmp_path}/copy.sqlite", root=tmp_path)

    told = capsys.readouterr().err
    assert "copied 2 rows from" in told
    assert "copy.sqlite" in told


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no program 'no-such-dolt' on PATH"):
        keep_store.start(tmp_path, program="no-such-dolt", port=None)


def test_a_server_that_does_not_run_is_told_to_people_and_machines(tmp_path: Path, capsys: Output) -> None:
    assert keep_store.dolt_status(tmp_path, as_json=True) == StoreUnavailable.exit_code

    assert json.loads(capsys.readouterr().out) == [{"running": False}]
