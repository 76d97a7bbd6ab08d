# SPDX-License-Identifier: Apache-2.0

import pytest
import yaml
from thread_time import least_seconds

from node0.documents.yaml_document import load_yaml


def bomb(levels: int, width: int, *, merge: bool = False) -> str:
    """Each level names the one before `width` times."""
    lines = ["a0: &a0 {x: 1}" if merge else "a0: &a0 [x, x]"]
    for level in range(1, levels):
        names = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} {{<<: [{names}]}}" if merge else f"a{level}: &a{level} [{names}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text", ["", "a: [1, 2.5, null, yes]", "x: &x {r: 4}\ny: *x\nz: {<<: *x, q: 1}", "2026-01-31"]
)
def test_plain_yaml_reads_as_the_library_reads_it(text: str) -> None:
    assert load_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(9, 10), "aliases stand for more than"),
        (bomb(40, 2), "aliases stand for more than"),
        (bomb(12, 10, merge=True), "aliases stand for more than"),
        ("&a [*a]", "nests more than 100 deep"),
        ("x: &a {y: *a}", "nests more than 100 deep"),
        ("[" * 150 + "]" * 150, "nests more than 100 deep"),
        ("[" * 1_000_000, "nests more than 100 deep"),
        ("- " * 400_000, "nests more than 100 deep"),
        ("{a: " * 200_000, "nests more than 100 deep"),
        ("# " + "x" * (1 << 20), "at most 1048576 are read"),
        ("[1, 2", "while parsing"),
        ("!!python/object/apply:os.system [true]", "could not determine a constructor"),
    ],
)
def test_a_bomb_is_refused_before_it_is_made(text: str, words: str) -> None:
    def read() -> None:
        with pytest.raises(yaml.YAMLError, match=words):
            load_yaml(text)

    assert least_seconds(read, below=2) < 2
