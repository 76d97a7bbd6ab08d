# SPDX-License-Identifier: Apache-2.0
"""A typo in a path costs no file: what `node0-finetune` must not write over, it refuses."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tiny_run import make_base, make_corpus, settings

from node0.finetune.corpus.store import CorpusStore
from node0.run_finetune import main

pytestmark = pytest.mark.integration

TOOL = [sys.executable, "-c", "import sys; from node0.run_finetune import main; sys.exit(main())"]
Refuse = Callable[..., str]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    return tmp_path


def _arguments(place: Path, **changes: object) -> list[str]:
    (place / "run.yaml").write_text(yaml.safe_dump(settings(place, max_steps=2, **changes)))
    return ["--config", str(place / "run.yaml")]


def _bytes(place: Path) -> dict[Path, bytes]:
    files = [path for path in place.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in files}


@pytest.fixture(params=[(), ("--dry-run",)], ids=["train", "dry-run"])
def refuse(request: pytest.FixtureRequest, place: Path, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Run, with and without --dry-run, and give back the one line; no byte of any file may change."""

    def refused(run_dir: Path, **changes: object) -> str:
        arguments = _arguments(place, **changes)
        before = _bytes(place)
        code = main([*arguments, "--checkpoint-dir", str(run_dir), *request.param])
        (line,) = capsys.readouterr().err.splitlines()
        assert code == 1
        assert _bytes(place) == before
        return line

    return refused


def test_training_into_a_directory_with_my_files_is_refused(place: Path, refuse: Refuse) -> None:
    mine = place / "mine"
    mine.mkdir()
    for name in ("README.md", "metrics.jsonl", "notes.txt", "tokenizer.json"):
        (mine / name).write_text(f"my {name}")

    line = refuse(mine)

    assert "mine is not empty and no run: it holds README.md, metrics.jsonl, notes.txt and 1 more" in line
    assert "--checkpoint-dir" in line


def test_training_into_a_directory_with_one_hidden_file_is_refused(place: Path, refuse: Refuse) -> None:
    (place / "mine").mkdir()
    (place / "mine" / ".git").write_text("gitdir: elsewhere")

    assert "it holds .git" in refuse(place / "mine")


def test_training_into_the_base_is_refused(place: Path, refuse: Refuse) -> None:
    assert "not empty and no run" in refuse(place / "base")


def test_training_into_the_base_that_an_earlier_run_left_is_refused(
    place: Path, refuse: Refuse, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = place / "whole"
    assert main([*_arguments(place, lora=None), "--checkpoint-dir", str(whole), "--set", "max_steps=1"]) == 0
    (whole / "MANIFEST.json").unlink()
    capsys.readouterr()

    assert "is the directory of its base" in refuse(whole, base_model=str(whole))


def test_training_into_the_adapter_that_i_start_from_is_refused(
    place: Path, refuse: Refuse, capsys: pytest.CaptureFixture[str]
) -> None:
    first = place / "first"
    assert main([*_arguments(place), "--checkpoint-dir", str(first)]) == 0
    (first / "MANIFEST.json").unlink()
    capsys.readouterr()

    assert "the adapter that it starts from" in refuse(first, init_adapter=str(first))


@pytest.mark.parametrize("role", ["deacon", "witness"])
def test_training_into_the_corpus_is_refused_and_it_can_still_be_read(
    place: Path, refuse: Refuse, role: str
) -> None:
    line = refuse(place / "corpus" / role)

    assert "corpus" in line
    assert len(CorpusStore(place / "corpus").list()) == 12


def test_training_into_the_corpus_or_the_registry_of_my_town_is_refused_from_anywhere(
    place: Path, town_root: Path, refuse: Refuse
) -> None:
    assert "the corpus of a town" in refuse(town_root / ".corpus" / "deacon")
    assert "registered models" in refuse(town_root / ".models" / "deacon" / "1")


def test_a_run_directory_that_a_link_leads_to_is_looked_at_where_it_is(place: Path, refuse: Refuse) -> None:
    (place / "link").symlink_to(place / "corpus")

    assert "a corpus" in refuse(place / "link" / "polecat")


def test_a_disk_without_room_for_the_run_is_told_before_anything_is_written(
    place: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node0.finetune.training.plan.disk_estimate.free_disk", lambda path: 5 << 20)

    line = refuse(place / "run")

    assert f"the disk of {place / 'run'} is too full" in line
    assert "5.0 MiB are free" in line


def test_an_empty_directory_and_one_that_a_run_began_in_are_taken(place: Path) -> None:
    (place / "empty").mkdir()
    begun = place / "begun"
    begun.mkdir()
    (begun / ".lock").write_text("4711\n")
    (begun / ".README.md.x.part").write_text("half")

    for run_dir in (place / "empty", begun):
        assert main([*_arguments(place), "--checkpoint-dir", str(run_dir)]) == 0


def test_a_refused_start_leaves_no_directory(place: Path) -> None:
    shutil.rmtree(place / "corpus")
    (place / "corpus").mkdir()

    assert main([*_arguments(place), "--checkpoint-dir", str(place / "a" / "b" / "run")]) == 1
    assert not (place / "a").exists()


def test_a_disk_that_fills_up_is_told_with_directory_need_and_free(place: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    run_dir = place / "run"
    done = subprocess.run(
        [*TOOL, *_arguments(place), "--checkpoint-dir", str(run_dir)],
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        check=False,
    )

    line = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert line.startswith(f"error: the disk of {run_dir} is too full: ")
    assert "MiB are needed and" in line
    assert "are free" in line
    assert main([*_arguments(place), "--checkpoint-dir", str(run_dir)]) == 0
