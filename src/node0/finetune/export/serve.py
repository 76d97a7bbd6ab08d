# SPDX-License-Identifier: Apache-2.0
"""Command lines of other servers that serve exactly one exported version."""

import shlex
from dataclasses import dataclass
from pathlib import Path

_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"What vLLM takes for --max-lora-rank."


@dataclass(frozen=True, slots=True)
class ServeCommand:
    """A program and its arguments."""

    argv: tuple[str, ...]

    def __str__(self) -> str:
        """As a person types it into a shell."""
        return shlex.join(self.argv)


def vllm_command(
    name: str,
    model: str | Path,
    *,
    context: int,
    adapter: Path | None = None,
    rank: int = 0,
    host: str = "127.0.0.1",
    port: int = 8000,
) -> ServeCommand:
    """vLLM with a merged directory, or with a base and an adapter of `rank`, under `name`."""
    argv = ["vllm", "serve", str(model), "--host", host, "--port", str(port), "--max-model-len", str(context)]
    if adapter is None:
        argv += ["--served-model-name", name]
    else:
        largest = next((most for most in _LORA_RANKS if most >= rank), rank)
        argv += ["--enable-lora", "--max-lora-rank", str(largest), "--lora-modules", f"{name}={adapter}"]
    return ServeCommand(tuple(argv))


def llama_server_command(
    name: str,
    model: Path,
    *,
    context: int,
    adapter: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
) -> ServeCommand:
    """llama-server with a GGUF file, and the GGUF file of an adapter over it, under `name`."""
    argv = ["llama-server", "--model", str(model), "--alias", name, "--ctx-size", str(context)]
    argv += ["--lora", str(adapter)] if adapter else []
    return ServeCommand((*argv, "--host", host, "--port", str(port), "--jinja"))
