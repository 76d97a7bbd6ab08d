# SPDX-License-Identifier: Apache-2.0
"""What a chat remembers: the turns so far, calls that wait for results, and the settings."""

from dataclasses import dataclass, field

from node0.finetune.chat.messages import Block, Message, Request, Tool, ToolUseBlock
from node0.finetune.inference.reply import Answering


@dataclass(slots=True)
class ChatState:
    """One conversation."""

    how: Answering
    system: str = ""
    tools: list[Tool] = field(default_factory=list)
    history: bool = True
    "Whether the model sees the turns before."

    verbose: bool = False
    "Whether figures follow each answer."

    turns: list[Message] = field(default_factory=list)
    _results: list[Block] = field(default_factory=list)

    @property
    def waiting(self) -> ToolUseBlock | None:
        """The first call of the last answer that has no result yet."""
        calls = _calls(self.turns[-1]) if self.turns and self.turns[-1]["role"] == "assistant" else []
        return calls[len(self._results)] if len(self._results) < len(calls) else None

    def add(self, text: str) -> bool:
        """Take a message: words, or the result of the call that waits. Whether it is the model's turn now."""
        call = self.waiting
        if call is None:
            self.turns.append({"role": "user", "content": text})
            return True
        self._results.append({"type": "tool_result", "tool_use_id": call["id"], "content": text})
        if self.waiting is not None:
            return False
        self.turns.append({"role": "user", "content": self._results})
        self._results = []
        return True

    def request(self) -> Request:
        """What the model is asked now."""
        return {"system": self.system, "tools": self.tools, "messages": self._seen()}

    def answered(self, blocks: list[Block]) -> None:
        """Note an answer; one that says nothing takes the question back."""
        if blocks:
            self.turns.append({"role": "assistant", "content": blocks})
        else:
            self.take_back()

    def take_back(self) -> None:
        """Forget the last message, which got no answer; results have to be given again."""
        if self.turns and self.turns[-1]["role"] == "user":
            self.turns.pop()

    def clear(self) -> None:
        """Forget the conversation; settings stay."""
        self.turns, self._results = [], []

    def _seen(self) -> list[Message]:
        """All turns, or without history those from the last words of the person on."""
        if self.history:
            return list(self.turns)
        begins = [number for number, turn in enumerate(self.turns) if isinstance(turn["content"], str)]
        return self.turns[begins[-1] :]


def _calls(turn: Message) -> list[ToolUseBlock]:
    content = turn["content"]
    return [] if isinstance(content, str) else [block for block in content if block["type"] == "tool_use"]
