# SPDX-License-Identifier: Apache-2.0
"""What a person types in the first hour does what they meant, or says what they should have typed."""

import json
import shlex
from pathlib import Path

import pytest
from any_base import make_any_base
from tiny_run import PROFILE, make_base, make_corpus

from node0 import cli
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.run_dir import RunDirectory
from node0.town import Town

pytestmark = pytest.mark.integration

SESSION = Path(__file__).parents[1] / "fixtures" / "claude_code" / "cut_answer.0.jsonl"
Printed = pytest.CaptureFixture[str]
SMALL = ["--batch-tokens", "1024", "--max-length", "512", "--lora-rank", "2", "--device", "cpu"]


@pytest.fixture
def town(town_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    make_base(tmp_path)
    make_corpus(town_root / ".corpus")
    (tmp_path / "profile.yaml").write_text(PROFILE)
    monkeypatch.chdir(town_root)
    return Town(town_root)


@pytest.fixture
def base(town: Town, tmp_path: Path) -> list[str]:
    profile = f"profile={tmp_path / 'profile.yaml'}"
    return ["--base-model", str(tmp_path / "base"), "--set", profile, "--set", "val_split=0.25"]


def _trained(run: RunDirectory) -> dict[str, object]:
    return dict(run.settings())


def test_a_role_and_a_base_are_enough_in_a_town(town: Town, base: list[str], capsys: Printed) -> None:
    assert cli.main(["finetune", "--role", "deacon", *base, *SMALL, "--lr", "0.01", "--epochs", "2"]) == 0

    run = RunDirectory(town.checkpoints / "deacon")
    trained = _trained(run)
    assert run.is_finished
    assert trained["corpus_path"] == str(town.corpus)
    assert (trained["lr"], trained["epochs"], trained["tokens_per_microbatch"]) == (0.01, 2.0, 1024)
    assert trained["lora"]["rank"] == 2  # type: ignore[index]  # a mapping
    assert trained["lora"]["alpha"] == 4.0  # type: ignore[index]  # twice the rank
    assert "  corpus_path = " in capsys.readouterr().err


def test_settings_by_hugging_faces_names_train_the_same(town: Town, base: list[str], capsys: Printed) -> None:
    ours = ["--lr", "0.01", "--epochs", "2", "--set", "lora.target_modules=[wq, wv]"]
    theirs = ["--learning_rate", "0.01", "--num_train_epochs=2", "--set", "target_modules=[q_proj, v_proj]"]
    for name, flags in (("ours", ours), ("theirs", theirs)):
        run_dir = ["--checkpoint-dir", str(town.checkpoints / name)]
        assert cli.main(["finetune", "--role", "deacon", *base, *SMALL, *run_dir, *flags]) == 0

    one, other = (town.checkpoints / name / "adapter_model.safetensors" for name in ("ours", "theirs"))
    assert one.read_bytes() == other.read_bytes()
    assert "note: learning_rate (from flag) is lr here" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "finetune --role deakon --base-model BASE",
        "finetune --role deakon --base-model BASE --dry-run",
        "swarm init runs/d --stages 2 --role deakon --base-model BASE",
        "corpus list --role deakon",
        "corpus stats --role deakon",
        "corpus export --role deakon",
        "corpus validate --role deakon",
        "corpus duplicates --role deakon",
        "corpus audit --role deakon",
        "corpus review list --role deakon",
        "corpus share --role deakon --output out.jsonl",
        "corpus operational --outcomes --role deakon",
        "corpus add examples.jsonl --role deakon",
        "corpus import examples.jsonl --role deakon",
        "dpo list --role deakon",
        "dpo export deakon out.jsonl",
        "staleness --role deakon",
        "model list --role deakon",
        "model prune --role deakon",
    ],
)
def test_a_misspelt_role_is_refused_with_the_nearest_one_and_nothing_is_written(
    town: Town, tmp_path: Path, command: str, capsys: Printed
) -> None:
    turns = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Ho."}]
    (town.root / "examples.jsonl").write_text(json.dumps({"messages": turns}))
    cli.main(["model", "list"])
    town.models.mkdir(exist_ok=True)
    before = {path: path.read_bytes() for path in town.corpus.rglob("*") if path.is_file()}
    capsys.readouterr()

    code = cli.main(shlex.split(command.replace("BASE", str(tmp_path / "base"))))

    out, err = capsys.readouterr()
    assert code == 1, (out, err)
    assert "no role 'deakon'; did you mean 'deacon'?" in err.splitlines()[-1]
    assert {path: path.read_bytes() for path in town.corpus.rglob("*") if path.is_file()} == before
    assert not (town.root / "out.jsonl").exists()
    assert not (town.root / "runs").exists()


