# SPDX-License-Identifier: Apache-2.0
"""One file that should not be in a corpus costs itself: every reader goes on with the others and names it."""

import io
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from tiny_run import ROLE, make_base, make_corpus, settings

from node0.cli import main

pytestmark = pytest.mark.integration

SESSIONS = 6
BAD = "bad"
Harm = Callable[[Path], object]


def _nested(depth: int, opening: str, closing: str) -> Harm:
    """An entry that was stored, and has such a value in the input of a call since."""

    def harm(path: Path) -> None:
        whole = next(path.parent.glob("*.json"))
        entry = json.loads(whole.read_text())
        entry |= {"id": BAD, "turns": [{"role": "assistant", "content": "HERE"}]}
        path.write_text(json.dumps(entry).replace('"HERE"', opening * depth + "1" + closing * depth))

    return harm


HARMS: dict[str, Harm] = {
    "lists 150 deep": _nested(150, "[", "]"),
    "objects 700 deep": _nested(700, '{"a":', "}"),
    "lists a quarter of a million deep": _nested(250_000, "[", "]"),
    "an empty file": lambda path: path.write_bytes(b""),
    "bytes that are no text": lambda path: path.write_bytes(os.urandom(4096)),
    "a number without an end": lambda path: path.write_text("9" * 100_000),
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a directory": Path.mkdir,
}
READERS = {
    "list": "corpus list --json",
    "stats": "corpus stats --json",
    "export": f"corpus export --role {ROLE}",
    "audit": "corpus audit",
    "duplicates": "corpus duplicates",
    "validate": "corpus validate",
    "train": "finetune --config {town}/run.yaml --dry-run",
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town with a small corpus, and a training file over it."""
    root = tmp_path_factory.mktemp("town")
    make_corpus(root / "corpus", sessions=SESSIONS).rename(root / ".corpus")
    make_base(root)
    tree = settings(root, corpus_path=str(root / ".corpus"))
    (root / "run.yaml").write_text(yaml.safe_dump(tree))
    return root


@pytest.fixture(scope="module")
def undisturbed(town: Path) -> dict[str, list[object]]:
    """What every reader says of the corpus as it was made."""
    return _told(town, town / "undisturbed.json")


@pytest.mark.parametrize("name", HARMS)
def test_a_file_that_is_no_entry_hangs_no_reader_of_the_corpus_and_hides_no_entry(
    town: Path, undisturbed: dict[str, list[object]], tmp_path: Path, name: str
) -> None:
    bad = town / ".corpus" / ROLE / f"{BAD}.json"
    HARMS[name](bad)
    try:
        found = _told(town, tmp_path / "told.json")
    finally:
        bad.rmdir() if bad.is_dir() else bad.unlink()

    is_file = name not in {"a pipe", "a device", "a link to itself", "a directory"}
    for reader in READERS.keys() - {"validate", "train"}:
        assert found[reader][:2] == undisturbed[reader][:2], (reader, found[reader])
    assert found["validate"][0] == int(is_file), found["validate"]
    assert _figures(found["train"]) == _figures(undisturbed["train"]) != []
    assert f"{BAD}.json" in str(found["train"][2]) or not is_file


def _figures(told: Sequence[object]) -> list[str]:
    """Lines of a plan about entries and their tokens; others tell of the machine's room."""
    assert told[0] == 0, told
    return [line for line in str(told[1]).splitlines() if "entries" in line or "tokens" in line]


def _told(town: Path, told: Path) -> dict[str, list[object]]:
    """Exit code, stdout and stderr of every reader, in a process that has all of them loaded."""
    child = multiprocessing.get_context("fork").Process(target=_read, args=(town, told))
    child.start()
    child.join(120.0)
    child.kill()
    child.join()
    assert child.exitcode == 0, f"the readers hang, or took Python down: {child.exitcode}"
    found: dict[str, list[object]] = json.loads(told.read_text())
    return found


def _read(town: Path, told: Path) -> None:
    """In a child: ask every reader, and write down what it says."""
    found = {}
    for reader, line in READERS.items():
        place = [] if reader == "train" else ["--town", str(town)]
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
        code = main([*line.replace("{town}", str(town)).split(), *place])
        found[reader] = [code, sys.stdout.getvalue(), sys.stderr.getvalue()]
    told.write_text(json.dumps(found))
