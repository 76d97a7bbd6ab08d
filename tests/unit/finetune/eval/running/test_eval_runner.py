# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from eval_fakes import Guesser, WordTask, words

from node0.errors import ConfigError, RunInUse
from node0.finetune.chat.messages import Block, Request
from node0.finetune.eval.report.eval_report import Bars, build_report
from node0.finetune.eval.running.answerer import PromptAnswerer, Sampling
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying, as_text, category_scores
from node0.finetune.eval.running.run_files import ANSWERS, TRIALS, EvalDirectory
from node0.finetune.eval.running.task import Task
from node0.finetune.eval.schema import EvalResult

TASKS = [*words(count=8), *words("others", count=6)]


def _report(results: list[EvalResult], trying: Trying) -> str:
    plan = trying.plan("words", TASKS, Guesser())
    return json.dumps(build_report(plan, TASKS, results, nulls={}, bars=Bars(0.8, 0.6)))


@pytest.mark.parametrize("concurrency", [1, 5])
def test_results_do_not_depend_on_concurrency(concurrency: int) -> None:
    alone = EvalRunner(TASKS, Trying(epochs=3, concurrency=1)).run(Guesser())

    found = EvalRunner(TASKS, Trying(epochs=3, concurrency=concurrency)).run(Guesser())

    assert found == alone
    assert 0 < sum(result.passed for result in found) < len(found) == 3 * len(TASKS)


def test_another_seed_gives_other_results() -> None:
    first, second = (EvalRunner(TASKS, Trying(epochs=3, seed=seed)).run(Guesser()) for seed in (0, 1))

    assert first != second


@pytest.mark.parametrize("half", [1, 21, 41])
def test_an_interrupted_run_goes_on_and_reports_the_same(half: int, tmp_path: Path) -> None:
    trying = Trying(epochs=3)
    whole = EvalRunner(TASKS, trying).run(Guesser())
    directory = EvalDirectory(tmp_path / "run")
    stopped, again = Guesser(fails_after=half), Guesser()
    with pytest.raises(KeyboardInterrupt):
        EvalRunner(TASKS, trying).run(stopped, directory=directory)
    with (tmp_path / "run" / TRIALS).open("a") as file:
        file.write('{"item": "torn')

    found = EvalRunner(TASKS, trying).run(again, directory=directory)

    assert again.asked <= len(TASKS) * 3 - half
    assert _report(found, trying) == _report(whole, trying)
    assert len((tmp_path / "run" / TRIALS).read_text().splitlines()) == len(found)


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    directory = EvalDirectory(tmp_path / "run")
    first, second = Guesser(), Guesser()
    found = EvalRunner(TASKS, Trying(epochs=2)).run(first, directory=directory)
    (tmp_path / "run" / TRIALS).unlink()

    assert EvalRunner(TASKS, Trying(epochs=2)).run(second, directory=directory) == found
    assert (first.asked, second.asked) == (28, 0)
    assert len((tmp_path / "run" / ANSWERS).read_text().splitlines()) == 28


class _HalfPair:
    """Answers with a lone surrogate, in words and in a call."""

    name = "half"
    digest = "half:1"

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        given = {"comm\udc00and": ["ls \ud83d"]}
        call: Block = {"type": "tool_use", "id": "1", "name": "Bash", "input": given}
        return [{"type": "text", "text": "so \ud83d"}, call]


def test_half_a_character_ends_no_run(tmp_path: Path) -> None:
    directory = EvalDirectory(tmp_path / "run")

    for _ in range(2):
        found = EvalRunner(TASKS, Trying(epochs=1)).run(_HalfPair(), directory=directory)
        (tmp_path / "run" / TRIALS).unlink()

    assert {result.answers for result in found} == {('so \ufffd\nBash {"comm\ufffdand": ["ls \ufffd"]}',)}


def test_a_directory_of_another_plan_is_refused_with_what_differs(tmp_path: Path) -> None:
    directory = EvalDirectory(tmp_path)
    EvalRunner(TASKS, Trying(epochs=1)).run(Guesser(), directory=directory)

    with pytest.raises(ConfigError, match="epochs is 2 here"):
        EvalRunner(TASKS, Trying(epochs=2)).run(Guesser(), directory=directory)


def test_a_directory_that_is_held_is_not_written_to(tmp_path: Path) -> None:
    directory, trying = EvalDirectory(tmp_path), Trying(epochs=1)
    with directory.claimed(trying.plan("roles", TASKS, Guesser())), pytest.raises(RunInUse):
        EvalRunner(TASKS, trying).run(Guesser(), directory=directory)


def test_every_turn_of_a_trial_has_a_seed_of_its_own() -> None:
    tasks = [WordTask(f"word-{number}", turns=3) for number in range(20)]

    found = EvalRunner(tasks, Trying(epochs=1)).run(Guesser())

    assert {len(result.answers) for result in found} == {3}
    assert any(len(set(result.answers)) > 1 for result in found)


def test_an_inference_function_gets_a_score_for_each_category() -> None:
    runner = EvalRunner(TASKS, Trying(epochs=1))

    scores = runner.run_all("by-hand", lambda prompt: prompt.split()[-3][::-1])

    assert scores == {"others": 1.0, "words": 1.0}
    assert category_scores(runner.run(PromptAnswerer("none", lambda prompt: ""))) == {"others": 0, "words": 0}


def test_the_composite_is_the_weighted_mean() -> None:
    scores = {"a": 1.0, "b": 0.5}

    assert EvalRunner.composite_score(scores) == 0.75
    assert EvalRunner.composite_score(scores, {"a": 3, "b": 1}) == 0.875
    with pytest.raises(ValueError, match="weight"):
        EvalRunner.composite_score(scores, {"c": 1})


def test_an_answer_is_shown_with_its_calls() -> None:
    call = {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": "ls"}}

    assert as_text([{"type": "text", "text": "so"}, call]) == 'so\nBash {"command": "ls"}'
