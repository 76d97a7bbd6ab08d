# SPDX-License-Identifier: Apache-2.0
import pytest
from eval_items import bash, called, said

from node0.finetune.eval.suite.answer import (
    FileChange,
    changes_of,
    commands_of,
    fences,
    object_of,
    patches_of,
    words_of,
)

FENCED = """Do this:
```bash
$ bd ready
bd close gt-1
```
```python src/a.py
x = 1
```
```diff
--- a/b
+++ b/b
```
"""


def test_calls_are_the_commands_where_there_are_any() -> None:
    assert commands_of([*said(FENCED), *bash("bd list")]) == ["bd list"]


def test_fences_are_read_where_no_tool_was_called() -> None:
    assert commands_of(said(FENCED)) == ["bd ready\nbd close gt-1"]
    assert changes_of(said(FENCED)) == [FileChange("src/a.py", "x = 1\n")]
    assert patches_of(said(FENCED)) == ["--- a/b\n+++ b/b\n"]
    assert [fence.language for fence in fences(FENCED)] == ["bash", "python", "diff"]


def test_edits_and_writes_are_changes() -> None:
    edit = called("Edit", file_path="a", old_string="1", new_string="2")

    assert changes_of([*edit, *called("Write", file_path="b", content="x")]) == [
        FileChange("a", "2", "1"),
        FileChange("b", "x"),
    ]


@pytest.mark.parametrize(
    "words",
    [
        '{"a": 1}',
        'Sure:\n```json\n{"a": 1}\n```\nDone.',
        'I choose {"a": 1} here.',
        '```json\n[1]\n```\n{"a": 1}',
    ],
)
def test_an_object_is_found_in_words_and_fences(words: str) -> None:
    assert object_of(said(words)) == {"a": 1}


@pytest.mark.parametrize("words", ["", "none", "[1, 2]", "{broken", "}{"])
def test_no_object_is_made_up(words: str) -> None:
    assert object_of(said(words)) is None


def test_words_leave_calls_out() -> None:
    assert words_of([*said("a"), *bash("b"), *said("c")]) == "a\n\nc"
