# SPDX-License-Identifier: Apache-2.0
"""A long agentic request twice: how long a client of `node0 serve` waits for the first word of its answer.

The request is one of Anthropic's Messages API: a system prompt of 20,000 tokens, twenty tools with their
schemas, and a turn. The first one is computed whole; those after it come from the same harness with another
turn. The model has fresh weights over the sample base's tokenizer. Run it on an idle machine:

    PYTHONPATH=examples python bench/long_prompt.py
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from node0.finetune.data.tokenizer import load_tokenizer
from node0.models.base_model import export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from temporary import temporary_place
from town.generator.long_request import long_request, turn

DEMO = Path(__file__).parents[1] / "examples" / "base"
COMMAND = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())", "serve"]
MODEL = "long"
AGAIN = 3


@dataclass(frozen=True)
class Heard:
    """What a client saw of one answer."""

    seconds: float
    "Until the first event that is part of the answer."

    prompt: int
    reused: int
    "Of the prompt's tokens."


def main() -> int:
    """Serve, ask, and print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=20_000, help="of the system prompt")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    for name in ("tokens", "layers", "threads"):
        if (value := getattr(options, name)) < 1:
            parser.error(f"--{name} is {value}; give 1 or more")
    tokenizer = load_tokenizer(DEMO)
    request = long_request(
        lambda text: len(tokenizer(text, verbose=False)["input_ids"]), tokens=options.tokens
    )
    with temporary_place("long-prompt") as folder:
        base = _base(folder, layers=options.layers, context=2 * options.tokens + 8192)
        with _serving(base, threads=options.threads) as url:
            first, *again = (_ask(url, turn(request, number)) for number in range(1 + AGAIN))
    _report(first, again)
    return 0


def _report(first: Heard, again: list[Heard]) -> None:
    later = statistics.median(heard.seconds for heard in again)
    reused = min(heard.reused / heard.prompt for heard in again)
    print(
        f"{first.prompt} ids with 20 tools: first word after {first.seconds:.2f} s, "
        f"again after {later * 1000:.0f} ms ({reused:.1%} reused), {first.seconds / later:.0f} times as fast"
    )


def _base(folder: Path, *, layers: int, context: int) -> Path:
    """A base of fresh weights that can be served."""
    args = LlamaArguments(
        hidden_dim=128,
        n_heads=4,
        n_kv_heads=2,
        num_hidden_layers=layers,
        ffn_dim=384,
        vocab_size=json.loads((DEMO / "config.json").read_text(encoding="utf-8"))["vocab_size"],
        max_seq_len=context,
    )
    words = folder / "tokenizer"
    words.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(DEMO / name, words / name)
    export_base(build_stages(args, 1, seed=1), folder / "base", words)
    return folder / "base"


@contextmanager
def _serving(base: Path, *, threads: int) -> Iterator[str]:
    """The URL of a server, ready to answer."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--model", f"{MODEL}={base}"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    try:
        assert process.stderr is not None
        listening = next((line for line in process.stderr if line.startswith("listening on ")), "")
        if not listening:
            raise SystemExit("the server does not start; `node0 serve` says why")
        url = listening.split()[2].rstrip(";")
        while httpx.get(f"{url}/ready", trust_env=False).status_code != httpx.codes.OK:
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.communicate()


def _ask(url: str, request: dict[str, Any]) -> Heard:
    body = {"model": MODEL, "max_tokens": 8, "temperature": 0, "stream": True, **request}
    heard, usage = 0.0, dict[str, int]()
    began = time.perf_counter()
    with httpx.stream("POST", f"{url}/v1/messages", json=body, trust_env=False, timeout=600) as response:
        for line in response.raise_for_status().iter_lines():
            if not line.startswith("data:"):
                continue
            event: dict[str, Any] = json.loads(line.removeprefix("data:"))
            if event["type"] == "error":
                raise SystemExit(event["error"]["message"])
            if not heard and event["type"] not in ("ping", "message_start"):
                heard = time.perf_counter() - began
            usage = event.get("usage", usage)
    return Heard(
        heard, usage["input_tokens"] + usage["cache_read_input_tokens"], usage["cache_read_input_tokens"]
    )


if __name__ == "__main__":
    raise SystemExit(main())
