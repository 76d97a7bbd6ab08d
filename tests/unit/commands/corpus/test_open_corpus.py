# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.corpus.open_corpus import open_store
from node0.errors import NotFound


def test_the_corpus_of_the_town_that_is_named_is_opened(town: Path) -> None:
    place, store = open_store(town)

    assert (place.root, store.root) == (town, town / ".corpus")
    assert [entry.id for entry in store.list()] == ["one", "two"]


def test_a_town_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_store(tmp_path / "nowhere")
