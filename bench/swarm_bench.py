# SPDX-License-Identifier: Apache-2.0
"""What the benches of the swarm share: a model, its batches, stages as processes, a trainer."""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from node0.errors import ConfigError
from node0.finetune.data.packing import pack
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.base_model import fresh_digest
from node0.models.device import multiplies_bfloat16
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import IGNORE, Microbatch, Pipeline, TrainStep
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.server.host.stage_spec import StageTraining
from node0.stage_settings import OptimizerConfig
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import lay_out
from node0.swarm.run.run_file import key_file, write_run
from node0.swarm.run.swarm_run import TRAINER, SwarmRun
from node0.swarm.transport.codec import Codec
from node0.swarm.transport.sockets import socket_directory
from temporary import temporary_place

MEDIUM = LlamaArguments(
    hidden_dim=512,
    n_heads=8,
    n_kv_heads=8,
    num_hidden_layers=8,
    ffn_dim=1376,
    vocab_size=32000,
    max_seq_len=1024,
)
THIN = LlamaArguments(
    hidden_dim=256,
    n_heads=4,
    n_kv_heads=4,
    num_hidden_layers=2,
    ffn_dim=128,
    vocab_size=512,
    max_seq_len=1024,
)
"Much to send for what it computes."

LORA = LoRAConfig(rank=16, alpha=32, dropout=0.0, target_modules=list(ALL_LINEAR))
OPTIMIZER = OptimizerConfig(lr=1e-4)
SUPERVISED = 0.4
"Share of tokens with a label, as in chats of tools."

SHORTEST, LONGEST, USUAL = 120, 900, 228
"Tokens of a chat, as in the bench beside TRL: triangular, 416 on average."

PATIENCE = 300.0

Announced = Callable[[str, int], int]
"Given a member and the port on which it listens, the port at which others are to dial it."


def batch(args: LlamaArguments, *, microbatches: int, rows: int, length: int, seed: int) -> list[Microbatch]:
    """Random ids; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(microbatches):
        ids = torch.randint(0, args.vocab_size, (rows, length), generator=generator)
        chosen = torch.rand(rows, length, generator=generator) < SUPERVISED
        found.append(
            Microbatch(
                ids, torch.arange(length).repeat(rows, 1), torch.where(chosen, ids.roll(-1, 1), IGNORE)
            )
        )
    return found


def parser_of_rounds(description: str | None) -> argparse.ArgumentParser:
    """Options of a bench whose sides make the same steps in turns."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1, help="optimizer steps a round")
    parser.add_argument("--microbatches", type=int, default=16)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--length", type=int, default=512)
    return parser


def shape_of(options: argparse.Namespace) -> dict[str, int]:
    """Of a global batch."""
    return {name: getattr(options, name) for name in ("microbatches", "rows", "length")}


def steps_of(options: argparse.Namespace, number: int) -> list[list[Microbatch]]:
    """The global batches of one round, the same in every process."""
    return [batch(MEDIUM, seed=number * 100 + step, **shape_of(options)) for step in range(options.steps)]


@dataclass(frozen=True)
class Chat:
    """Random ids, int64 (tokens,), and which id should follow each, or IGNORE."""

    ids: Tensor
    labels: Tensor


def chats(args: LlamaArguments, count: int, *, seed: int) -> list[Chat]:
    """Chats of uneven lengths; the same for the same seed."""
    draw = random.Random(seed)
    lengths = [round(draw.triangular(SHORTEST, LONGEST, USUAL)) for _ in range(count)]
    rows = [
        batch(args, microbatches=1, rows=1, length=length, seed=draw.getrandbits(32))[0] for length in lengths
    ]
    return [Chat(row.input_ids[0], row.labels[0]) for row in rows]


def packed(some: Sequence[Chat], width: int) -> list[Microbatch]:
    """Microbatches of one row that holds several chats, as long as its chats are."""
    lengths = [len(chat.ids) for chat in some]
    rows = [[some[index] for index in row] for row in pack(lengths, width, order=range(len(some)))]
    return [
        Microbatch(
            torch.cat([chat.ids for chat in row])[None],
            torch.cat([torch.arange(len(chat.ids)) for chat in row])[None],
            torch.cat([chat.labels for chat in row])[None],
        )
        for row in rows
    ]


def local(args: LlamaArguments, dtype: torch.dtype) -> LocalPipeline:
    """The model in this process."""
    stages = build_stages(args, 1, dtype=dtype)
    for stage in stages:
        apply_lora(stage, LORA)
    return LocalPipeline(stages, optimizer=OPTIMIZER)


