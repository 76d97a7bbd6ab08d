# SPDX-License-Identifier: Apache-2.0
"""Servers beside each other: `node0 serve`, llama-server and vLLM over the same weights.

`make engines` installs the other two; what is not there is left out. All have the same number of threads,
the same type of weights, and the same requests by token ids over HTTP; each keeps its own type of keys.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import torch

from node0.finetune.checkpoint.exporter import export_to_gguf
from node0.finetune.export.serve import llama_server_command, vllm_command
from node0.finetune.serving.engines.llama_server_dialect import LlamaServerDialect
from node0.finetune.serving.engines.remote_engine import Dialect, RemoteEngine
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.finetune.serving.engines.vllm_dialect import VllmDialect

ENGINES = Path(__file__).parents[1] / ".engines"
OURS = (sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())", "serve")
MODEL, SLOTS, CONTEXT = "base", 16, 512
GGUF = {"float32": "f32", "bfloat16": "bf16"}
START_SECONDS, END_SECONDS = 600, 20


class LlamaUnending(LlamaServerDialect):
    """llama-server, asked to go on behind an id that ends answers."""

    def body(self, request: GenerationRequest) -> dict[str, Any]:
        """As it is, and without an end."""
        return {**super().body(request), "ignore_eos": True}


class VllmUnending(VllmDialect):
    """vLLM, asked to go on behind an id that ends answers."""

    def body(self, request: GenerationRequest) -> dict[str, Any]:
        """As it is, and without an end."""
        return {**super().body(request), "ignore_eos": True}


@dataclass(frozen=True)
class Server:
    """A server's line, and how it is asked."""

    name: str
    argv: Sequence[str]
    dialect: Dialect
    ready: str
    "Path that answers 200 when it can be asked."

    environment: dict[str, str] = field(default_factory=dict)


def servers(model: Path, dtype: str, threads: int) -> list[Server]:
    """Ours, and those of the others that are installed, over a directory of Hugging Face.

    What they leave lies beside it.
    """
    ours = (*OURS, "--model", f"{MODEL}={model}", "--dtype", dtype, "--port", "0")
    found = [Server("ours", ours, VllmDialect(), "/ready")]
    llama, vllm = ENGINES / "llama-cpp" / "bin", ENGINES / "vllm" / "bin"
    if (llama / "llama-server").exists():
        file = export_to_gguf(model, model / f"{dtype}.gguf", GGUF[dtype])
        line = llama_server_command(MODEL, file, context=SLOTS * CONTEXT)
        more = ("--parallel", str(SLOTS), "--threads", str(threads), "--threads-batch", str(threads))
        found.append(
            Server(
                "llama-server", (str(llama / line.argv[0]), *line.argv[1:], *more), LlamaUnending(), "/health"
            )
        )
    if (vllm / "vllm").exists():
        line = vllm_command(MODEL, model, context=CONTEXT, dtype=getattr(torch, dtype))
        found.append(
            Server(
                "vLLM",
                (str(vllm / line.argv[0]), *line.argv[1:]),
                VllmUnending(),
                "/health",
                {
                    **dict(line.environment),
                    "VLLM_CPU_KVCACHE_SPACE": "1",
                    "VLLM_RPC_BASE_PATH": str(model.parent),  # where it leaves its sockets
                },
            )
        )
    return found


@contextmanager
def running(all_of_them: Sequence[Server], threads: int, logs: Path) -> Iterator[dict[str, RemoteEngine]]:
    """Engines by the servers' names, ready to be asked; all end with the block.

    Another's server that does not start is told and left out.
    """
    found: dict[str, RemoteEngine] = {}
    with ExitStack() as stack:
        for each in all_of_them:
            try:
                url = stack.enter_context(_started(each, threads, logs))
            except RuntimeError as error:
                if each.name == all_of_them[0].name:
                    raise
                print(f"left out: {error}")
                continue
            found[each.name] = _engine(url, each.dialect)
        yield found


def _engine(url: str, dialect: Dialect) -> RemoteEngine:
    # llama-server closes a connection behind an answer that it streamed.
    client = httpx.AsyncClient(trust_env=False, headers={"Connection": "close"})
    return RemoteEngine(url, dialect, client=client)


@contextmanager
def _started(server: Server, threads: int, logs: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    argv = list(server.argv)
    argv[argv.index("--port") + 1] = port
    log = logs / f"{server.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            stdout=output,
            stderr=output,
            env={**os.environ, **server.environment, "OMP_NUM_THREADS": str(threads)},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _until_ready(url + server.ready, process, log)
        yield url
    finally:
        _end(process)


def _until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{log.stem} does not start:\n{log.read_text(errors='replace')[-500:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it and what it started: they are a session of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
