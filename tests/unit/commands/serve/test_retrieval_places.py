# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_chat import tiny_tokenizer

from node0.commands.serve.retrieval_places import retrieval_places
from node0.errors import ConfigError, NotFound
from node0.finetune.chat.messages import Request
from node0.finetune.chat.render import Renderer
from node0.finetune.rag.indexer import RAGIndexer

ASKED: Request = {"system": "", "tools": [], "messages": [{"role": "user", "content": "which lamp?"}]}


@pytest.fixture
def places(tmp_path: Path) -> Path:
    for name in ("all", "own"):
        RAGIndexer(tmp_path / name).index_bead("gt-a1", f"the lamp of {name}")
    return tmp_path


def context(places: Path, *texts: str, names: tuple[str, ...]) -> str | None:
    found = retrieval_places(texts, ["deacon", "witness@active"], max_tokens=900)
    retrieve = found.context_for(names, Renderer(tiny_tokenizer()))
    return retrieve and retrieve(ASKED)


def test_a_model_has_its_own_place_or_that_of_all_or_none(places: Path) -> None:
    own, every = f"deacon={places / 'own'}", str(places / "all")

    assert "lamp of own" in (context(places, own, every, names=("deacon", "deacon:3")) or "")
    assert "lamp of all" in (context(places, own, every, names=("other",)) or "")
    assert context(places, own, names=("other",)) is None
    assert context(places, names=("deacon",)) is None


def test_a_registered_name_stands_for_all_its_versions(places: Path) -> None:
    assert "lamp of own" in (
        context(places, f"witness={places / 'own'}", names=("witness:2", "witness")) or ""
    )


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("polecat=x",), "names model 'polecat', which is not served"),
        (("a", "b"), "twice for all models"),
        (("deacon=a", "deacon=b"), "twice for deacon"),
    ],
)
def test_a_model_that_is_not_served_or_named_twice_is_refused(texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        retrieval_places(texts, ["deacon"], max_tokens=1)


def test_an_index_that_is_not_there_is_refused_when_the_server_starts(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="rag-index"):
        context(tmp_path, str(tmp_path), names=("deacon",))
