# SPDX-License-Identifier: Apache-2.0
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node0.bounded.helper import Helper, OverBounds, shared_helper
from node0.bounded.helper_loop import Refused

WORK = "bounded_work"
"A module of its own, which the helper finds where the test writes it."


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Helper]:
    """A helper of this test, with functions that misbehave."""
    (tmp_path / f"{WORK}.py").write_text(
        "import os, time\n"
        "from node0.bounded.helper_loop import Refused\n"
        "def same(given): return given\n"
        "def number(given): return os.getpid()\n"
        "def grow(given): return len('a' * given)\n"
        "def spin(given):\n"
        "    while True: pass\n"
        "def says_no(given): raise Refused(f'no to {given}')\n"
        "def breaks(given): raise RuntimeError('broken')\n"
    )
    monkeypatch.setattr("node0.bounded.helper._START", _START.format(str(tmp_path)))
    made = Helper()
    yield made
    made.close()


_START = (
    "import sys; sys.path[:0] = [sys.argv[1], {!r}]; from node0.bounded.helper_loop import serve; serve()"
)


@pytest.mark.parametrize("value", [None, 1.5, "\ud800 \U0001f600", [{"a": ["b"] * 1000}], "x" * 3_000_000])
def test_a_value_comes_back_as_it_was(helper: Helper, value: Any) -> None:
    assert helper.ask(f"{WORK}:same", value) == value


def test_one_process_answers_all_of_a_process_and_its_threads(helper: Helper) -> None:
    found: set[int] = set()
    asking = [
        threading.Thread(target=lambda: found.add(helper.ask(f"{WORK}:number", None))) for _ in range(8)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()

    assert len(found) == 1
    assert os.getpid() not in found


@pytest.mark.parametrize(("work", "given"), [("grow", 2_000_000_000), ("spin", None)])
def test_work_without_end_is_refused_and_the_next_is_done(helper: Helper, work: str, given: Any) -> None:
    with pytest.raises(OverBounds, match=r"memory|long"):
        helper.ask(f"{WORK}:{work}", given)

    assert helper.ask(f"{WORK}:same", 7) == 7


def test_what_the_work_says_no_to_is_told(helper: Helper) -> None:
    with pytest.raises(Refused, match="no to 3"):
        helper.ask(f"{WORK}:says_no", 3)


def test_a_helper_that_somebody_ended_is_started_again(helper: Helper) -> None:
    number = helper.ask(f"{WORK}:number", None)
    os.kill(number, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{number}/stat").read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.01)

    assert helper.ask(f"{WORK}:same", 1) == 1
    assert helper.ask(f"{WORK}:number", None) != number


def test_a_forked_process_has_a_helper_of_its_own(helper: Helper) -> None:
    ours = helper.ask(f"{WORK}:number", None)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(helper.ask(f"{WORK}:number", None)).encode())
            helper.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    os.close(writing)
    assert int(os.read(reading, 20)) != ours
    assert helper.ask(f"{WORK}:number", None) == ours
    os.close(reading)


def test_a_fault_of_our_own_in_the_helper_is_no_bound(helper: Helper) -> None:
    with pytest.raises(RuntimeError, match="helper"):
        helper.ask(f"{WORK}:breaks", None)


def test_there_is_one_for_a_process() -> None:
    assert shared_helper() is shared_helper()
