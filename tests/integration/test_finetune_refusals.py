# SPDX-License-Identifier: Apache-2.0
"""Bad input to `node0-finetune`: one line on stderr, the right exit code, nothing written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny_run import FRESH, make_base, make_corpus, settings

from node0.finetune.training.output.run_lock import hold
from node0.run_finetune import main

pytestmark = pytest.mark.integration

HOLDER = """
import sys, time
from pathlib import Path
from node0.finetune.training.output.run_lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def written(place: Path) -> dict[Path, int]:
    """When each file and directory was last written; taking the lock of a run that exists does not count."""
    paths = [path for path in place.rglob("*") if path.name != ".lock"]
    return {path: path.stat().st_mtime_ns for path in paths}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("made")
    make_base(directory)
    make_corpus(directory / "corpus", sessions=4)
    return directory


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def refused(place: Path, capsys):
    """Runs the command and gives back its code and its one line; nothing may be written."""

    def run(*arguments: str, **changes) -> tuple[int, str]:
        (place / "run.yaml").write_text(yaml.safe_dump(settings(place, **changes)))
        before = written(place)
        code = main(
            [*(arguments if "--config" in arguments else ("--config", str(place / "run.yaml"), *arguments))]
        )
        captured = capsys.readouterr()
        assert written(place) == before
        assert captured.out == ""
        lines = captured.err.splitlines()
        assert len(lines) == 1, captured.err
        assert lines[0].startswith("error: ")
        return code, lines[0]

    return run


def test_a_missing_configuration(refused):
    code, line = refused("--config", "/nonexistent.yaml")

    assert code == 1
    assert "/nonexistent.yaml" in line
    assert "lora_sft_deacon" in line


def test_an_unknown_key(refused, place):
    (place / "wrong.yaml").write_text("lora: {rnak: 3}\n")

    code, line = refused("--config", str(place / "wrong.yaml"))

    assert code == 1
    assert "'lora.rnak' from wrong.yaml; did you mean 'lora.rank'?" in line


def test_an_unknown_key_in_a_flag(refused):
    code, line = refused("--set", "learning_rte=1")

    assert code == 1
    assert "'learning_rte' from flag" in line


def test_a_wrong_type(refused):
    code, line = refused(max_steps="many")

    assert code == 1
    assert "'max_steps' is 'many' (from run.yaml): expected a valid integer" in line


def test_an_empty_corpus(refused, place):
    shutil.rmtree(place / "corpus")
    (place / "corpus").mkdir()

    code, line = refused()

    assert code == 1
    assert "nothing to train on for role deacon" in line


def test_a_corpus_without_this_role(refused):
    code, line = refused(role="mayor")

    assert code == 1
    assert "role mayor" in line


def test_a_corpus_directory_that_does_not_exist(refused, place):
    code, line = refused(corpus_path=str(place / "gone"))

    assert code == 1
    assert "gone" in line


def test_a_run_directory_below_a_file(refused, place):
    code, line = refused("--checkpoint-dir", str(place / "profile.yaml" / "run"))

    assert code == 1
    assert "cannot write run directory" in line


@pytest.mark.skipif(
    not Path("/proc/self").is_dir(), reason="needs a read-only file system that root respects"
)
def test_a_read_only_run_directory(refused):
    code, line = refused("--checkpoint-dir", "/proc/run")

    assert code == 1
    assert "/proc/run" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only directory")
def test_a_run_directory_without_write_permission(refused, place):
    (place / "locked").mkdir(mode=0o500)

    code, line = refused("--checkpoint-dir", str(place / "locked" / "run"))

    assert code == 1
    assert "read-only" in line


