# SPDX-License-Identifier: Apache-2.0
"""What the null models get on a suite, tried once and kept: it depends on the tasks alone."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from node0.files import make_directory, write_atomically
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_models import NullModel, null_models
from node0.finetune.eval.running.task import Task, suite_digest
from node0.finetune.eval.schema import EvalResult, outcomes_of
from node0.finetune.statistics.regression import Outcomes, read_outcomes


def null_outcomes(
    tasks: Sequence[Task],
    *,
    concurrency: int,
    more: Sequence[NullModel] = (),
    kept_in: Path | None = None,
    on_result: Callable[[EvalResult], None] = lambda result: None,
) -> dict[str, Outcomes]:
    """Outcomes of each null model, by its name.

    Args:
        tasks, concurrency: as the runner takes them.
        more: null models of these tasks alone.
        kept_in: a directory; what is found there for these tasks and null models is not tried again.
        on_result: told of each trial.
    """
    models = [*null_models(), *more]
    file = kept_in / _file_name(tasks, models) if kept_in is not None else None
    if file is not None and file.is_file():
        kept = json.loads(file.read_text("utf-8"))
        return {name: read_outcomes(outcomes) for name, outcomes in kept.items()}
    runner = EvalRunner(tasks, Trying(epochs=1, concurrency=concurrency), on_result)
    found = {model.name: outcomes_of(runner.run(model)) for model in models}
    if file is not None:
        make_directory(file.parent)
        write_atomically(file, json.dumps(found, indent=1) + "\n")
    return found


def _file_name(tasks: Sequence[Task], models: Sequence[NullModel]) -> str:
    asked = "\n".join([suite_digest(tasks), *(model.digest for model in models)])
    return f"null-models-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
