# SPDX-License-Identifier: Apache-2.0
from replayed_sessions import Ruled, perfect, session

from node0.finetune.eval.replay import replay_tasks
from node0.finetune.eval.replay_figures import replay_rows
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying


def test_figures_are_counted_by_role_and_task_type() -> None:
    entries = [session("gt-a"), session("gt-b", task_type="mail"), session("gt-c", role="witness")]
    # Knows the first call, and of the ids that are shown one alone.
    model = Ruled(lambda last: perfect(last) if "gt-a" in last or "open" not in last else "bd close x")
    tasks = replay_tasks(entries)

    every, mail, patrol, witness = replay_rows(tasks, EvalRunner(tasks, Trying(epochs=1)).run(model))

    assert (every["role"], every["turns"], every["sessions"], every["exact"], every["wrong"]) == (
        "all",
        6,
        3,
        4,
        2,
    )
    assert (every["shown"], every["shown_agree"]) == (3, 1)
    assert (mail["task_type"], mail["score"]) == ("mail", 0.5)
    assert (patrol["exact"], patrol["wrong"]) == (2, 0)
    assert (witness["role"], witness["shown_agree"]) == ("witness", 0)
    assert every["low"] < every["score"] < every["high"]


def test_no_sessions_are_no_rows() -> None:
    assert replay_rows([], []) == []
