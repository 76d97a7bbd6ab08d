# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
from pathlib import Path

import pytest

from node0.bounded import helper_loop
from node0.bounded.helper_loop import LENGTH

ROOT = Path(helper_loop.__file__).parents[2]
START = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); "]
SEARCH = "node0.bounded.patterns:found_spans"


def _framed(value: object) -> bytes:
    data = json.dumps(value).encode()
    return len(data).to_bytes(LENGTH, "little") + data


def _served(*requests: object, before: str = "") -> tuple[int, list[object]]:
    """Exit code and answers of a loop that is given these requests and then the end of its input."""
    code = START[-1] + before + "from node0.bounded.helper_loop import serve; serve()"
    done = subprocess.run(
        [*START[:-1], code], input=b"".join(map(_framed, requests)), capture_output=True, timeout=60
    )
    answers, rest = [], done.stdout
    while rest:
        size = int.from_bytes(rest[:LENGTH], "little")
        answers.append(json.loads(rest[LENGTH : LENGTH + size]))
        rest = rest[LENGTH + size :]
    return done.returncode, answers


def test_requests_are_answered_in_order_until_the_pipe_is_closed() -> None:
    asked = [{"work": SEARCH, "given": ["a", 0, text, 1, False]} for text in ("ba", "b")]

    assert _served(*asked) == (0, [{"result": [[[1, 2]]]}, {"result": []}])


def test_time_is_bounded_by_the_kernel_and_memory_is_told() -> None:
    slow = {"work": SEARCH, "given": ["(a+)+$", 0, "a" * 50 + "b", 1, False]}
    large = {"work": "node0.finetune.chat.template_environment:rendered", "given": ["{{ 'a' * 10**10 }}", {}]}

    assert _served(slow)[0] < 0
    assert _served(large, large) == (0, [{"over": True}] * 2)


@pytest.mark.parametrize("most", [1 << 30, 300 << 20])
def test_a_limit_that_was_there_before_stays(most: int) -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({most}, {most})); "
    asked = {"work": SEARCH, "given": ["a", 0, "ba", 1, False]}

    assert _served(asked, before=limit) == (0, [{"result": [[[1, 2]]]}])
