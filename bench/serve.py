# SPDX-License-Identifier: Apache-2.0
"""Serving: streams beside each other, many requests, aborts; then the same streams at three servers.

The first figures are of our engine alone, called in this process. Then `node0 serve`, llama-server and vLLM
are asked the same ids over HTTP, with the same threads and type of weights, over a model of 40 million fresh
weights: a step of the demo's one million is shorter than a request's way through HTTP. Ratios are of one run
on one machine, servers in turn, and of medians of three. Run it on an idle machine:

    python bench/serve.py
    python bench/serve.py --engine vllm --url http://127.0.0.1:8000 --engine-model base
"""

import argparse
import asyncio
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from node0.commands.serve.serve_models import DIALECTS
from node0.finetune.inference.loading import load_runner
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.engines.batching.batch_engine import BatchEngine
from node0.finetune.serving.engines.local_engine import LocalEngine, Placement
from node0.finetune.serving.engines.model_pool import Loader, ModelPool
from node0.finetune.serving.engines.remote_engine import RemoteEngine
from node0.finetune.serving.engines.token_engine import Engine, GenerationRequest
from node0.models.base_model import export_base, resolve_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.batch_runner import BatchRunner
from node0.pipeline.protocol import SamplingParams
from serve_peers import GGUF, MODEL, running, servers
from temporary import temporary_place

T = TypeVar("T")
DEMO = Path(__file__).parents[1] / "examples" / "base"
FRESH = LlamaArguments(
    hidden_dim=512,
    n_heads=8,
    n_kv_heads=4,
    num_hidden_layers=8,
    ffn_dim=1376,
    vocab_size=16000,
    max_seq_len=2048,
)
REST = 3.0
"Seconds before a server's turn: the threads of the one before wait for more, and keep the cores busy."

TINY = LlamaArguments(
    hidden_dim=16, n_heads=2, n_kv_heads=1, num_hidden_layers=1, ffn_dim=32, vocab_size=64, max_seq_len=512
)


@dataclass
class Bench:
    """An engine, and what is asked of it."""

    engine: Engine
    model: str
    vocab: int
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def request(self, prompt: int, answer: int) -> GenerationRequest:
        """Random ids, drawn at temperature 1, so that nothing is guessed ahead."""
        ids = tuple(self.dice.randrange(self.vocab) for _ in range(prompt))
        sampling = SamplingParams(temperature=1.0, seed=self.dice.randrange(1 << 20))
        return GenerationRequest(self.model, ids, answer, sampling=sampling)

    async def answered(self, request: GenerationRequest) -> int:
        """Ask, and count what comes."""
        return len([token async for token in await self.engine.open(request)])

    async def speed(self, streams: int, *, answer: int = 64) -> float:
        """Ids a second of so many streams."""
        requests = [self.request(64, answer) for _ in range(streams)]
        began = time.perf_counter()
        counts = await asyncio.gather(*map(self.answered, requests))
        return sum(counts) / (time.perf_counter() - began)


