# SPDX-License-Identifier: Apache-2.0
"""`EvalRunner`: every task, tried several times, by any model, many at once; what was judged is kept."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice

from node0.finetune.chat.messages import Block
from node0.finetune.corpus.lone_surrogates import without_lone_surrogates
from node0.finetune.eval.running.answerer import Answerer, PromptAnswerer, Sampling, trial_seed
from node0.finetune.eval.running.kept_answers import keeping
from node0.finetune.eval.running.run_files import ANSWERS, EvalDirectory, EvalPlan
from node0.finetune.eval.running.task import Task, suite_digest
from node0.finetune.eval.schema import EvalResult, outcomes_of
from node0.finetune.statistics.tallies import Estimate, composite, estimate
from node0.loglines import EVAL_SCORE

logger = logging.getLogger(__name__)

EPOCHS = 5
"With fewer trials an item the test for a regression is too weak (`bench/gate_power.py`)."


@dataclass(frozen=True)
class Trying:
    """How tasks are tried."""

    epochs: int = EPOCHS
    seed: int = 0
    temperature: float = 1.0
    max_tokens: int = 1024
    concurrency: int = 2

    def plan(self, suite: str, tasks: Sequence[Task], answerer: Answerer) -> EvalPlan:
        """What decides the results; how many are tried at once does not."""
        return EvalPlan(
            suite=suite,
            suite_digest=suite_digest(tasks),
            model=answerer.name,
            model_digest=answerer.digest,
            epochs=self.epochs,
            seed=self.seed,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
        )


@dataclass(frozen=True)
class EvalRunner:
    """Tries tasks."""

    tasks: Sequence[Task]
    trying: Trying = Trying()

    on_result: Callable[[EvalResult], None] = lambda result: None
    "Told of each trial, also of those that were judged before."

    def run(
        self, answerer: Answerer, *, suite: str = "tasks", directory: EvalDirectory | None = None
    ) -> list[EvalResult]:
        """Try every task in every epoch; results by category, item and epoch.

        Args:
            answerer: what is asked.
            suite: name of the suite.
            directory: where trials are kept as they are judged, so that an interrupted run goes on.

        Raises:
            RunInUse, ConfigError: the directory is held by another process, or is of another plan.
        """
        if directory is None:
            return _ordered(self._try_all(answerer, [], lambda result: None))
        plan = self.trying.plan(suite, self.tasks, answerer)
        with (
            directory.claimed(plan) as known,
            directory.recording() as record,
            keeping(answerer, directory.root / ANSWERS) as kept,
        ):
            return _ordered(self._try_all(kept if answerer.digest else answerer, known, record))

    def run_all(self, model_name: str, inference_fn: Callable[[str], str]) -> dict[str, float]:
        """Score of each category, of an inference function from text to text."""
        scores = category_scores(self.run(PromptAnswerer(model_name, inference_fn)))
        for category, score in scores.items():
            logger.info(EVAL_SCORE.write(category, score))
        return scores

    @staticmethod
    def composite_score(scores: Mapping[str, float], weights: Mapping[str, float] | None = None) -> float:
        """The weighted mean of scores; equal weights where none are given.

        Raises:
            ValueError: the weights of these categories add up to nothing.
        """
        parts = {name: Estimate(score, score, score, 1) for name, score in scores.items()}
        return composite(parts, weights).score

    def _try_all(
        self, answerer: Answerer, known: Iterable[EvalResult], record: Callable[[EvalResult], None]
    ) -> list[EvalResult]:
        wanted = {
            (task.category, task.id, epoch): task
            for epoch in range(self.trying.epochs)
            for task in self.tasks
        }
        found = {(one.category, one.item, one.epoch): one for one in known}
        for result in found.values():
            self.on_result(result)
        todo = [(task, key[2]) for key, task in wanted.items() if key not in found]

        def judged(result: EvalResult) -> None:
            record(result)
            found[result.category, result.item, result.epoch] = result
            self.on_result(result)

        self._spread(answerer, todo, judged)
        return [found[key] for key in wanted]

    def _spread(
        self,
        answerer: Answerer,
        todo: Sequence[tuple[Task, int]],
        judged: Callable[[EvalResult], None],
    ) -> None:
        """Try all, so many at once; an error ends the run after what is under way was judged."""
        pool = ThreadPoolExecutor(self.trying.concurrency, thread_name_prefix="eval")
        left = iter(todo)
        under_way: set[Future[EvalResult]] = set()
        try:
            while True:
                for task, epoch in islice(left, self.trying.concurrency - len(under_way)):
                    under_way.add(pool.submit(self.try_once, answerer, task, epoch=epoch))
                if not under_way:
                    return
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    under_way.remove(future)
                    judged(future.result())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            for future in under_way:
                if not future.cancelled() and future.exception() is None:
                    judged(future.result())

    def try_once(self, answerer: Answerer, task: Task, *, epoch: int) -> EvalResult:
        """One trial, judged."""
        said: list[str] = []
        with task.open() as trial:
            while (request := trial.request) is not None:
                seed = trial_seed(self.trying.seed, f"{task.category}/{task.id}", epoch=epoch, turn=len(said))
                sampling = Sampling(seed, self.trying.temperature, self.trying.max_tokens)
                # What no file in UTF-8 holds would end this run, and each one that takes it up again.
                answer = without_lone_surrogates(answerer.answer(task, request, sampling))
                said.append(as_text(answer))
                trial.answer(answer)
            results = trial.results()
        return EvalResult(
            item=task.id,
            category=task.category,
            role=task.role,
            epoch=epoch,
            passed=all(result.passed for result in results),
            checks=tuple(results),
            answers=tuple(said),
            by_checks=task.by_checks,
        )


def category_scores(results: Iterable[EvalResult]) -> dict[str, float]:
    """Mean share of passed trials over the items of each category."""
    return {
        name: estimate(list(items.values())).score for name, items in sorted(outcomes_of(results).items())
    }


def as_text(answer: Sequence[Block]) -> str:
    """An answer for a person: its words, then its calls."""
    lines = []
    for block in answer:
        if block["type"] == "text":
            lines.append(block["text"])
        elif block["type"] == "tool_use":
            lines.append(f"{block['name']} {json.dumps(block['input'], ensure_ascii=False)}")
    return "\n".join(lines)


def _ordered(results: Iterable[EvalResult]) -> list[EvalResult]:
    return sorted(results, key=lambda result: (result.category, result.item, result.epoch))
