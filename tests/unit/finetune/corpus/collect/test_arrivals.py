# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node0.finetune.corpus.collect.arrivals import arrivals
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore


def an_entry(name: str, text: str = "x", role: str = "mayor") -> CorpusEntry:
    turns = [{"role": "user", "content": text}]
    facts = {"task_type": "t", "outcome": "success", "created_at": "2026-01-05T06:00:00Z"}
    return CorpusEntry(id=name, role=role, rig="hq", messages=turns, **facts)


def told(store: CorpusStore, *steps: Callable[[], object], role: str | None = None) -> list[tuple[str, str]]:
    """What is told while each step happens between two looks."""
    waiting: Iterator[Callable[[], object]] = iter(steps)

    def wait() -> None:
        step = next(waiting, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    found = []
    with pytest.raises(KeyboardInterrupt):
        for arrival in arrivals(store, role, wait=wait):
            found.append((arrival.did.value, arrival.header.id))
    return found


def test_only_what_comes_from_now_on_is_told(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path / "corpus")
    store.add(an_entry("old"))

    found = told(
        store,
        lambda: store.add(an_entry("one")),
        lambda: store.add(an_entry("one")),
        lambda: store.add(an_entry("one", "y")),
        lambda: store.add(an_entry("old", "longer")),
        lambda: store.delete("old"),
        lambda: store.add(an_entry("old")),
    )

    assert found == [("new", "one"), ("updated", "one"), ("updated", "old"), ("new", "old")]


def test_a_role_of_a_corpus_that_does_not_exist_yet_can_be_watched(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path / "corpus")

    found = told(
        store,
        lambda: store.add(an_entry("one", role="deacon")),
        lambda: store.add(an_entry("two")),
        role="mayor",
    )

    assert found == [("new", "two")]


def test_a_file_that_is_no_entry_is_named_and_the_watch_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = CorpusStore(tmp_path)
    (tmp_path / "mayor").mkdir()

    found = told(
        store,
        lambda: (tmp_path / "mayor" / "bad.json").write_text("{"),
        lambda: store.add(an_entry("one")),
    )

    assert found == [("new", "one")]
    assert "bad.json cannot be read" in caplog.text
