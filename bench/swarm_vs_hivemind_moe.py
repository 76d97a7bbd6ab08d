# SPDX-License-Identifier: Apache-2.0
"""Training over our swarm beside stock hivemind: the same stages behind `Server` and `RemoteExpert`.

hivemind's servers are made as fast as they can be without changing it: the stages are ours, with our
LM head on labelled positions alone; the tail takes labels as its second input and returns each token's
loss; several microbatches are on their way at once, each from a thread (one by one, as hivemind's own
trainers go, is measured too); each server's optimizer steps once a global batch. Rows have one length
and a reply is below 4 MiB, or hivemind hangs. All train the same microbatches with the same threads, in
turns; a figure is the median over the rounds. Run it on an idle machine:

    python bench/swarm_vs_hivemind_moe.py
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from node0.finetune.lora.adapter import apply_lora
from node0.models.factory import build_stages
from node0.models.llama.layers import LlamaStage, TailExpert
from node0.pipeline.protocol import Microbatch, StepResult, TrainStep
from node0.swarm.guard import die_with_parent
from swarm_bench import (
    LORA,
    MEDIUM,
    OPTIMIZER,
    batch,
    best_dtype,
    end,
    report,
    stage_threads,
    swarm,
    tokens_per_second,
)

UIDS = ("head.0", "tail.0")
MOST_REPLY = 4 << 20
"Bytes of a reply on which hivemind's client waits for ever."

HANDLERS = 4
"Processes of a server that take requests: what hivemind recommends for one expert."


def main() -> int:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1, help="optimizer steps a round")
    parser.add_argument("--microbatches", type=int, default=12)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--at-once", type=int, default=6, help="microbatches of hivemind's client at once")
    parser.add_argument("--role", choices=[*UIDS, "client"], help=argparse.SUPPRESS)
    parser.add_argument("--sockets", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peers", nargs="*", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role is not None:
        return _play(options)
    if options.rows * options.length * MEDIUM.hidden_dim * 4 >= MOST_REPLY:
        parser.error("a reply of hivemind would be 4 MiB or more; take fewer rows or shorter ones")
    speeds: dict[str, list[float]] = {"hivemind": [], "hivemind, one by one": [], "ours": []}
    with (
        tempfile.TemporaryDirectory(prefix="node0-star-") as folder,
        _star(Path(folder), options) as star,
        swarm(MEDIUM, len(UIDS), dtype=best_dtype(), threads=stage_threads(len(UIDS))) as ours,
    ):
        for number in range(options.rounds + 1):
            found = {
                "hivemind": star.measure(number, at_once=options.at_once),
                "hivemind, one by one": star.measure(number, at_once=1),
                "ours": tokens_per_second(ours, _steps(options, number), first=number * options.steps),
            }
            for name, speed in found.items() if number else ():  # the first round warms up
                speeds[name].append(speed)
    shape = f"{options.microbatches} microbatches a step of {options.rows} x {options.length} tokens"
    print(f"{len(UIDS)} stages with {stage_threads(len(UIDS))} threads each; {shape}")
    report(speeds, of="ours")
    return 0


def _steps(options: argparse.Namespace, number: int) -> list[list[Microbatch]]:
    shape = {name: getattr(options, name) for name in ("microbatches", "rows", "length")}
    return [batch(MEDIUM, seed=number * 100 + step, **shape) for step in range(options.steps)]


class _Star:
    """hivemind's client, in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def measure(self, number: int, *, at_once: int) -> float:
        """Tokens per second of one round with so many microbatches on their way."""
        assert self._process.stdin is not None
        print(number, at_once, file=self._process.stdin, flush=True)
        return float(_line(self._process))


