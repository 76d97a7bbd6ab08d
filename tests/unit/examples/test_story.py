# SPDX-License-Identifier: Apache-2.0
"""The demo must fail when a promise is broken, and what it shows must be what it runs."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import story

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was run instead of `node0`: it prints where it runs, and ends with its last argument."""
    found: list[tuple[str, ...]] = []

    def program(words: Sequence[str]) -> int:
        found.append(tuple(words))
        sys.stdout.write(json.dumps([str(Path.cwd())]))
        return int(words[-1]) if words[-1].isdigit() else 0

    monkeypatch.setitem(story.PROGRAMS, "node0", program)
    return found


def test_a_broken_promise_makes_the_demo_fail() -> None:
    told = story.Story()
    told.promise(True, "kept")

    assert story.finish(told) == 0

    told.promise(False, "held-out loss fell by 3%")

    assert story.finish(told) == 1


def test_a_command_that_ends_otherwise_than_it_should_ends_the_demo() -> None:
    with pytest.raises(SystemExit):
        story.call(lambda arguments: 1, "collect")
    with pytest.raises(SystemExit) as caught:
        story.call(lambda arguments: 0, "deploy", code=3)
    assert caught.value.code == 1
    assert story.call(lambda arguments: 3, "deploy", code=3) == ""


def test_what_is_shown_is_what_is_run_in_the_town(
    ran: list[tuple[str, ...]], tmp_path: Path, capsys: Printed
) -> None:
    shell = story.TownShell(tmp_path)

    assert json.loads(shell("node0 model deploy 'a b' $EXAMPLES/x")) == [str(tmp_path)]
    assert shell.rows("node0 look") == [str(tmp_path)]

    assert ran == [("model", "deploy", "a b", f"{story.HERE}/x"), ("look", "--json")]
    assert capsys.readouterr().out == "$ node0 model deploy 'a b' $EXAMPLES/x\n"
    assert Path.cwd() != tmp_path


def test_a_command_for_each_value_is_shown_once(
    ran: list[tuple[str, ...]], tmp_path: Path, capsys: Printed
) -> None:
    story.TownShell(tmp_path).each("node0 record night-$n", (7, 8))

    assert ran == [("record", "night-7"), ("record", "night-8")]
    assert capsys.readouterr().out == "$ for n in 7 8; do node0 record night-$n; done\n"
