# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.model.registered_models import list_models, register, show_model, verify
from node0.errors import NotFound

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def registered(town_root: Path, tmp_path: Path, capsys: Printed) -> Path:
    """A town with version 1 of an adapter called `dm`, kept where it lies."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "adapter_model.safetensors").write_bytes(b"weights")
    (run / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    register(run, town_root, name="dm", role="deacon", in_place=True, as_json=True)
    capsys.readouterr()
    return town_root


def test_a_registered_model_is_listed_for_its_role_only(registered: Path, capsys: Printed) -> None:
    list_models(registered, role="deacon", as_json=True)
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["dm"]

    list_models(registered, role="witness", as_json=False)

    assert "no model is registered for witness" in capsys.readouterr().err


def test_a_model_is_shown_with_its_files_and_a_dash_for_what_is_not_known(
    registered: Path, capsys: Printed
) -> None:
    show_model("dm:1", registered, as_json=False)

    shown = capsys.readouterr().out
    assert "dm:1" in shown and "adapter_model.safetensors" in shown
    assert "eval_score" in shown
    assert "None" not in shown


def test_a_changed_file_is_named_and_fails_the_check(
    registered: Path, tmp_path: Path, capsys: Printed
) -> None:
    assert verify("dm", registered, as_json=False) == 0
    assert "2 files are as registered" in capsys.readouterr().err
    (tmp_path / "run" / "adapter_model.safetensors").write_bytes(b"changed")

    assert verify("dm", registered, as_json=True) == 1

    (row,) = json.loads(capsys.readouterr().out)
    assert row["model"] == "dm:1"
    assert "adapter_model.safetensors" in row["problem"]


def test_a_name_that_is_not_registered_is_not_found(registered: Path) -> None:
    with pytest.raises(NotFound, match="nobody"):
        show_model("nobody", registered, as_json=True)
