# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.store.store_options import main
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.store.engine import open_store
from node0.town import Town


@pytest.fixture
def town(tmp_path: Path) -> Path:
    registry = ModelRegistry(Town(tmp_path))
    registry.register(ModelRegistryEntry(name="deacon", role="deacon", artifact_path="/x"))
    registry.close()
    return tmp_path


def test_status_counts_the_rows_of_each_table(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--town", str(town)]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert {row["table"]: row["rows"] for row in rows}["model_registry"] == 1


def test_a_copy_holds_what_the_town_knows(town: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite"

    assert main(["copy", "town", str(target), "--town", str(town)]) == 0

    found = ModelRegistry(open_store(target)).list()
    assert [entry.spelled for entry in found] == ["deacon:1"]


def test_a_copy_into_what_is_not_empty_is_refused(
    town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "copy.sqlite"
    main(["copy", "town", str(target), "--town", str(town)])

    code = main(["copy", "town", str(target), "--town", str(town)])

    assert code == 1
    assert "is not empty" in capsys.readouterr().err


def test_a_server_that_does_not_run_is_exit_75(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["dolt", "status", "--town", str(town)])

    assert code == 75
    assert "node0 store dolt start" in capsys.readouterr().err


def test_copying_to_a_server_that_does_not_run_is_exit_75(town: Path) -> None:
    assert main(["copy", "town", "dolt", "--town", str(town)]) == 75


def test_stopping_what_does_not_run_is_no_error(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["dolt", "stop", "--town", str(town)])

    assert code == 0
    assert "no Dolt server" in capsys.readouterr().err