@contextmanager
def _star(folder: Path, options: argparse.Namespace) -> Iterator[_Star]:
    started: list[subprocess.Popen[str]] = []
    try:
        peers: list[str] = []
        for role in (*UIDS, "client"):
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
    names = ("rounds", "steps", "microbatches", "rows", "length", "at_once")
    command += [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in names]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": str(stage_threads(len(UIDS)))},
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
    torch.set_num_threads(stage_threads(len(UIDS)))
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
    stages = build_stages(MEDIUM, len(UIDS), dtype=best_dtype())
    stage = stages[UIDS.index(options.role)]
    apply_lora(stage, LORA)
    stage.train()
    ids = BatchTensorDescriptor(options.length, dtype=torch.int64)
    hidden = BatchTensorDescriptor(options.length, MEDIUM.hidden_dim, dtype=torch.float32, requires_grad=True)
    losses = BatchTensorDescriptor(options.length, dtype=torch.float32, requires_grad=True)
    backend = ModuleBackend(
        options.role,
        _Tail(stage) if stage.has_head else _Head(stage),
        optimizer=_OnceABatch(stage, options.microbatches),
        args_schema=(hidden, ids) if stage.has_head else (ids,),
        outputs_schema=losses if stage.has_head else hidden,
        # A larger one would join microbatches, which only lengthens the way of each.
        max_batch_size=options.rows,
    )
    server = Server(
        dht, {options.role: backend}, num_connection_handlers=HANDLERS, device=torch.device("cpu")
    )
    server.run_in_background(await_ready=True)
    print(dht.get_visible_maddrs()[0], flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    server.shutdown()
    return 0


class _Head(nn.Module):
    def __init__(self, stage: LlamaStage) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, ids: Tensor) -> Tensor:
        return self.stage.forward_hidden(ids, _positions(ids)).float()


class _Tail(nn.Module):
    def __init__(self, stage: LlamaStage) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, hidden: Tensor, labels: Tensor) -> Tensor:
        output = self.stage.forward_hidden(hidden, _positions(labels))
        return -cast(TailExpert, self.stage).label_logps(output, labels)


def _positions(ids: Tensor) -> Tensor:
    return torch.arange(ids.shape[1]).repeat(ids.shape[0], 1)


class _OnceABatch(torch.optim.AdamW):
    """hivemind steps after each backward pass; this one waits for a global batch."""

    def __init__(self, stage: LlamaStage, microbatches: int) -> None:
        trained = [weight for weight in stage.parameters() if weight.requires_grad]
        super().__init__(trained, lr=OPTIMIZER.lr, betas=OPTIMIZER.betas, eps=OPTIMIZER.eps)
        self._microbatches, self._seen = microbatches, 0

    def step(self, closure: Any = None) -> Any:
        """Count; move the weights with the last microbatch."""
        self._seen += 1
        return super().step(closure) if self._seen % self._microbatches == 0 else None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients once they were used."""
        if self._seen % self._microbatches == 0:
            super().zero_grad(set_to_none)


class _Remote:
    """The trainer that hivemind's users write: microbatches through head and tail, each in a thread."""

    def __init__(self, options: argparse.Namespace) -> None:
        from hivemind.moe.client.expert import create_remote_experts
        from hivemind.moe.expert_uid import ExpertInfo
        from hivemind.p2p import PeerID

        infos = [
            ExpertInfo(uid, PeerID.from_base58(address.rpartition("/p2p/")[2]))
            for uid, address in zip(UIDS, options.peers, strict=True)
        ]
        self.head, self.tail = create_remote_experts(infos, dht=_dht(options))
        self.at_once = 1

    def train_step(self, microbatches: Sequence[Microbatch], _step: TrainStep) -> StepResult:
        """Forward and backward of all; the servers make their steps themselves."""
        with ThreadPoolExecutor(self.at_once) as pool:
            losses = list(pool.map(self._train, microbatches))
        n_tokens = sum(int((each.labels >= 0).sum()) for each in microbatches)
        return StepResult(sum(losses), n_tokens, 0.0)

    def _train(self, microbatch: Microbatch) -> float:
        loss = self.tail(self.head(microbatch.input_ids), microbatch.labels).sum()
        loss.backward()
        return float(loss.detach())


def _client(options: argparse.Namespace) -> int:
    remote = _Remote(options)
    for line in sys.stdin:
        number, remote.at_once = map(int, line.split())
        speed = tokens_per_second(cast(Any, remote), _steps(options, number), first=number * options.steps)
        print(speed, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
