# SPDX-License-Identifier: Apache-2.0
"""Training over our swarm beside stock hivemind: the same stages behind `Server` and `RemoteExpert`.

All train the same chats (120 to 900 tokens, 416 on average, two fifths of them learnt) with the same
threads, in turns, an optimizer step after all of them; a chat's own tokens count, padding does not.
Ours packs chats into rows, as `node0-finetune` does. An expert of hivemind has one shape, so a chat is
padded to the longest. hivemind's servers are otherwise made as fast as they can be without changing it:
the stages are ours, with our LM head on learnt positions alone; the tail takes labels as its second
input and returns each token's loss; several calls are on their way at once, each from a thread. Two
more ways are measured: one call after the other, as hivemind's own trainers go, and each chat in a
call of its own at its own length, which breaks the rule of one shape and works only while no server
joins two calls. A reply is below 4 MiB, or hivemind hangs. A figure is the median over the rounds.
Run it on an idle machine:

    python bench/swarm_vs_hivemind_moe.py
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from node0.lora.adapter import apply_lora
from node0.models.factory import build_stages
from node0.models.llama.layers import LlamaStage, TailExpert
from node0.pipeline.protocol import IGNORE, TrainStep
from node0.swarm.transport.guard import die_with_parent
from swarm_bench import (
    LONGEST,
    LORA,
    MEDIUM,
    OPTIMIZER,
    Chat,
    best_dtype,
    chats,
    end,
    packed,
    report,
    stage_threads,
    swarm,
)
from temporary import temporary_place

STAGES = ("head", "tail")
TRIES = 3
"Of a call: hivemind ends a stream that broke as if all had been said."

MICROBATCH = 1024
"Tokens in a microbatch of ours: one packed row."

HANDLERS = 4
"Processes of a server that take requests: what hivemind recommends for one expert."


@dataclass(frozen=True)
class Way:
    """How hivemind's client sends the chats."""

    rows: int
    "Chats in a call; one alone keeps its length, several are padded to the longest of all."

    at_once: int
    "Calls on their way."


WAYS = {
    "hivemind": Way(rows=2, at_once=6),
    "hivemind, one by one": Way(rows=2, at_once=1),
    "hivemind, chats alone": Way(rows=1, at_once=6),
}


