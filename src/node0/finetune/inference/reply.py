# SPDX-License-Identifier: Apache-2.0
"""How an answer is drawn, and an answer on its way, wherever it is computed."""

from collections.abc import Generator
from dataclasses import dataclass, field

from node0.finetune.chat.messages import ToolUseBlock


@dataclass(frozen=True, slots=True)
class Answering:
    """How answers are drawn and where they end."""

    max_tokens: int = 512
    temperature: float = 1.0
    "0 is greedy."

    top_p: float = 0.9
    top_k: int = 0
    "0 is off."

    seed: int | None = None
    "The same seed gives every prompt the same answer each time."

    stop: tuple[str, ...] = ()
    "An answer ends before any of these."


@dataclass(slots=True)
class Reply:
    """An answer that is being computed: iterate it, then read how it ended. Closing it cancels."""

    pieces: Generator[str | ToolUseBlock, None, None] = field(init=False, repr=False)
    "Words that continue the words before, and calls."

    ending: str = ""
    "`end`, `length` or `stop_string`; empty until it has ended."

    prompt_tokens: int = 0
    answer_tokens: int = 0

    def __iter__(self) -> Generator[str | ToolUseBlock, None, None]:
        """The pieces as they come.

        Raises:
            Node0Error: at the first piece: the prompt cannot be answered as it is; or later: no more comes.
        """
        return self.pieces

    def close(self) -> None:
        """Cancel what is still computed."""
        self.pieces.close()
