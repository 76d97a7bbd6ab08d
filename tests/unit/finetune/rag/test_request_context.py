# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest

from node0.finetune.chat.messages import Request
from node0.finetune.rag.indexer import INDEX_FILE, RAGIndexer
from node0.finetune.rag.request_context import context_of, question_of
from node0.finetune.rag.retriever import RAGRetriever


def request(*messages: dict[str, Any]) -> Request:
    return {"system": "card", "tools": [], "messages": list(messages)}  # type: ignore[typeddict-item]  # turns as JSON


def said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def result(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": text}]}


def test_the_question_is_the_last_words_of_the_user() -> None:
    assert (
        question_of(request(said("user", "first"), said("assistant", "yes"), said("user", " second ")))
        == "second"
    )
    assert question_of(request(said("system", "date"))) == ""


def test_what_tools_said_last_follows_the_words_that_they_serve() -> None:
    turns = [
        said("user", "mend it"),
        said("assistant", "a"),
        result("old"),
        said("assistant", "b"),
        result("new"),
    ]

    assert question_of(request(*turns)) == "mend it\nnew"
    assert len(question_of(request(result("x" * 9000)))) == 500


def test_a_request_gets_the_context_of_its_question(tmp_path: Path) -> None:
    RAGIndexer(tmp_path).index_bead("gt-abc12", "the lamp is broken")

    context = context_of(RAGRetriever(tmp_path))

    assert 'from="bead gt-abc12"' in context(request(said("user", "which lamp is broken?")))
    assert context(request(said("user", "zzz"))) == ""
    assert context(request()) == ""


def test_an_index_that_breaks_is_said_and_the_request_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    RAGIndexer(tmp_path).index_bead("gt-abc12", "the lamp is broken")
    context = context_of(RAGRetriever(tmp_path))
    (tmp_path / INDEX_FILE).write_bytes(b"no database at all" * 100)

    assert context(request(said("user", "lamp"))) == ""
    assert "asked without retrieved context" in caplog.text
