# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.model.model_options import main
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


def _json(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    rows = json.loads(capsys.readouterr().out)
    assert isinstance(rows, list)
    return rows


def test_a_registered_run_brings_its_lineage(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["register", str(run), "--name", "dm", "--town", str(town)]) == 0
    assert "registered dm:1 for deacon: 5 files" in capsys.readouterr().err
    assert main(["show", "dm:1", "--json", "--town", str(town)]) == 0

    (row,) = _json(capsys)

    assert row["base_model"] == "org/base"
    assert row["base_digest"] == "d" * 64
    assert row["corpus_hash"] == "c" * 64
    assert row["training_config"].pop("conventions").keys() == {"claude_md", "formulas", "config"}
    assert row["training_config"] == {"role": "deacon", "lora": {"rank": 4}}
    assert row["lora_adapters"] == ["."]
    assert len(str(row["entries_sha256"])) == 64
    assert Path(str(row["artifact_path"])).is_relative_to(town / ".models" / "dm")


def test_a_copy_survives_a_change_of_the_run_and_a_model_in_place_does_not(town: Path, run: Path) -> None:
    at = ["--town", str(town)]
    assert main(["register", str(run), "--name", "copied", *at]) == 0
    assert main(["register", str(run), "--name", "placed", "--in-place", *at]) == 0

    (run / "adapter_model.safetensors").write_bytes(b"changed")

    assert main(["verify", "copied", *at]) == 0
    assert main(["verify", "placed", *at]) == 1


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

    assert main(["register", str(run), "--town", str(town)]) == 1

    assert line in capsys.readouterr().err
    assert not (town / ".models" / "deacon").exists()


def test_a_name_with_a_slash_is_refused(town: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["register", str(run), "--name", "../x", "--town", str(town)]) == 1

    assert "cannot register" in capsys.readouterr().err
    assert not (town / "x").exists()


def _registered(town: Path, run: Path, versions: int) -> list[str]:
    at = ["--town", str(town)]
    for number in range(versions):
        (run / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": number}))
        assert main(["register", str(run), "--name", "dm", *at]) == 0
    return at


def test_the_same_bytes_again_are_no_second_version(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = _registered(town, run, 1)
    capsys.readouterr()

    assert main(["register", str(run), "--name", "dm", *at]) == 0

    assert "nothing new, these files are dm:1" in capsys.readouterr().err
    assert len(ModelRegistry(Town(town)).list()) == 1
    assert len([path for path in (town / ".models" / "dm").iterdir() if path.is_dir()]) == 1


def test_a_promoted_version_is_the_candidate(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = _registered(town, run, 2)

    assert main(["promote", "dm:1", "--reason", "better", *at]) == 0

    assert "dm:1 is the candidate" in capsys.readouterr().err
    assert ModelRegistry(Town(town)).require("dm@candidate").version == 1


def test_prune_says_what_it_would_remove_and_then_removes_that(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = _registered(town, run, 3)
    registry = ModelRegistry(Town(town))
    for number in (1, 2):
        registry.update_deployment_status(f"dm:{number}", "archived", [])
    capsys.readouterr()

    assert main(["prune", "--keep-last", "1", "--dry-run", "--json", *at]) == 0
    listed = _json(capsys)
    left = [entry.version for entry in registry.list()]
    assert main(["prune", "--keep-last", "1", "--json", *at]) == 0

    assert _json(capsys) == listed
    assert left == [3, 2, 1]
    assert [entry.version for entry in registry.list()] == [3]
    assert main(["prune", *at]) == 0
    assert "nothing to prune" in capsys.readouterr().err


def test_a_removed_version_leaves_its_history(
    town: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = _registered(town, run, 2)
    files = Path(ModelRegistry(Town(town)).require("dm:1").artifact_path)

    assert main(["rm", "dm:1", "--reason", "a test", *at]) == 0

    assert not files.exists()
    capsys.readouterr()
    assert main(["history", "dm:1", "--json", *at]) == 0
    assert [row["event"] for row in _json(capsys)] == ["registered", "removed"]


def test_a_needed_version_is_not_removed(town: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = _registered(town, run, 1)
    main(["promote", "dm:1", *at])
    capsys.readouterr()

    assert main(["rm", "dm:1", *at]) == 1

    assert "dm:1 cannot be removed: it is @candidate" in capsys.readouterr().err


def test_a_note_is_kept_in_the_history(town: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = _registered(town, run, 1)

    assert main(["note", "dm", "looks good", *at]) == 0

    capsys.readouterr()
    main(["history", "dm", "--json", *at])
    assert _json(capsys)[-1]["reason"] == "looks good"


def test_an_evaluation_stays_when_files_are_registered_again(town: Path, run: Path) -> None:
    at = _registered(town, run, 1)
    registry = ModelRegistry(Town(town))
    registry.add_evaluation("dm:1", Evaluation(suite="held-out", items=3, score=0.5))

    main(["register", str(run), "--name", "dm", *at])

    assert registry.require("dm").eval_score == 0.5
