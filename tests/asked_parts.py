# SPDX-License-Identifier: Apache-2.0
"""A model that answers what it is told, for what is built over models that are asked."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from node0.errors import ConfigError
from node0.finetune.chat.messages import Request, Tool, ToolUseBlock
from node0.finetune.inference.reply import Answering, Reply

Said = Sequence[str | ToolUseBlock | BaseException]


@dataclass
class ScriptedModel:
    """Each answer is the next script: pieces, and errors that are raised where they stand."""

    scripts: list[Said] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    name: str = "scripted"
    about: str = "a script"
    requests: list[Request] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    hows: list[Answering] = field(default_factory=list)
    stopped: int = 0
    "Answers that were closed before their end."

    closed: bool = False

    def ask(self, request: Request, how: Answering, *, calls: bool = True) -> Reply:
        del calls
        self.requests.append(request)
        return self._reply(how)

    def continue_text(self, text: str, how: Answering) -> Reply:
        self.texts.append(text)
        return self._reply(how)

    def close(self) -> None:
        self.closed = True

    def _reply(self, how: Answering) -> Reply:
        self.hows.append(how)
        reply = Reply()
        reply.pieces = self._pieces(reply, self.scripts.pop(0))
        return reply

    def _pieces(self, reply: Reply, script: Said) -> Generator[str | ToolUseBlock, None, None]:
        reply.prompt_tokens = 3
        try:
            for said in script:
                if isinstance(said, BaseException):
                    raise said
                reply.answer_tokens += 1
                yield said
        except GeneratorExit:
            self.stopped += 1
            raise
        reply.ending = "end"


TOO_LONG = ConfigError("prompt is too long: 9 tokens, the model's context is 8; shorten it")