@contextmanager
def swarm(  # a bench says everything
    args: LlamaArguments,
    num_stages: int,
    *,
    dtype: torch.dtype,
    threads: int,
    wire: Codec = "float32",
    in_flight: int | None = None,
    announced: Announced | None = None,
) -> Iterator[SwarmPipeline]:
    """Stages of the model as processes of `node0 server`, and a trainer here."""
    with temporary_place("swarm") as folder:
        directory = folder / "run"
        run = _make_run(directory, num_stages, wire=wire, announced=announced)
        members = [member for member in run.members if member.name != TRAINER]
        with (directory / "stages.log").open("wb") as log:
            processes = {member.name: _serve(directory, member.name, threads, log) for member in members}
        try:
            with _leading(run, directory) as peer:
                yield SwarmPipeline(
                    peer,
                    _settings(run, in_flight, processes),
                    _training(args, dtype),
                    max_grad_norm=OPTIMIZER.max_grad_norm,
                )
        except BaseException:
            print((directory / "stages.log").read_text(errors="replace"), file=sys.stderr)
            raise
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait(30)


def tokens_per_second(pipeline: Pipeline, steps: Sequence[Sequence[Microbatch]], *, first: int = 0) -> float:
    """Real tokens per second over some optimizer steps."""
    started = time.perf_counter()
    for number, microbatches in enumerate(steps, start=first):
        pipeline.train_step(microbatches, TrainStep(number, 1e-4))
    seconds = time.perf_counter() - started
    return sum(each.input_ids.numel() for step in steps for each in step) / seconds


def stage_threads(num_stages: int) -> int:
    """What each stage has of this machine's cores."""
    return max(1, (os.cpu_count() or 1) // num_stages)


def end(process: "subprocess.Popen[Any]") -> None:
    """End a process that leads a session of its own, and whatever is left of its children."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def report(speeds: Mapping[str, Sequence[float]], *, of: str) -> None:
    """Print each side's median and rounds, and the ratios of the side `of` to the others."""
    print(
        f"hidden {MEDIUM.hidden_dim}, {MEDIUM.num_hidden_layers} layers, vocabulary {MEDIUM.vocab_size}",
        end="",
    )
    print(f", {best_dtype()}")
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    for name, values in speeds.items():
        print(f"  {name:22} {medians[name]:9.1f} tokens/s   {[round(value) for value in values]}")
    for name in speeds:
        if name != of:
            print(f"{of} / {name}: {medians[of] / medians[name]:.2f}x tokens/s", flush=True)


def best_dtype() -> torch.dtype:
    """What training takes by itself on this machine."""
    return torch.bfloat16 if multiplies_bfloat16("cpu") else torch.float32


def _make_run(directory: Path, num_stages: int, *, wire: Codec, announced: Announced | None) -> SwarmRun:
    slots = lay_out(num_stages, replicas={}, spares=0, hosts={})
    common = SwarmRun(run_id="bench", local_mode=True, num_stages=num_stages, wire=wire)
    run = create_run(directory, slots, common=common, settings="")
    if announced is None:
        return run
    for member in run.members:
        port = announced(member.name, member.full_addresses[0].port)
        member.config.announce_maddrs = [f"/ip4/127.0.0.1/tcp/{port}"]
    write_run(directory, run)
    return run


def _serve(directory: Path, name: str, threads: int, log: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "node0.run_server", "--run", str(directory), "--device", "cpu"]
    command += ["--identity-path", str(key_file(directory, name)), "--threads", str(threads)]
    command += ["--parent", str(os.getpid())]
    return subprocess.Popen(command, stdout=log, stderr=log)  # type: ignore[call-overload, no-any-return]  # passed through


@contextmanager
def _leading(run: SwarmRun, directory: Path) -> Iterator[Peer]:
    config = run.member(TRAINER).config
    peer = Peer(
        PeerSettings(
            socket_directory(directory, TRAINER),
            identity_path=key_file(directory, TRAINER),
            host_maddrs=config.host_maddrs,
            announce_maddrs=config.announce_maddrs,
        )
    )
    try:
        yield peer
    finally:
        peer.close()


def _settings(
    run: SwarmRun, in_flight: int | None, processes: Mapping[str, "subprocess.Popen[bytes]"]
) -> SwarmSettings:
    specs = [
        MemberSpec(each.peer_id, [str(a) for a in each.full_addresses], each.stage.index)
        for each in run.members
        if each.stage is not None
    ]

    async def find() -> list[MemberSpec]:
        for member, process in processes.items():
            if process.poll() is not None:
                # Nobody starts it again: waiting for it would only take time.
                raise ConfigError(f"stage {member} ended with code {process.returncode}")
        return specs

    return SwarmSettings(
        run.num_stages,
        find,
        backup_every=10**6,
        in_flight=in_flight,
        deadline=PATIENCE,
        patience=PATIENCE,
    )


def _training(args: LlamaArguments, dtype: torch.dtype) -> StageTraining:
    fresh: Mapping[str, object] = args.model_dump()
    return StageTraining(
        base_digest=fresh_digest(args, 0),
        lora=LORA.model_dump(),
        optimizer=OPTIMIZER.model_dump(mode="json"),
        dtype=str(dtype).removeprefix("torch."),
        fresh=dict(fresh),
    )
