# SPDX-License-Identifier: Apache-2.0
"""Answer prompts from stdin or a file with a model that is found by its name."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from node0 import console
from node0.errors import NotFound
from node0.finetune.inference.generator import sampling_params
from node0.finetune.inference.loading import load_model
from node0.finetune.inference.prompt_api import Answering, PromptAPI, prompts_by_line

STDIN = "-"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model answers, and what is added to it."""

    name: str
    town: Path | None = None
    adapters: tuple[str, ...] = ()
    role: str | None = None
    device: str = "auto"
    dtype: str = "auto"


def answer_prompts(choice: ModelChoice, how: Answering, *, file: str | None, raw: bool) -> int:
    """Answer each prompt on stdout; 1 when one of them was refused.

    Args:
        choice: the model.
        how: how answers are drawn.
        file: holds the only prompt; `-` is all of stdin, None takes each line of stdin for one.
        raw: continue the text itself, without the chat template.
    """
    source, sink = _streams()
    prompts = _prompts(source, file)
    sampling_params(how.temperature, how.top_p, how.top_k, how.seed)
    loaded = load_model(
        choice.name,
        town=choice.town,
        adapters=choice.adapters,
        role=choice.role,
        device=choice.device,
        dtype=choice.dtype,
    )
    if file is None and sys.stdin is not None and sys.stdin.isatty():
        console.note(f"{loaded.name} listens: type a prompt and press Enter; Ctrl-D ends")
    encode = loaded.encode_text if raw else loaded.encode_chat
    api = PromptAPI(loaded.generator(), encode=encode, decode=loaded.decode, how=how)
    try:
        return console.FAILED if api.serve(prompts, sink) else 0
    finally:
        loaded.pipeline.close()


def _streams() -> tuple[Iterable[str], TextIO]:
    if sys.stdin is None:
        return (), sys.stdout
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "strict")):
        stream.reconfigure(encoding="utf-8", errors=errors)  # type: ignore[union-attr]  # real files both
    return sys.stdin, sys.stdout


def _prompts(source: Iterable[str], file: str | None) -> Iterable[str]:
    if file is None:
        return prompts_by_line(source)
    text = "".join(source) if file == STDIN else _read(Path(file))
    return [text] if text.strip() else []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise NotFound(f"cannot read the prompt from {path}: {reason}; check the path") from None
