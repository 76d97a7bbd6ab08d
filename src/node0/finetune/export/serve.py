# SPDX-License-Identifier: Apache-2.0
"""Command lines of other servers that serve exactly one exported version."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import torch

_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"What vLLM takes for --max-lora-rank."

_HOST = "127.0.0.1"
VLLM_ALONE = (("HF_HUB_OFFLINE", "1"), ("VLLM_NO_USAGE_STATS", "1"), ("DO_NOT_TRACK", "1"))
"Everything that it needs is on disk, and nobody is told of its use."

VLLM_GRAMMARS = ("--structured-outputs-config.backend", "guidance")
"One backend serves all requests, and a client that asks vLLM itself would have it choose another."


@dataclass(frozen=True, slots=True)
class ServeCommand:
    """A program and its arguments."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    "What it needs besides."

    def __str__(self) -> str:
        """As a person types it into a shell."""
        return shlex.join([*(f"{name}={value}" for name, value in self.environment), *self.argv])


def vllm_command(
    name: str,
    model: str | Path,
    *,
    context: int,
    dtype: torch.dtype,
    adapter: Path | None = None,
    rank: int = 0,
    port: int = 8000,
) -> ServeCommand:
    """vLLM with a merged directory, or with a base and an adapter of `rank`, under `name`.

    `dtype` is what it computes in; by itself it would serve weights of float32 in half precision.
    """
    argv = [
        "vllm",
        "serve",
        str(model),
        "--host",
        _HOST,
        "--port",
        str(port),
        "--max-model-len",
        str(context),
    ]
    argv += ["--dtype", str(dtype).removeprefix("torch."), *VLLM_GRAMMARS]
    if adapter is None:
        argv += ["--served-model-name", name]
    else:
        largest = next((most for most in _LORA_RANKS if most >= rank), rank)
        argv += ["--enable-lora", "--max-lora-rank", str(largest), "--lora-modules", f"{name}={adapter}"]
    return ServeCommand(tuple(argv), VLLM_ALONE)


def llama_server_command(
    name: str,
    model: Path,
    *,
    context: int,
    adapter: Path | None = None,
    port: int = 8080,
) -> ServeCommand:
    """llama-server with a GGUF file, and the GGUF file of an adapter over it, under `name`."""
    argv = ["llama-server", "--model", str(model), "--alias", name, "--ctx-size", str(context)]
    argv += ["--lora", str(adapter)] if adapter else []
    return ServeCommand((*argv, "--host", _HOST, "--port", str(port), "--jinja"))
