# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from tiny_run import configure, make_base, make_corpus

from node0.commands.eval.eval_options import main
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.output.run_lock import hold
from node0.finetune.training.run import train
from node0.step_directories import step_numbers

Output = pytest.CaptureFixture[str]


@pytest.fixture
def trained(tmp_path: Path) -> RunDirectory:
    """A run that was stopped at step 6 of 8, with checkpoints of steps 3 and 6."""
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus", sessions=4)
    config = configure(tmp_path, max_steps=8, val_split=0)
    train(config, {}, stop_after=6)
    return RunDirectory(config.checkpoint_dir)


def follow(run: RunDirectory, suite: Path, *flags: str) -> int:
    quick = ["--epochs", "1", "--max-tokens", "4", "--device", "cpu", "--dtype", "float32"]
    return main(["follow", str(run.root), "--suite", str(suite), *quick, "--town", str(run.root), *flags])


def test_the_newest_checkpoint_is_evaluated_and_reported(
    trained: RunDirectory, suite: Path, capsys: Output
) -> None:
    assert follow(trained, suite, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)

    assert row["step"] == 6
    assert 0 <= row["low"] <= row["score"] <= row["high"] <= 1
    assert {path.name for path in (trained.evals / "step_6").iterdir()} >= {"report.json", "report.html"}
    assert not (trained.evals / "step_6" / "model").exists()


def test_what_was_evaluated_is_not_evaluated_again(
    trained: RunDirectory, suite: Path, capsys: Output
) -> None:
    follow(trained, suite)
    page = (trained.evals / "step_6" / "report.html").stat().st_mtime_ns
    assert follow(trained, suite) == 0
    assert (trained.evals / "step_6" / "report.html").stat().st_mtime_ns == page
    assert capsys.readouterr().err.count("step 6:") == 1


def test_a_step_that_is_of_other_items_is_refused_with_what_to_do_and_left_as_it_is(
    trained: RunDirectory, suite: Path, tmp_path: Path, capsys: Output
) -> None:
    follow(trained, suite)
    before = {path.name: path.read_bytes() for path in (trained.evals / "step_6").iterdir()}
    other = tmp_path / "other.yaml"
    other.write_text('prompts: ["good day"]\ntests: [{assert: [{type: not-contains, value: zzz}]}]\n')
    capsys.readouterr()
    assert follow(trained, other) != 0

    told = capsys.readouterr().err.splitlines()[-1]
    assert "step_6 is of another evaluation (suite is 'other' here)" in told
    assert told.endswith("or move it away")
    assert {path.name: path.read_bytes() for path in (trained.evals / "step_6").iterdir()} == before


def test_who_calls_from_elsewhere_goes_on_where_it_was_interrupted(
    trained: RunDirectory, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as inside:
        inside.chdir(trained.root.parent)
        assert follow(RunDirectory(Path(trained.root.name)), suite) == 0
    (trained.evals / "step_6" / "report.json").unlink()

    assert follow(trained, suite) == 0


def test_only_steps_of_the_schedule_are_evaluated(trained: RunDirectory, suite: Path, capsys: Output) -> None:
    assert follow(trained, suite, "--every", "4", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_later_step_stands_beside_the_one_before(
    trained: RunDirectory, suite: Path, tmp_path: Path, capsys: Output
) -> None:
    follow(trained, suite)
    train(configure(tmp_path, max_steps=8, val_split=0), {})
    assert follow(trained, suite, "--json") == 0

    assert [row["step"] for row in json.loads(capsys.readouterr().out.splitlines()[-1])] == [6, 8]
    assert "step_6" in (trained.evals / "step_8" / "report.html").read_text()


def test_a_run_that_begins_anew_forgets_how_its_weights_did(
    trained: RunDirectory, suite: Path, tmp_path: Path
) -> None:
    follow(trained, suite)
    config = configure(tmp_path, max_steps=8, val_split=0)
    train(config, {}, resume=trained.state(3), stop_after=4)

    assert step_numbers(trained.evals) == []


def test_while_somebody_trains_it_looks_again(
    trained: RunDirectory, suite: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def interrupt(seconds: float) -> None:
        assert seconds == 0.5
        raise KeyboardInterrupt

    monkeypatch.setattr("node0.commands.eval.follow_run.time.sleep", interrupt)
    with hold(trained.root):
        assert follow(trained, suite, "--seconds", "0.5") == 130

    assert "step 6:" in capsys.readouterr().err


def test_what_cannot_be_followed_is_refused_in_one_line(tmp_path: Path, suite: Path, capsys: Output) -> None:
    assert follow(RunDirectory(tmp_path / "none"), suite) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert "no config.resolved.yaml" in told
