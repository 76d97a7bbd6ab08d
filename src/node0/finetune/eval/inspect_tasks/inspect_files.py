# SPDX-License-Identifier: Apache-2.0
"""Write items as tasks of inspect-ai: a task file in Python, and a dataset of samples for each category.

A sample is a JSON object on a line with `id`, `input` (chat messages), `target` and `metadata`, as
`json_dataset` of inspect-ai reads it without a mapping (https://inspect.aisi.org.uk/datasets.html); tasks are
found in a file by their decorator `@task`. `metadata.item` is the whole item, which is what is judged.
"""

import importlib.resources
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from node0.files import write_atomically
from node0.finetune.eval.running.eval_runner import as_text
from node0.finetune.eval.running.task import suite_digest
from node0.finetune.eval.suite.item import EvalItem
from node0.finetune.eval.suite.suite_task import SuiteTask

TASK_FILE = "node0_suite.py"

_TASK = '''

@task
def {category}() -> Task:
    """{count} items of {category}."""
    return _of_category("{category}")
'''


def write_inspect(items: Sequence[EvalItem], directory: Path, *, suite: str) -> None:
    """Write `node0_suite.py` and a `<category>.jsonl` for each category that has items.

    Args:
        items: in the order of the samples.
        directory: made where it is not there; files of these names are replaced.
        suite: name of the suite, which each log of inspect-ai will hold.
    """
    categories = list(dict.fromkeys(item.category for item in items))
    tasks = []
    for category in categories:
        rows = [sample(item) for item in items if item.category is category]
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        write_atomically(directory / f"{category}.jsonl", "".join(f"{line}\n" for line in lines))
        tasks.append(_TASK.format(category=category.value, count=len(rows)))
    write_atomically(directory / TASK_FILE, _head(items, suite) + "".join(tasks))


def sample(item: EvalItem) -> dict[str, Any]:
    """An item as a row of the dataset: what it asks at first, its reference, and itself."""
    request = item.request()
    card = [{"role": "system", "content": request["system"]}] if request["system"] else []
    return {
        "id": item.id,
        "input": [*card, {"role": "user", "content": item.question}],
        "target": "\n\n".join(as_text(answer) for answer in item.reference_answers()),
        "metadata": {
            "category": item.category.value,
            "role": item.role,
            "difficulty": item.difficulty.value,
            "tags": list(item.tags),
            "item": item.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        },
    }


def _head(items: Sequence[EvalItem], suite: str) -> str:
    """The task file without its tasks."""
    text = importlib.resources.files(__package__).joinpath("task_file.txt").read_text(encoding="utf-8")
    digest = suite_digest([SuiteTask(item, None) for item in items])
    return Template(text).substitute(suite=json.dumps(suite), digest=json.dumps(digest))
