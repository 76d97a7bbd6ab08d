# SPDX-License-Identifier: Apache-2.0
from eval_fakes import words

from node0.finetune.eval.running.task import suite_digest


def test_the_digest_of_a_suite_is_of_its_tasks_in_any_order() -> None:
    tasks = [*words(count=3), *words("others", count=2)]

    assert suite_digest(tasks) == suite_digest(tasks[::-1])
    assert len({suite_digest(tasks), suite_digest(tasks[1:]), suite_digest(words(count=5))}) == 3
