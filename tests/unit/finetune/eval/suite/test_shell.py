# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.eval.suite.shell import simple_commands


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("bd ready", [["bd", "ready"]]),
        ("a && b || c; d | e\nf", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("git commit -m 'a; b && c'", [["git", "commit", "-m", "a; b && c"]]),
        ("X=1 env Y=2 time bd list", [["bd", "list"]]),
        ("bd list > out.txt 2>&1", [["bd", "list", "2"]]),
        (
            'E=$(bd create "x" --silent); bd show $E',
            [["bd", "create", "x", "--silent"], ["bd", "show", "$E"]],
        ),
        ("if true; then bd close gt-1; fi", [["true"], ["bd", "close", "gt-1"], ["fi"]]),
        ("bd list # all of them\nbd ready", [["bd", "list"], ["bd", "ready"]]),
        ("cat <<'EOF'\nrm -rf / && x\nEOF\nbd ready", [["cat"], ["bd", "ready"]]),
        ("bd create \\\n  x", [["bd", "create", "x"]]),
        ("(cd a && git push)", [["cd", "a"], ["git", "push"]]),
        ("", []),
    ],
)
def test_a_command_is_taken_apart(text: str, commands: list[list[str]]) -> None:
    assert simple_commands(text) == commands


def test_quotes_that_do_not_match_are_split_at_blanks() -> None:
    assert ["bd", "close", "gt-1"] in simple_commands("echo 'oops\nbd close gt-1")
