# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from node0.finetune.chat.same_calls import equivalent


def _bash(command: str, **more: object) -> tuple[str, str]:
    return "Bash", json.dumps({"command": command, **more}, sort_keys=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bd close gt-1 --reason=done", "bd  close gt-1 --reason done"),
        ("bd close gt-1 --reason 'all done'", 'bd close gt-1 --reason "all done"'),
        ("git add -A&&git status", "git add -A && git status"),
        ("bd list;", "bd list"),
        ("echo 'a b' | wc -l", 'echo "a b"|wc -l'),
    ],
)
def test_commands_that_are_written_otherwise_are_the_same(one: str, other: str) -> None:
    assert equivalent([_bash(one)], [_bash(other)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bd close gt-1", "bd close gt-2"),
        ("git push", "git push --force"),
        ("a && b", "b && a"),
        ("a && b", "a ; b"),
        ("echo 'a b'", "echo a b"),
        ("echo 'x", "echo x"),
        ("cat <<E\na  b\nE", "cat <<E\na b\nE"),
        ("echo '#1'", "echo"),
        ("echo '$HOME'", 'echo "$HOME"'),
        ("ls '*.py'", "ls *.py"),
        ("echo '|' wc", "echo | wc"),
        ("make 2>log", "make 2 >log"),
    ],
)
def test_commands_that_may_do_something_else_are_not(one: str, other: str) -> None:
    assert not equivalent([_bash(one)], [_bash(other)])


def test_what_a_call_says_of_itself_does_not_count() -> None:
    assert equivalent([_bash("ls", description="List", timeout=5)], [_bash("ls")])
    assert not equivalent([_bash("ls", run_in_background=True)], [_bash("ls")])


def test_paths_are_compared_without_detours() -> None:
    read = [("Read", json.dumps({"file_path": path})) for path in ("/a/./b.py", "/a/c/../b.py", "/a/b.txt")]

    assert equivalent(read[:1], read[1:2])
    assert not equivalent(read[:1], read[2:])


def test_order_number_and_name_of_calls_count() -> None:
    one, two = _bash("a"), _bash("b")

    assert not equivalent([one, two], [two, one])
    assert not equivalent([one], [one, one])
    assert not equivalent([], [one])
    assert not equivalent([("Shell", one[1])], [one])
