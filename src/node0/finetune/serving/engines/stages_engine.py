# SPDX-License-Identifier: Apache-2.0
"""An engine over stages at peers: it leads the stages of a run, and draws nothing itself."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from node0.errors import ConfigError, EngineUnavailable, NotFound
from node0.finetune.serving.engines.batching.batch_engine import MAX_RUNNING
from node0.finetune.serving.engines.batching.batch_worker import BatchWorker, Lender
from node0.finetune.serving.engines.batching.swarm_batch import SwarmBatch
from node0.finetune.serving.engines.local_engine import MAX_WAITING
from node0.finetune.serving.engines.queued_answer import QueuedAnswer
from node0.finetune.serving.engines.token_engine import EngineFigures, GenerationRequest
from node0.pipeline.swarm.run_leader import leader_settings, start_leader
from node0.pipeline.swarm.sequence_round import RecoveringStages
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_state import Cut
from node0.server.host.stage_spec import StageTraining
from node0.swarm.peer.peer import Peer
from node0.swarm.run.swarm_run import SwarmRun

ROUND_SECONDS = 2.0
"How long `close` lets a round end by itself; a lost stage would be waited for longer."


class Stages(Protocol):
    """Stages that can be joined: `RunStages` are those of a run."""

    def join(self) -> RecoveringStages:
        """Wait until all are there, and give them their weights."""
        ...

    def close(self) -> None:
        """Leave them, also while another thread joins."""
        ...


class StagesEngine:
    """Answers for one model, whose layers are at peers; requests are under way together."""

    def __init__(
        self, model: str, stages: Stages, *, max_running: int = MAX_RUNNING, max_waiting: int = MAX_WAITING
    ) -> None:
        """Answer for `model`, as requests name it."""
        self._model, self._stages, self._max_running = model, stages, max_running
        self._joining = threading.Lock()
        self._batch: SwarmBatch | None = None
        lender = Lender(self._lend, wanted=lambda: False)
        self._worker = BatchWorker(model, lender, places=max_running + max_waiting)

    async def open(self, request: GenerationRequest) -> QueuedAnswer:
        """Take a place."""
        if request.model != self._model:
            raise NotFound(f"the swarm has no model {request.model}; start the server with it")
        if (request.mask, request.form, request.logprobs) != (None, None, None):
            raise ConfigError(
                "a swarm's last stage draws ids, tells no log probabilities and holds no answer to a form; "
                "leave logprobs, response_format, strict and tool_choice out, or serve it in one process"
            )
        return self._worker.enter(request)

    async def warm_up(self) -> None:
        """Join the stages.

        Raises:
            SwarmTimeout: one is missing for too long.
            ConfigError: they cannot be led from here, or have another base.
        """
        await asyncio.to_thread(self._joined)

    async def ready(self) -> str:
        """Why it cannot answer now; empty when it can."""
        return "" if self._batch is not None else "waiting for the stages"

    def waiting(self) -> dict[str, int]:
        """Requests that are computed or wait."""
        return {self._model: len(self._worker)}

    def figures(self) -> dict[str, EngineFigures]:
        """The stages tell their own."""
        return {}

    async def close(self) -> None:
        """End what runs, and leave the stages; they go on."""
        ending = asyncio.ensure_future(asyncio.to_thread(self._worker.close))
        await asyncio.wait({ending}, timeout=ROUND_SECONDS)
        await asyncio.to_thread(self._stages.close)
        await ending

    @contextmanager
    def _lend(self) -> Iterator[SwarmBatch]:
        yield self._joined()

    def _joined(self) -> SwarmBatch:
        with self._joining:
            if self._batch is None:
                self._batch = SwarmBatch(self._stages.join(), max_running=self._max_running)
            return self._batch


class RunStages:
    """The stages of a run, with one adapter or none."""

    def __init__(self, run: SwarmRun, directory: Path, training: StageTraining, learned: Cut) -> None:
        """Lead them from `directory`, which holds the trainer's key. Nothing happens before `join`.

        Args:
            run: who the members are.
            directory: of the run.
            training: what the stages are to be.
            learned: the adapter's state on every stage; empty where there is none.
        """
        self._run, self._directory = run, directory
        self._training, self._learned = training, learned
        self._changing = threading.Lock()
        self._peer: Peer | None = None
        self._is_closed = False

    def join(self) -> SwarmPipeline:
        """Find a member of every stage, and give each the base's part and the adapter's.

        Raises:
            SwarmTimeout: one is missing for longer than the run's `deadlines.replace`.
            ConfigError: another process leads from here, or a stage has another base.
            EngineUnavailable: they were closed meanwhile.
        """
        peer = self._started()
        size = max(map(len, self._learned.states.values()), default=0)
        try:
            settings = leader_settings(peer, self._run, state_bytes=size)
            pipeline = SwarmPipeline(peer, settings, self._training, max_grad_norm=None)
            if self._learned.states:
                pipeline.adopt(self._learned)
        except BaseException:
            if self._is_closed:
                raise EngineUnavailable("the server is being shut down; ask again later") from None
            raise
        return pipeline

    def close(self) -> None:
        """Leave them; whoever joins or asks is interrupted."""
        with self._changing:
            self._is_closed, peer = True, self._peer
        if peer is not None:
            peer.close()

    def _started(self) -> Peer:
        with self._changing:
            if self._is_closed:
                raise EngineUnavailable("the server is being shut down; ask again later")
            if self._peer is None:
                self._peer = start_leader(self._run, self._directory).peer
            return self._peer
