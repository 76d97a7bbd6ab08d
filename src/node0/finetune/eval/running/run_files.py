# SPDX-License-Identifier: Apache-2.0
"""The directory of one evaluation: its plan, every trial that was judged, answers, reports."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from node0.documents.json_document import value_of
from node0.documents.json_lines import require_json_lines
from node0.errors import BadCheckpoint, ConfigError, RunInUse
from node0.files import make_directory, open_to_append, try_locked, write_atomically
from node0.finetune.eval.running.kept_answers import end_torn_line
from node0.finetune.eval.schema import EvalResult

PLAN, TRIALS, ANSWERS, LOCK = "plan.json", "trials.jsonl", "answers.jsonl", ".lock"
REPORT, PAGE = "report.json", "report.html"


@dataclass(frozen=True, slots=True)
class EvalPlan:
    """What decides a result: two runs of one plan have one report."""

    suite: str
    suite_digest: str
    model: str
    model_digest: str
    epochs: int
    seed: int
    temperature: float
    max_tokens: int


class EvalDirectory:
    """Where an evaluation keeps what it has, and finds it again."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def claimed(self, plan: EvalPlan) -> Iterator[list[EvalResult]]:
        """Hold the directory for this plan; the trials that were judged before.

        Raises:
            RunInUse: another process holds it.
            ConfigError: it is of another plan.
        """
        make_directory(self.root)
        busy = RunInUse(f"another process evaluates in {self.root}; wait, or give another --output")
        with try_locked(self.root / LOCK, busy=busy):
            self._require(plan)
            yield self.results()

    def results(self) -> list[EvalResult]:
        """Every trial that was judged, once each, in the order of writing.

        Raises:
            BadCheckpoint: a line is not one.
        """
        found: dict[tuple[str, str, int], EvalResult] = {}
        for row in require_json_lines(self.root / TRIALS):
            try:
                result = EvalResult.model_validate(row)
            except ValidationError:
                raise BadCheckpoint(f"{self.root / TRIALS} holds no trials; give another --output") from None
            found[result.category, result.item, result.epoch] = result
        return list(found.values())

    @contextlib.contextmanager
    def recording(self) -> Iterator[Callable[[EvalResult], None]]:
        """What adds a judged trial to the log, at once and as a whole line."""
        with open_to_append(self.root / TRIALS) as file:
            end_torn_line(file)

            def record(result: EvalResult) -> None:
                file.write(result.model_dump_json().encode() + b"\n")
                file.flush()

            yield record

    def _require(self, plan: EvalPlan) -> None:
        path = self.root / PLAN
        wanted = json.dumps(asdict(plan), indent=2, sort_keys=True) + "\n"
        if not path.is_file():
            write_atomically(path, wanted)
        elif (held := path.read_text("utf-8")) != wanted:
            raise ConfigError(
                f"{self.root} is of another evaluation ({_difference(held, plan)}); give another --output, "
                "or move it away"
            )


def _difference(held: str, plan: EvalPlan) -> str:
    """The first thing that differs, in words."""
    try:
        before = value_of(held)
    except ValueError:
        return f"{PLAN} is no JSON"
    now = asdict(plan)
    names = [name for name in now if not isinstance(before, dict) or before.get(name) != now[name]]
    name = names[0] if names else PLAN
    return f"{name} is {now.get(name)!r} here"
