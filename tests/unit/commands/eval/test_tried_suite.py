# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest
from eval_fakes import Guesser, words
from replayed_sessions import Ruled, session

from node0.commands.eval.eval_tasks import ChosenTasks
from node0.commands.eval.tried_suite import directory_name, try_suite
from node0.finetune.eval.replay import commonest_answer, replay_tasks
from node0.finetune.eval.running.eval_runner import Trying

ONCE = Trying(epochs=1, concurrency=1)


def test_a_suite_has_a_directory_of_its_plan_and_nulls_beside_it(town_root: Path) -> None:
    chosen = ChosenTasks("words", words(count=2))

    tried = try_suite(chosen, ONCE, Guesser(), output=None, town=town_root)

    evals = town_root / ".models" / "evals"
    assert tried.directory == evals / directory_name(tried.plan)
    assert tried.directory.name.startswith("guesser-1-words-")
    assert len(list(evals.glob("null-models-*.json"))) == 1
    assert list(tried.nulls) == ["empty", "echo", "first-action", "no-op"]


def test_another_plan_has_another_directory(town_root: Path) -> None:
    chosen = ChosenTasks("words", words(count=2))

    names = {
        try_suite(chosen, replace(ONCE, seed=seed), Guesser(), output=None, town=town_root).directory.name
        for seed in (1, 1, 2)
    }

    assert len(names) == 2


@pytest.mark.parametrize("asked", [1, 3, 7])
def test_an_interrupted_replay_goes_on_with_the_next_call(
    asked: int, tmp_path: Path, town_root: Path
) -> None:
    tasks = replay_tasks([session(f"gt-{number}") for number in range(4)])
    chosen = ChosenTasks("replay", tasks, nulls=[commonest_answer(tasks)])

    class Interrupted(Ruled):
        def answer(self, *given: object) -> object:  # type: ignore[override]  # passes what it gets
            if len(self.asked) == asked:
                raise KeyboardInterrupt
            return super().answer(*given)  # type: ignore[arg-type]  # what it got

    with pytest.raises(KeyboardInterrupt):
        try_suite(chosen, ONCE, Interrupted(), output=tmp_path / "out", town=town_root)  # type: ignore[arg-type]  # as above
    rest = Ruled()
    tried = try_suite(chosen, ONCE, rest, output=tmp_path / "out", town=town_root)

    assert len(rest.asked) == 8 - asked
    assert all(result.passed for result in tried.results)
    assert "commonest-call" in tried.nulls