def test_a_run_directory_in_use(refused, place):
    command = [sys.executable, "-c", HOLDER, str(place / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            code, line = refused()
        finally:
            holder.kill()

    assert code == 75
    assert f"in use by process {holder.pid}" in line


def test_a_run_directory_in_use_by_this_process(refused, place):
    with hold(place / "run"):
        code, _ = refused()

    assert code == 75


def test_a_run_that_cannot_fit(refused, place):
    fresh = {**FRESH, "init_args": {**FRESH["init_args"], "hidden_dim": 65536, "num_hidden_layers": 200}}
    code, line = refused(
        base_model=None, fresh_model=fresh, lora=None, mode="pretrain", tokenizer=str(place / "tokenizer")
    )

    assert code == 1
    assert "GiB and" in line
    assert "are free" in line


def test_a_dry_run_of_a_run_that_cannot_fit_shows_the_plan_first(place, capsys):
    fresh = {**FRESH, "init_args": {**FRESH["init_args"], "hidden_dim": 65536, "num_hidden_layers": 200}}
    changes = {"base_model": None, "fresh_model": fresh, "lora": None, "tokenizer": str(place / "tokenizer")}
    (place / "run.yaml").write_text(yaml.safe_dump(settings(place, **changes)))

    code = main(["--config", str(place / "run.yaml"), "--dry-run", "--json"])

    captured = capsys.readouterr()
    rows = {row["plan"]: row["value"] for row in json.loads(captured.out)}
    assert code == 1
    assert rows["memory estimate (GiB)"] > rows["memory free (GiB)"]
    assert captured.err.count("\n") == 1


def test_a_tokenizer_larger_than_the_vocabulary(refused, place):
    config = json.loads((place / "base" / "config.json").read_text())
    small = {**FRESH, "init_args": {**FRESH["init_args"], "vocab_size": 100}}
    assert config["vocab_size"] > 100

    code, line = refused(
        base_model=None, fresh_model=small, lora=None, mode="pretrain", tokenizer=str(place / "tokenizer")
    )

    assert code == 1
    assert "100 rows" in line


def test_an_adapter_of_another_base(refused, place, capsys):
    (place / "run.yaml").write_text(yaml.safe_dump(settings(place, max_steps=1)))
    assert main(["--config", str(place / "run.yaml"), "--checkpoint-dir", str(place / "first")]) == 0
    make_base(place, seed=8)
    capsys.readouterr()

    code, line = refused(init_adapter=str(place / "first"))

    assert code == 1
    assert "another base" in line


def test_a_run_cannot_go_on_with_another_base(refused, place, capsys):
    (place / "run.yaml").write_text(yaml.safe_dump(settings(place, max_steps=2)))
    assert main(["--config", str(place / "run.yaml"), "--stop-after", "1"]) == 0
    capsys.readouterr()
    make_base(place, seed=8)

    code, line = refused(max_steps=2)

    assert code == 1
    assert "cannot resume: base_digest was" in line


def test_a_run_cannot_go_on_with_another_seed(refused, place, capsys):
    (place / "run.yaml").write_text(yaml.safe_dump(settings(place, max_steps=2)))
    assert main(["--config", str(place / "run.yaml"), "--stop-after", "1"]) == 0
    capsys.readouterr()

    code, line = refused(max_steps=2, seed=5)

    assert code == 1
    assert "seed was 0 and is 5" in line


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda base: (base / "model.safetensors").unlink(), "base"),
        (
            lambda base: (base / "model.safetensors").write_bytes(
                (base / "model.safetensors").read_bytes()[:-9]
            ),
            "model",
        ),
        (lambda base: (base / "model.safetensors").rename(base / "pytorch_model.bin"), "pickle"),
        (lambda base: shutil.rmtree(base), "base"),
    ],
    ids=["no weights", "truncated", "pickle", "no directory"],
)
def test_a_base_that_cannot_be_used(refused, place, spoil, said):
    spoil(place / "base")

    code, line = refused(base_model=str(place / "base"))

    assert code == 1
    assert said in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_model": None}, "give --base-model"),
        ({"base_model": None, "fresh_model": FRESH}, "an adapter needs a base"),
        ({"max_length": 4096}, "exceeds the model's"),
        ({"num_stages": 9}, "stages"),
        ({"lora": None, "precision": "bfloat16"}, "trains an adapter only"),
        ({"device": "mps"}, "not available"),
        ({"lora": {"target_modules": ["wq", "w5"]}}, "named 'w5'"),
        ({"over_length": "refuse", "max_length": 64}, "over"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_contradict_each_other_or_the_machine(refused, changes, said):
    code, line = refused(**changes)

    assert code == 1
    assert said in line