def main() -> int:
    """Measure everything that the options leave in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=[*DIALECTS], help="also another engine, with --url")
    parser.add_argument("--url")
    parser.add_argument("--engine-model", default="base", help="what the other engine calls the model")
    parser.add_argument("--vocab", type=int, default=2368, help="ids that the other engine's model knows")
    parser.add_argument("--aborts", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2, help="of each server, and of this process")
    parser.add_argument("--types", nargs="*", choices=[*GGUF], default=[*GGUF], help="of weights, at servers")
    options = parser.parse_args()
    if (options.engine is None) != (options.url is None):
        parser.error("--engine and --url go together: the kind of another engine, and where it answers")
    if options.aborts < 1:
        parser.error(f"--aborts is {options.aborts}; give 1 or more")
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads; load {_load()}")
    asyncio.run(_all(options))
    for dtype in options.types:
        asyncio.run(beside(dtype, options.threads))
    return 0


async def _all(options: argparse.Namespace) -> None:
    demo = ModelSource("base", resolve_base(DEMO))
    found: dict[str, float] = {}
    for name, make, vocab in (
        ("demo base", lambda: BatchEngine(load_runner(demo, 2048, dtype="float32")), 2368),
        ("fresh 40M", lambda: fresh_engine(FRESH, 1024), FRESH.vocab_size),
    ):
        found[name] = await _on_own(make, vocab, partial(streams, name=name))
    await _on_own(lambda: fresh_engine(FRESH, 256), FRESH.vocab_size, many)
    await _on_own(
        lambda: fresh_engine(TINY, 128), TINY.vocab_size, lambda bench: aborts(bench, options.aborts)
    )
    if options.url:
        engine = RemoteEngine(options.url, DIALECTS[options.engine]())
        bench = Bench(engine, options.engine_model, options.vocab)
        there = await streams(bench, options.engine)
        print(
            f"ours, demo base, beside {options.engine}, 8 streams: "
            f"{found['demo base'] / there:.2f} of its ids a second"
        )
        await many(bench)
        await engine.close()


async def beside(dtype: str, threads: int) -> None:
    """The same streams at every server that is here, in turn, and how ours compares."""
    with temporary_place("serve") as folder:
        export_base(build_stages(FRESH, 1, seed=1), folder / MODEL, DEMO)
        found = servers(folder / MODEL, dtype, threads)
        with running(found, threads, folder) as engines:
            benches = {name: Bench(engine, MODEL, FRESH.vocab_size) for name, engine in engines.items()}
            rates = await _in_turn(benches)
            for engine in engines.values():
                await engine.close()
    for name, (one, eight) in rates.items():
        print(
            f"{dtype}, {name}: 1 stream {one:.0f} ids/s, 8 streams {eight:.0f} ids/s, {eight / one:.1f} times"
        )
        if name != "ours":
            ours = rates["ours"]
            print(
                f"{dtype}, ours / {name}: {ours[0] / one:.2f} at 1 stream, {ours[1] / eight:.2f} at 8; "
                f"load {_load()}"
            )


async def _in_turn(benches: dict[str, Bench]) -> dict[str, tuple[float, float]]:
    """Ids a second of one stream and of eight; each server rests while another one is asked."""
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in benches}
    for bench in benches.values():
        await bench.speed(8, answer=8)
    for _ in range(3):
        for name, bench in benches.items():
            await asyncio.sleep(REST)
            rounds[name].append((await bench.speed(1), await bench.speed(8)))
    return {
        name: (statistics.median(one for one, _ in pairs), statistics.median(eight for _, eight in pairs))
        for name, pairs in rounds.items()
    }


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def fresh_engine(args: LlamaArguments, blocks: int) -> BatchEngine:
    """An engine over fresh weights."""
    (stage,) = build_stages(args, 1, seed=1)
    stage.eval().requires_grad_(requires_grad=False)
    stage.join_projections()
    return BatchEngine(BatchRunner([stage], blocks))


async def _on_own(make: Callable[[], BatchEngine], vocab: int, work: Callable[[Bench], Awaitable[T]]) -> T:
    pool = ModelPool({"m": Loader(0, make)})
    engine = LocalEngine(pool, {"m": Placement("m")}, max_waiting=10_000)
    await engine.warm_up()
    try:
        return await work(Bench(engine, "m", vocab))
    finally:
        await engine.close()


async def streams(bench: Bench, name: str) -> float:
    """One stream and eight: ids a second."""
    await bench.speed(1, answer=8)
    pairs = [(await bench.speed(1), await bench.speed(8)) for _ in range(3)]
    one, eight = statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)
    print(f"{name}: 1 stream {one:.0f} ids/s, 8 streams {eight:.0f} ids/s, {eight / one:.1f} times")
    return eight


async def many(bench: Bench, *, count: int = 200, at_once: int = 16) -> None:
    """Two hundred requests of mixed lengths, sixteen at a time."""
    gate, seconds = asyncio.Semaphore(at_once), list[float]()
    requests = [bench.request(bench.dice.randrange(8, 300), 32) for _ in range(count)]

    async def one(request: GenerationRequest) -> int:
        async with gate:
            began = time.perf_counter()
            found = await bench.answered(request)
            seconds.append(time.perf_counter() - began)
            return found

    counts = await asyncio.gather(*map(one, requests))
    ordered = sorted(seconds)
    print(
        f"{count} requests, {at_once} at a time: {sum(found == 32 for found in counts)} whole, "
        f"median {ordered[count // 2]:.2f} s, p99 {ordered[int(count * 0.99)]:.2f} s"
    )
    for figures in bench.engine.figures().values():
        print(
            f"cache: {figures.cache_bytes / (1 << 20):.0f} MiB in {figures.cache_blocks} blocks, "
            f"held now {figures.cache_blocks_held}, preempted {figures.preempted}"
        )


async def aborts(bench: Bench, count: int) -> None:
    """Requests that are left at random: what is still held afterwards, and how soon a place is free."""
    freed = []

    async def one() -> None:
        stream = await bench.engine.open(bench.request(bench.dice.randrange(1, 200), 100))
        for _ in range(bench.dice.randrange(4)):
            await anext(stream)
        await stream.aclose()

    for at in range(0, count, 20):
        await asyncio.gather(*(one() for _ in range(min(20, count - at))))
        began = time.perf_counter()
        while any(figures.cache_blocks_held for figures in bench.engine.figures().values()):
            await asyncio.sleep(0.0005)
        freed.append(time.perf_counter() - began)
    (figures,) = bench.engine.figures().values()
    print(
        f"{count} aborts: {sum(bench.engine.waiting().values())} requests, "
        f"{figures.running + figures.waiting} sequences and {figures.cache_blocks_held} blocks left; "
        f"freed after {max(freed) * 1000:.0f} ms at most"
    )


if __name__ == "__main__":
    raise SystemExit(main())
