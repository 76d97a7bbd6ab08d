# SPDX-License-Identifier: Apache-2.0
"""A model that one person or script asks, in this process or at a URL."""

from collections.abc import Sequence
from typing import Protocol

from node0.finetune.chat.messages import Request, Tool
from node0.finetune.inference.reply import Answering, Reply


class AskedModel(Protocol):
    """Answers one request at a time. Every error of a reply comes when it is iterated."""

    name: str
    "As a person knows it."

    about: str
    "What else a person should know of it, in a few words."

    tools: Sequence[Tool]
    "What its role may call; it is told of them with each request."

    def ask(self, request: Request, how: Answering, *, calls: bool = True) -> Reply:
        """Answer a conversation; `calls` says whether calls are read out of the text."""
        ...

    def continue_text(self, text: str, how: Answering) -> Reply:
        """Continue the text itself, without a chat template."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...
