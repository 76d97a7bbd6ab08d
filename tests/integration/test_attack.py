# SPDX-License-Identifier: Apache-2.0
"""A short, seeded pass of `make attack`, and that it sees what falls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from attack.fuzz import Reader, fuzz
from attack.mutations import as_json, mutated_tree
from attack.round import Chance
from attack.rounds import READERS, ROUNDS
from node0.errors import ConfigError

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "examples")])}


def test_readers_hold_against_mutated_documents_of_one_seed(tmp_path: Path) -> None:
    named = [word for name in READERS for word in ("--round", name)]
    done = subprocess.run(
        [sys.executable, "-m", "attack", "--seed", "16", "--minutes", "0.4", "--kept", str(tmp_path), *named],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = done.stdout.splitlines()[2:-1]
    assert [row.split("  ")[0].strip() for row in rows] == list(READERS)


def _reader(fault: Exception | None, *, grow: int = 0) -> Reader:
    def read(data: bytes) -> None:
        if b"NaN" in data:
            if fault is not None:
                raise fault
            bytearray(grow)

    return Reader(mutated_tree([{"a": [1, {"b": 2}]}], as_json), read)


@pytest.mark.parametrize(
    ("reader", "what"),
    [
        (_reader(KeyError("dtype")), "KeyError"),
        (_reader(ConfigError("one\ntwo")), "more than one line"),
        (_reader(None, grow=1 << 30), "MemoryError"),
        (_reader(SystemExit(0)), "SystemExit"),  # type: ignore[arg-type]  # that is what is attacked
    ],
)
def test_a_reader_that_falls_over_one_value_is_seen_with_a_small_document(
    tmp_path: Path, reader: Reader, what: str
) -> None:
    outcome = fuzz(lambda place: reader, Chance(seed=1, seconds=20, place=tmp_path))

    assert what in outcome.falls[0].what
    assert b"NaN" in outcome.falls[0].data
    assert len(outcome.falls[0].data) < 60


def test_a_reader_that_never_comes_back_is_seen(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        while True:
            pass

    outcome = fuzz(lambda place: Reader(st.just(b"x"), read), Chance(seed=1, seconds=20, place=tmp_path))

    assert [(fall.what, fall.data) for fall in outcome.falls] == [("it takes more than 2 s", b"x")]


def test_every_round_is_named_where_what_is_promised_stands() -> None:
    promised = (ROOT / "SECURITY.md").read_text()

    assert [each.name for each in ROUNDS if f"`{each.name}`" not in promised] == []
