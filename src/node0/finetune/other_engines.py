# SPDX-License-Identifier: Apache-2.0
"""How another engine is started for a base or an adapter on it: the line to type."""

import shlex
from pathlib import Path

URL = "http://127.0.0.1:8000"
"Where vLLM listens."


def vllm_line(base: str, *, name: str, adapter: Path | None = None, rank: int = 16) -> str:
    """The line that serves a base, or an adapter of `rank` on it under `name`, with vLLM."""
    words = ["vllm", "serve", base]
    if adapter is None:
        words += ["--served-model-name", name]
    else:
        words += ["--enable-lora", "--max-lora-rank", str(rank), "--lora-modules", f"{name}={adapter}"]
    return shlex.join(words)
