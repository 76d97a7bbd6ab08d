# SPDX-License-Identifier: Apache-2.0
"""Parse an answer's text into blocks while it comes: words at once, calls when they are whole.

What came piece by piece equals what `parse_answer` makes of the whole text.
"""

from collections.abc import Callable

from node0.finetune.chat.messages import ToolUseBlock
from node0.finetune.chat.parse import parse_answer

OPENERS = ("<tool_call>", "[TOOL_CALLS]")
"Where a call may begin; from there on the text waits for the answer's end."

CLOSER = "</tool_call>"
Piece = str | ToolUseBlock
"Words that continue the words before, or a call."


class AnswerBlocks:
    """Text in, pieces out."""

    def __init__(
        self, *, one_call: bool = False, as_offered: Callable[[ToolUseBlock], ToolUseBlock] | None = None
    ) -> None:
        """Read calls out of an answer; all of them, or the first alone.

        Args:
            one_call: The first alone.
            as_offered: Gives a call the names that the client has for its tool; None leaves it as it is.
        """
        self._one_call = one_call
        self._as_offered = as_offered
        self._waiting = ""
        "White space, and letters that may begin a call."
        self._spoken = False
        self._held: str | None = None
        "The text from where a call may have begun."

    @property
    def complete(self) -> bool:
        """Whether nothing that may still come would be passed on."""
        return self._one_call and self._held is not None and CLOSER in self._held

    def push(self, text: str) -> list[Piece]:
        """The pieces that are certain now."""
        if self._held is not None:
            self._held += text
            return []
        text = self._waiting + text
        if not self._spoken:
            text = text.lstrip()
            if text[:1] in ("{", "["):
                self._waiting, self._held = "", text
                return []
        end = min((at for opener in OPENERS if (at := text.find(opener)) >= 0), default=-1)
        if end >= 0:
            self._held = text[end:]
        else:
            end = len(text) - max(_overlap(text, opener) for opener in OPENERS)
        words = text[:end].rstrip()
        self._waiting = text[len(words) : end] if self._held is not None else text[len(words) :]
        self._spoken = self._spoken or bool(words)
        return [words] if words else []

    def finish(self) -> list[Piece]:
        """The rest: what was held, as calls where it is calls, else as words."""
        if self._held is None:
            words = self._waiting.rstrip()
            return [words] if words else []
        pieces: list[Piece] = []
        for block in parse_answer(self._held):
            if block["type"] == "text":
                pieces.append(block["text"])
            elif block["type"] == "tool_use":
                pieces.append(self._as_offered(block) if self._as_offered else block)
                if self._one_call:
                    break
        if pieces and isinstance(pieces[0], str) and self._spoken:
            pieces[0] = self._waiting + pieces[0]
        return pieces


def _overlap(text: str, opener: str) -> int:
    """How many of the last letters of the text begin the opener."""
    longest = min(len(text), len(opener) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(opener[:size])), 0)
