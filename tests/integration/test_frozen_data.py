# SPDX-License-Identifier: Apache-2.0
"""A run keeps to the entries that it began with, whatever a timer adds to the corpus meanwhile."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny_run import make_base, make_corpus, settings

from node0 import cli
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.run_dir import RunDirectory
from node0.run_finetune import main

pytestmark = pytest.mark.integration

TOOL = [sys.executable, "-c", "import sys; from node0.run_finetune import main; sys.exit(main())"]
KILLS = 10


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    return tmp_path


def _arguments(place: Path, **changes: object) -> list[str]:
    (place / "run.yaml").write_text(yaml.safe_dump(settings(place, **changes)))
    return ["--config", str(place / "run.yaml")]


def _adapter(run_dir: Path) -> bytes:
    return (run_dir / "adapter_model.safetensors").read_bytes()


def test_a_run_goes_on_after_a_new_session_was_collected(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(place)
    assert main([*arguments, "--checkpoint-dir", str(place / "straight")]) == 0
    assert main([*arguments, "--stop-after", "3"]) == 0
    make_corpus(place / "corpus", sessions=30)
    capsys.readouterr()

    assert main(arguments) == 0

    assert "keeps to the 12 entries that it began with; 18 others are left out" in capsys.readouterr().err
    assert _adapter(place / "run") == _adapter(place / "straight")
    for name in ("entries.jsonl", "README.md"):
        assert (place / "run" / name).read_bytes() == (place / "straight" / name).read_bytes()


def test_a_run_that_was_killed_at_random_moments_while_its_corpus_grew_is_the_undisturbed_one(
    place: Path,
) -> None:
    steps = {"max_steps": 60, "eval_every_n_steps": 50, "checkpoint_every_n_steps": 4}
    arguments = _arguments(place, **steps)
    assert main([*arguments, "--checkpoint-dir", str(place / "straight")]) == 0
    draw, environment = random.Random(15), {**os.environ, "OMP_NUM_THREADS": "1"}
    moments = sorted(draw.sample(range(58), KILLS))

    for number, moment in enumerate(moments):
        with subprocess.Popen([*TOOL, *arguments], stderr=subprocess.PIPE, text=True, env=environment) as run:
            assert run.stderr is not None
            for line in run.stderr:
                if line.startswith('{"step": ') and int(line.split()[1].rstrip(",")) >= moment:
                    break
            run.kill()
            run.stderr.read()
        make_corpus(place / "corpus", sessions=13 + number)

    assert main(arguments) == 0
    assert _adapter(place / "run") == _adapter(place / "straight")
    assert [row["step"] for row in RunDirectory(place / "run").metrics()] == list(range(61))


def test_a_run_ends_with_the_names_of_entries_that_changed_or_were_retracted(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(place)
    assert main([*arguments, "--stop-after", "3"]) == 0
    store = CorpusStore(place / "corpus")
    changed = store.get("e002").model_copy(update={"messages": [{"role": "user", "content": "Other."}]})
    store.add(changed)
    store.retracted().add([store.get("e005")])
    before = {
        path: path.read_bytes()
        for path in (place / "run").rglob("*")
        if path.name != ".lock" and path.is_file()
    }
    capsys.readouterr()

    assert main(arguments) == 1

    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    # Whoever retracts a text retracts it under every id: e000 and e010 say the same as e005.
    assert "e000 (retracted), e002 (changed), e005 (retracted), e010 (retracted); start over" in line
    assert all(path.read_bytes() == data for path, data in before.items())
    assert main([*arguments, "--resume", "never"]) == 0
    assert not {"e000", "e005", "e010"} & {row["id"] for row in RunDirectory(place / "run").entries()}


def test_going_on_with_another_choice_of_entries_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(place)
    assert main([*arguments, "--stop-after", "3"]) == 0
    capsys.readouterr()

    assert main([*arguments, "--set", "select.max_per_session=1"]) == 1
    assert "cannot resume: select was" in capsys.readouterr().err


def test_a_start_that_saved_nothing_yet_may_be_begun_with_another_choice(place: Path) -> None:
    run = RunDirectory(place / "run")
    assert main([*_arguments(place), "--stop-after", "1"]) == 0
    run.clear()

    assert main([*_arguments(place), "--set", "select.outcomes=[collected]", "--set", "val_split=0.4"]) != 0
    assert main([*_arguments(place), "--set", "val_split=0.4"]) == 0


def test_two_runs_on_one_frozen_list_are_of_the_same_entries(place: Path) -> None:
    frozen = place / "march.jsonl"
    arguments = _arguments(place)
    freeze = ["dataset", "freeze", str(frozen), "--config", str(place / "run.yaml")]
    assert cli.main(freeze) == 0
    assert main([*arguments, "--set", f"dataset={frozen}"]) == 0
    make_corpus(place / "corpus", sessions=25)

    assert main([*arguments, "--set", f"dataset={frozen}", "--checkpoint-dir", str(place / "again")]) == 0

    assert _adapter(place / "again") == _adapter(place / "run")
