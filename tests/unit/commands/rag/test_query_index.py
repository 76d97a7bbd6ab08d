# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.rag.query_index import Query, query_index
from node0.errors import NotFound
from node0.finetune.rag.indexer import RAGIndexer


@pytest.fixture
def place(tmp_path: Path) -> Path:
    indexer = RAGIndexer(tmp_path / "rag")
    indexer.index_bead("gt-abc12", "the lamp\nis broken")
    indexer.index_bead("gt-zz9", "paint the lamp")
    return tmp_path / "rag"


def query(text: str, place: Path) -> Query:
    return Query(text, town=None, rag_dir=place, results=5, max_tokens=100)


def test_records_say_where_each_excerpt_is_from_and_why_it_was_found(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query_index(query("lamp gt-zz9", place), context=False, as_json=True)

    out, err = capsys.readouterr()
    first, second = json.loads(out)
    assert first.items() >= {"from": "bead gt-zz9", "part": "1/1", "exact": True, "by words": 1}.items()
    assert (second["exact"], second["text"]) == (False, "bead gt-abc12\nthe lamp\nis broken")
    assert "ranked by words only: the index is too small" in err


def test_the_table_has_a_line_for_each(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query_index(query("broken lamp", place), context=False, as_json=False)

    assert "the lamp is broken" in capsys.readouterr().out


def test_the_context_is_what_a_model_would_be_given_and_nothing_else(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query_index(query("broken", place), context=True, as_json=False)
    given = capsys.readouterr().out
    query_index(query("nothing like it", place), context=True, as_json=False)

    assert given.endswith("is broken\n</retrieved>\n")
    assert capsys.readouterr().out == ""


def test_nothing_found_is_said_and_no_index_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query_index(query("zzz", place), context=False, as_json=True)

    out, err = capsys.readouterr()
    assert (json.loads(out), "nothing was found" in err) == ([], True)
    with pytest.raises(NotFound, match="rag-index"):
        query_index(query("zzz", place.parent), context=False, as_json=True)
