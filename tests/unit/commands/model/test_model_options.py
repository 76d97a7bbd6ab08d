# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from node0.commands.model import model_options as run_model


@pytest.fixture
def town(tmp_path: Path) -> Path:
    root = tmp_path / "town"
    (root / "mayor").mkdir(parents=True)
    (root / "mayor" / "town.json").write_text("{}")
    return root


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "adapter_model.safetensors").write_bytes(b"weights")
    (directory / "entries.jsonl").write_text('{"id": "a"}\n')
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "node0_base_digest": "d" * 64}
    (directory / "adapter_config.json").write_text(json.dumps(adapter))
    files = {"adapter_model.safetensors": {"sha256": hashlib.sha256(b"weights").hexdigest(), "size": 7}}
    (directory / "MANIFEST.json").write_text(json.dumps({"corpus_hash": "c" * 64, "files": files}))
    (directory / "config.resolved.yaml").write_text("role: deacon  # flag\nlora:\n  rank: 4\n")
    return directory


def _json(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    rows = json.loads(capsys.readouterr().out)
    assert isinstance(rows, list)
    return rows


def test_a_registered_run_brings_its_lineage(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_model.main(["register", str(run), "--name", "dm", "--town", str(town)]) == 0
    assert "registered dm:1 for deacon: 5 files" in capsys.readouterr().err
    assert run_model.main(["show", "dm:1", "--json", "--town", str(town)]) == 0

    (row,) = _json(capsys)

    assert row["base_model"] == "org/base"
    assert row["base_digest"] == "d" * 64
    assert row["corpus_hash"] == "c" * 64
    assert row["training_config"] == {"role": "deacon", "lora": {"rank": 4}}
    assert row["lora_adapters"] == ["."]
    assert len(str(row["entries_sha256"])) == 64
    assert Path(str(row["artifact_path"])).is_relative_to(town / ".models" / "dm")


def test_a_copy_survives_a_change_of_the_run_and_a_model_in_place_does_not(town: Path, run: Path) -> None:
    at = ["--town", str(town)]
    assert run_model.main(["register", str(run), "--name", "copied", *at]) == 0
    assert run_model.main(["register", str(run), "--name", "placed", "--in-place", *at]) == 0

    (run / "adapter_model.safetensors").write_bytes(b"changed")

    assert run_model.main(["verify", "copied", *at]) == 0
    assert run_model.main(["verify", "placed", *at]) == 1


def test_list_shows_the_columns_and_filters_by_role(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for role in ("deacon", "witness"):
        run_model.main(["register", str(run), "--role", role, "--town", str(town)])
    capsys.readouterr()

    assert run_model.main(["list", "--town", str(town)]) == 0
    table = capsys.readouterr().out
    run_model.main(["list", "--role", "witness", "--json", "--town", str(town)])

    assert all(word in table for word in ("NAME", "ROLE", "BASE", "VER", "EVAL", "STATUS", "registered"))
    assert [row["name"] for row in _json(capsys)] == ["witness"]


def test_an_unknown_name_is_one_line_and_writes_nothing(
    town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_model.main(["show", "nobody", "--town", str(town)]) == 1

    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in town.iterdir()] == ["mayor"]


def test_listing_an_empty_town_says_how_to_register(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_model.main(["list", "--town", str(town)]) == 0
    assert "node0 model register --help" in capsys.readouterr().err
    assert run_model.main(["list", "--json", "--town", str(town)]) == 0
    assert _json(capsys) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda run: (run / "config.resolved.yaml").unlink(), "does not say its role; give --role"),
        (lambda run: (run / "model.bin").write_bytes(b""), "may be a pickle"),
        (lambda run: (run / "adapter_config.json").unlink(), "holds no model"),
        (lambda run: (run / "adapter_model.safetensors").unlink(), "holds no model"),
        (
            lambda run: (run / "adapter_model.safetensors").write_bytes(b"another"),
            "adapter_model.safetensors does not have the recorded sha256",
        ),
        (lambda run: (run / "MANIFEST.json").write_text("{}"), "MANIFEST.json cannot be read"),
    ],
)
def test_what_is_no_model_is_refused(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str], change: object, line: str
) -> None:
    assert callable(change)
    change(run)

    assert run_model.main(["register", str(run), "--town", str(town)]) == 1

    assert line in capsys.readouterr().err
    assert not (town / ".models" / "deacon").exists()


def test_a_name_with_a_slash_is_refused(town: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_model.main(["register", str(run), "--name", "../x", "--town", str(town)]) == 1

    assert "cannot register" in capsys.readouterr().err
    assert not (town / "x").exists()


@pytest.mark.parametrize("module", ["node0.commands.model.model_options", "node0.finetune.registry.publish"])
def test_the_registry_is_loaded_without_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'transformers'}} & set(sys.modules)))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"