def main() -> int:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chats", type=int, default=32, help="chats an optimizer step")
    parser.add_argument("--role", choices=[*STAGES, "client"], help=argparse.SUPPRESS)
    parser.add_argument("--sockets", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peers", nargs="*", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role is not None:
        return _play(options)
    names = [*WAYS, "ours"]
    speeds: dict[str, list[float]] = {name: [] for name in names}
    with (
        temporary_place("star") as folder,
        _star(folder, options) as star,
        swarm(MEDIUM, len(STAGES), dtype=best_dtype(), threads=stage_threads(len(STAGES))) as ours,
    ):
        for number in range(options.rounds + 1):
            for name in names:
                step = _step(options, number)
                microbatches = packed(step, MICROBATCH)
                started = time.perf_counter()
                if name == "ours":
                    ours.train_step(microbatches, TrainStep(number, OPTIMIZER.lr))
                else:
                    star.train(name, number)
                speed = sum(len(chat.ids) for chat in step) / (time.perf_counter() - started)
                if number:  # the first round warms up
                    speeds[name].append(speed)
    print(
        f"{len(STAGES)} stages with {stage_threads(len(STAGES))} threads each; {options.chats} chats a step"
    )
    report(speeds, of="ours")
    if star.lost:
        print(f"hivemind lost {star.lost} calls, which were made again")
    return 0


def _step(options: argparse.Namespace, number: int) -> list[Chat]:
    return chats(MEDIUM, options.chats, seed=number)


class _Star:
    """hivemind's client, in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.lost = 0
        "Calls that were made again."

    def train(self, way: str, number: int) -> None:
        """One optimizer step on the chats of that round."""
        assert self._process.stdin is not None
        print(number, way, file=self._process.stdin, flush=True)
        self.lost = int(_line(self._process))


@contextmanager
def _star(folder: Path, options: argparse.Namespace) -> Iterator[_Star]:
    started: list[subprocess.Popen[str]] = []
    try:
        peers: list[str] = []
        for role in (*STAGES, "client"):
            process = _start(role, folder, peers, options)
            started.append(process)
            peers += [_line(process)] if role != "client" else []
        yield _Star(started[-1])
    except BaseException:
        print((folder / "log").read_text(errors="replace")[-10_000:], file=sys.stderr)
        raise
    finally:
        for process in started:
            end(process)


def _start(
    role: str, folder: Path, peers: Sequence[str], options: argparse.Namespace
) -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, "--role", role, "--sockets", str(folder), "--peers", *peers]
    command += [f"--chats={options.chats}"]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": str(stage_threads(len(STAGES)))},
        )


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a process of hivemind ended; its log is above")
    return line.strip()


def _play(options: argparse.Namespace) -> int:
    """A server or the client of hivemind."""
    from hivemind.p2p import P2P

    die_with_parent(signal.SIGTERM)
    # Its sockets would stay in the system's folder for temporary files.
    P2P._UNIX_SOCKET_PREFIX = f"/unix{options.sockets}/"
    torch.set_num_threads(stage_threads(len(STAGES)))
    return _client(options) if options.role == "client" else _serve(options)


def _dht(options: argparse.Namespace) -> Any:
    from hivemind.dht import DHT

    return DHT(
        initial_peers=options.peers,
        start=True,
        host_maddrs=["/ip4/127.0.0.1/tcp/0"],
        nat_port_map=False,
        auto_nat=False,
        use_relay=False,
        startup_timeout=60,
    )


def _serve(options: argparse.Namespace) -> int:
    from hivemind.moe.server.module_backend import ModuleBackend
    from hivemind.moe.server.server import Server
    from hivemind.utils.tensor_descr import BatchTensorDescriptor

    dht = _dht(options)
    stages = build_stages(MEDIUM, len(STAGES), dtype=best_dtype())
    stage = stages[STAGES.index(options.role)]
    apply_lora(stage, LORA)
    stage.train()
    module = _Tail(stage) if stage.has_head else _Head(stage)
    optimizer = _OnceAStep(module, options.chats)
    ids = BatchTensorDescriptor(LONGEST, dtype=torch.int64)
    hidden = BatchTensorDescriptor(LONGEST, MEDIUM.hidden_dim, dtype=torch.float32, requires_grad=True)
    losses = BatchTensorDescriptor(LONGEST, dtype=torch.float32, requires_grad=True)
    backends = {
        uid: ModuleBackend(
            uid,
            module,
            optimizer=optimizer,
            args_schema=(hidden, ids) if stage.has_head else (ids,),
            outputs_schema=losses if stage.has_head else hidden,
            # A larger one would join calls, which only lengthens the way of each.
            max_batch_size=rows,
        )
        for uid, rows in ((_uid(options.role, way.rows), way.rows) for way in WAYS.values())
    }
    server = Server(dht, backends, num_connection_handlers=HANDLERS, device=torch.device("cpu"))
    server.run_in_background(await_ready=True)
    print(dht.get_visible_maddrs()[0], flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    server.shutdown()
    return 0


def _uid(stage: str, rows: int) -> str:
    return f"{stage}.{rows}"


class _Counted(nn.Module):
    """A stage that counts the rows of its backward passes, which run the forward pass again."""

    def __init__(self, stage: LlamaStage) -> None:
        super().__init__()
        self.stage, self.rows = stage, 0

    def hidden(self, inputs: Tensor) -> Tensor:
        """Hidden states (rows, tokens, hidden)."""
        rows, tokens = inputs.shape[:2]
        self.rows += rows * torch.is_grad_enabled()
        return self.stage.forward_hidden(inputs, torch.arange(tokens).repeat(rows, 1))


class _Head(_Counted):
    def forward(self, ids: Tensor) -> Tensor:
        return self.hidden(ids).float()


class _Tail(_Counted):
    def forward(self, hidden: Tensor, labels: Tensor) -> Tensor:
        return -cast(TailExpert, self.stage).label_logps(self.hidden(hidden), labels)


class _OnceAStep(torch.optim.AdamW):
    """hivemind steps after each backward pass; this one waits for all chats of a step."""

    def __init__(self, module: _Counted, chats: int) -> None:
        trained = [weight for weight in module.parameters() if weight.requires_grad]
        super().__init__(trained, lr=OPTIMIZER.lr, betas=OPTIMIZER.betas, eps=OPTIMIZER.eps)
        self._module, self._chats = module, chats

    def step(self, closure: Any = None) -> Any:
        """Move the weights with the last chat."""
        return super().step(closure) if self._module.rows >= self._chats else None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients once they were used."""
        if self._module.rows >= self._chats:
            self._module.rows = 0
            super().zero_grad(set_to_none)


class _Remote:
    """The trainer that hivemind's users write: calls through head and tail, each in a thread."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._dht = _dht(options)
        self._peers = dict(zip(STAGES, options.peers, strict=True))
        self._experts = {way.rows: self._find(way.rows) for way in WAYS.values()}
        self.lost = 0
        "Calls whose reply came without its tensors; they are made again."

    def _find(self, rows: int) -> list[Any]:
        from hivemind.moe.client.expert import create_remote_experts
        from hivemind.moe.expert_uid import ExpertInfo
        from hivemind.p2p import PeerID

        infos = [
            ExpertInfo(_uid(stage, rows), PeerID.from_base58(address.rpartition("/p2p/")[2]))
            for stage, address in self._peers.items()
        ]
        return cast("list[Any]", create_remote_experts(infos, dht=self._dht))

    def train(self, step: Sequence[Chat], way: Way) -> None:
        """Forward and backward of all; the servers make their steps themselves."""
        with ThreadPoolExecutor(way.at_once) as pool:
            calls = [step[at : at + way.rows] for at in range(0, len(step), way.rows)]
            list(pool.map(self._call, calls))

    def _call(self, some: Sequence[Chat]) -> None:
        head, tail = self._experts[len(some)]
        ids, labels = _padded(some, len(some[0].ids) if len(some) == 1 else LONGEST)
        for _ in range(TRIES):
            # What a reply without tensors raises, in the backward and in the forward pass.
            with suppress(RuntimeError, StopIteration):
                tail(head(ids), labels).sum().backward()
                return
            self.lost += 1
        raise RuntimeError(f"hivemind lost a call {TRIES} times")


def _padded(some: Sequence[Chat], length: int) -> tuple[Tensor, Tensor]:
    ids = torch.zeros(len(some), length, dtype=torch.int64)
    labels = torch.full((len(some), length), IGNORE)
    for row, chat in enumerate(some):
        ids[row, : len(chat.ids)] = chat.ids
        labels[row, : len(chat.ids)] = chat.labels
    return ids, labels


def _client(options: argparse.Namespace) -> int:
    remote = _Remote(options)
    for line in sys.stdin:
        number, _, way = line.strip().partition(" ")
        remote.train(_step(options, int(number)), WAYS[way])
        print(remote.lost, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