def test_collecting_a_session_for_a_misspelt_role_moves_no_entry(
    town: Town, tmp_path: Path, capsys: Printed
) -> None:
    collect = ["corpus", "collect", "--transcript", str(SESSION), "--min-tokens", "0"]
    assert cli.main([*collect, "--role", "witness"]) == 0
    before = sorted(path.relative_to(town.corpus) for path in town.corpus.rglob("*.json"))
    capsys.readouterr()

    assert cli.main([*collect, "--role", "witnes"]) == 1

    assert "did you mean 'witness'?" in capsys.readouterr().err
    assert sorted(path.relative_to(town.corpus) for path in town.corpus.rglob("*.json")) == before
    assert "witnes" not in CorpusStore(town).roles()


def test_what_comes_next_is_said_after_collecting_training_and_registering_and_can_be_run(
    town: Town, base: list[str], tmp_path: Path, capsys: Printed
) -> None:
    collect = ["corpus", "collect", "--transcript", str(SESSION), "--role", "deacon", "--min-tokens", "0"]
    assert cli.main(collect) == 0
    (collected,) = _next(capsys)
    learns = ["--epochs", "20", "--lr", "0.02"]
    assert cli.main(["finetune", "--role", "deacon", *base, *SMALL, *learns]) == 0
    (trained,) = _next(capsys)
    assert cli.main(shlex.split(trained)[1:]) == 0
    (registered,) = _next(capsys)

    assert "node0 finetune --role deacon --base-model DIR --dry-run" in collected
    assert trained == f"node0 model register {town.checkpoints / 'deacon'} --name deacon"
    assert registered.startswith(f"node0 measure {tmp_path / 'base'} deacon:1 --run ")
    assert cli.main([*shlex.split(registered)[1:], "--limit", "1", "--max-tokens", "4"]) == 0


def _next(capsys: Printed) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix("next: ") for line in lines if line.startswith("next: ")]


def test_what_comes_next_on_a_base_that_transformers_computes_can_be_run(
    town: Town, base: list[str], tmp_path: Path, capsys: Printed
) -> None:
    other, run = make_any_base(tmp_path / "other", "gemma2"), town.checkpoints / "deacon"
    small = [*SMALL, "--epochs", "10", "--lr", "0.02"]
    flags = ["--role", "deacon", *base[2:], "--base-model", str(other), *small]
    assert cli.main(["finetune", *flags, "--register", "deacon"]) == 0
    (trained,) = _next(capsys)

    assert trained == f"node0 measure {other} deacon:1 --run {run}"
    assert cli.main(["model", "register", str(run), "--name", "deacon"]) == 0
    assert _next(capsys) == [trained]
    assert cli.main([*shlex.split(trained)[1:], "--limit", "1", "--max-tokens", "4", "--json"]) == 0
    untrained, adapted = json.loads(capsys.readouterr().out)
    assert adapted["loss"] < untrained["loss"]
    (tmp_path / "prompt").write_text("Go on.")
    answered = ["infer", "--model", "deacon", "--file", str(tmp_path / "prompt"), "--max-tokens", "4"]
    assert cli.main(answered) == 0
    (told,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("loaded deacon:1"))
    assert "transformers computes it" in told and "the slower way" in told
    assert f"vllm serve {other} --enable-lora" in told and "--lora-modules deacon=" in told
    assert cli.main(["model", "export", "deacon", str(tmp_path / "out"), "--format", "merged"]) == 0
    assert cli.main(["doctor", "--base-model", str(other), "--json"]) in (0, 1)
    assert "a gemma2 that transformers computes" in capsys.readouterr().out
