# SPDX-License-Identifier: Apache-2.0
"""The context of a request: what its last words ask about, as one text for the renderer."""

import logging
from collections.abc import Callable
from pathlib import Path

from node0.errors import Node0Error
from node0.finetune.chat.harness import result_text
from node0.finetune.chat.messages import Message, Request, blocks, text_of
from node0.finetune.chat.render import Renderer
from node0.finetune.rag.retriever import RAGRetriever

logger = logging.getLogger(__name__)

ContextOf = Callable[[Request], str]
"The context of a request; empty for none."

N_RESULTS = 8
"Excerpts that are tried; the budget decides how many go in."


def open_context(rag_dir: Path, renderer: Renderer, *, max_tokens: int) -> ContextOf:
    """What retrieves for one model from an index, within a budget of the model's own tokens.

    Raises:
        NotFound: there is no index.
    """
    return context_of(RAGRetriever(rag_dir, max_tokens=max_tokens, count=renderer.count_tokens))


def context_of(retriever: RAGRetriever) -> ContextOf:
    """What retrieves for a request. An index that cannot be read is said, and the request goes on without."""

    def retrieved(request: Request) -> str:
        question = question_of(request)
        if not question:
            return ""
        try:
            return retriever.retrieve(question, N_RESULTS)
        except Node0Error as error:
            logger.warning("asked without retrieved context: %s", error)
            return ""

    return retrieved


def question_of(request: Request) -> str:
    """The last user turn that has words; where tools have answered since, what they said last after it."""
    said = ""
    for message in reversed(request["messages"]):
        if message["role"] != "user":
            continue
        words = text_of(message).strip()
        if words:
            return f"{words}\n{said}".strip()
        said = said or _results(message)
    return said


def _results(message: Message) -> str:
    told = [result_text(block) for block in blocks(message) if block["type"] == "tool_result"]
    return "\n".join(told)[-500:]
