# SPDX-License-Identifier: Apache-2.0
"""Answer prompts from stdin or a file, one after the other, with whatever model was chosen."""

import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from node0 import console
from node0.commands.utf8_streams import use_utf8
from node0.errors import NotFound
from node0.finetune.chat.messages import Request
from node0.finetune.inference.prompt_api import Prompt, PromptAPI, prompts_by_line
from node0.finetune.inference.reply import Answering, Reply
from node0.finetune.serving.asking.asked_model import AskedModel

STDIN = "-"
SEPARATOR = "─" * 40
"Between answers that a person reads on a terminal."


@dataclass(frozen=True, slots=True)
class PromptForm:
    """Where prompts are, and what they and their answers look like."""

    file: str | None = None
    "Holds the only prompt, or with `as_json` one a line; `-` is all of stdin, None takes each line of stdin."

    raw: bool = False
    "Continue the text itself, without the chat template."

    as_json: bool = False
    "An object a line, in and out."


def answer_prompts(choose: Callable[[], AskedModel], how: Answering, form: PromptForm) -> int:
    """Answer each prompt on stdout; 1 when one of them could not be answered.

    Args:
        choose: gives the model; called when the prompts are known to be readable.
        how: how answers are drawn.
        form: of prompts and answers.
    """
    use_utf8()
    prompts, sink = _prompts(sys.stdin or (), form), sys.stdout
    with closing(choose()) as model:
        if form.file is None and sys.stdin is not None and sys.stdin.isatty():
            kind = '{"prompt": "..."}' if form.as_json else "a prompt"
            console.note(f"{model.name} listens: type {kind} and press Enter; Ctrl-D ends")
        api = PromptAPI(lambda prompt: _ask(model, prompt, raw=form.raw), how)
        if form.as_json:
            failed = api.serve_json(prompts, sink)
        else:
            failed = api.serve(prompts, sink, separator=SEPARATOR if sink.isatty() else "")
    return console.FAILED if failed else 0


def _ask(model: AskedModel, prompt: Prompt, *, raw: bool) -> Reply:
    if raw:
        return model.continue_text(prompt.text, prompt.how)
    turn: Request = {
        "system": "",
        "tools": list(model.tools),
        "messages": [{"role": "user", "content": prompt.text}],
    }
    return model.ask(turn, prompt.how, calls=False)


def _prompts(source: Iterable[str], form: PromptForm) -> Iterable[str]:
    if form.file is None:
        return prompts_by_line(source)
    text = "".join(source) if form.file == STDIN else _read(Path(form.file))
    if form.as_json:
        return text.split("\n")
    return [text] if text.strip() else []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise NotFound(f"cannot read the prompt from {path}: {reason}; check the path") from None
