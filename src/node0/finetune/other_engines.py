# SPDX-License-Identifier: Apache-2.0
"""How a model is asked that our own engine does not compute: the lines to type."""

import shlex
from pathlib import Path

from node0.finetune.run_dir import RunDirectory
from node0.lora.lora_config import ALL_LINEAR

URL = "http://127.0.0.1:8000"
"Where vLLM listens."


def is_computed_elsewhere(run: RunDirectory) -> bool:
    """Whether transformers computed the base of a run: its adapted layers have the base's own names then."""
    lora = run.settings().get("lora") or {}
    return not set(lora.get("target_modules", ())) <= set(ALL_LINEAR)


def vllm_line(base: str, *, name: str, adapter: Path | None = None, rank: int = 16) -> str:
    """The line that serves a base, or an adapter of `rank` on it under `name`, with vLLM."""
    words = ["vllm", "serve", base]
    if adapter is None:
        words += ["--served-model-name", name]
    else:
        words += ["--enable-lora", "--max-lora-rank", str(rank), "--lora-modules", f"{name}={adapter}"]
    return shlex.join(words)
