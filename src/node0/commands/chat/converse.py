# SPDX-License-Identifier: Apache-2.0
"""Talk with a model on a terminal, or with lines from a pipe, until the person leaves."""

import json
import time
from collections.abc import Callable
from contextlib import closing

from node0 import console
from node0.commands.chat.chat_state import ChatState
from node0.commands.chat.slash_commands import COMMANDS, LEAVING, run_slash_command
from node0.commands.chat.typed_message import ReadLine, line_reader, typed_message
from node0.errors import ConfigError, Node0Error
from node0.finetune.chat.messages import Block, ToolUseBlock
from node0.finetune.inference.reply import Answering, Reply
from node0.finetune.serving.asking.asked_model import AskedModel
from node0.visible import visible

PROMPT = ">>> "


def converse(choose: Callable[[], AskedModel], how: Answering, *, system: str = "") -> int:
    """Answer each message after the conversation so far; 0 when the person leaves."""
    read = line_reader()
    with closing(choose()) as model:
        console.note(f"{model.name} answers ({model.about}); /help lists commands, /bye leaves")
        state = ChatState(how, system=system, tools=list(model.tools))
        while _turn(model, state, read):
            pass
    return 0


def _turn(model: AskedModel, state: ChatState, read: ReadLine) -> bool:
    """Read one message and answer it; False when the person leaves."""
    call = state.waiting
    try:
        text = typed_message(read, visible(f"result of {call['name']}> ") if call else PROMPT)
    except EOFError:
        return False
    except KeyboardInterrupt:
        console.note("\nCtrl-D or /bye leaves")
        return True
    if text.strip() in LEAVING:
        return False
    try:
        # A tool's result may well be a path.
        if text.startswith("/") and (not call or text.split()[0] in COMMANDS):
            console.show(run_slash_command(text, state))
        elif (call or text.strip()) and state.add(text):
            _answer(model, state)
    except Node0Error as error:
        console.note(f"error: {error}")
        if isinstance(error, ConfigError) and len(state.turns) > 1:
            console.note("/clear forgets the conversation so far, /set shows the settings")
    return True


def _answer(model: AskedModel, state: ChatState) -> None:
    """Stream the answer; what came before Ctrl-C or an error is kept as the answer."""
    blocks: list[Block] = []
    began = time.monotonic()
    with closing(model.ask(state.request(), state.how)) as reply:
        try:
            for piece in reply:
                _show(piece, blocks)
        except KeyboardInterrupt:
            console.note("\nstopped")
        finally:
            _end_line(blocks)
            state.answered(blocks)
    _tell(reply, state, seconds=time.monotonic() - began)


def _show(piece: str | ToolUseBlock, blocks: list[Block]) -> None:
    """Write a piece, and add it to the blocks of the answer."""
    last = blocks[-1] if blocks else None
    if not isinstance(piece, str):
        _end_line(blocks)
        given = json.dumps(piece["input"], ensure_ascii=False)
        console.show(f"→ {piece['name']} {given}\n")
        blocks.append(piece)
    elif last is not None and last["type"] == "text":
        console.show(piece)
        last["text"] += piece
    elif piece:
        console.show(piece)
        blocks.append({"type": "text", "text": piece})


def _end_line(blocks: list[Block]) -> None:
    if blocks and blocks[-1]["type"] == "text" and not blocks[-1]["text"].endswith("\n"):
        console.write("\n")


def _tell(reply: Reply, state: ChatState, *, seconds: float) -> None:
    if reply.ending == "length":
        console.note(f"(cut after {reply.answer_tokens} tokens; /set max_tokens N allows more)")
    if state.verbose:
        console.note(f"({reply.prompt_tokens} tokens read, {reply.answer_tokens} written, {seconds:.1f} s)")
