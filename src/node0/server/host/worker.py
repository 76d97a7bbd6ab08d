# SPDX-License-Identifier: Apache-2.0
"""A stage's work in a training step: what it does with each frame that arrives.

A microbatch enters at the head as ids (`input`), goes up as `activation`, meets its `labels` at the
tail, and comes down as `gradient`. The tail reports each loss to the trainer, the head reports each
microbatch that came back. Frames name the attempt they belong to; those of another one are dropped, and
so are frames that come twice.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from node0.errors import FrameRefused, RetriableError
from node0.lora.linear import DropoutKey
from node0.server.module_collab import ModuleCollab
from node0.server.stage.executor import StageExecutor, StageInput
from node0.server.stage.gradient_sums import Share
from node0.swarm.transport.frames import Frame

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Peer ids of the members of the next stages down and up, in the trainer's order."""

    below: Sequence[str] = ()
    above: Sequence[str] = ()

    def down(self, microbatch: int) -> str:
        """Who has this microbatch below."""
        return self.below[microbatch % len(self.below)]

    def up(self, microbatch: int) -> str:
        """Who has it above."""
        return self.above[microbatch % len(self.above)]


@dataclass(slots=True)
class Attempt:
    """One try at one optimizer step."""

    token: str
    step: int
    seed: int
    loss: str
    "`sft` or `dpo`."

    neighbours: Neighbours
    seen: set[tuple[str, int]] = field(default_factory=set)
    "Kinds and microbatches of frames that came."

    inputs: dict[int, Frame] = field(default_factory=dict)
    "At the tail: activations whose labels are not here yet."

    labels: dict[int, Tensor] = field(default_factory=dict)


Push = Callable[[str, Frame], None]
Report = Callable[[Frame], None]


class StageWorker:
    """The stage's share of each attempt. All methods run on the compute thread."""

    def __init__(self, executor: ModuleCollab, *, push: Push, report: Report) -> None:
        """`push` sends to another stage, `report` to the trainer; both may be called from any thread."""
        self.executor, self._push, self._report = executor, push, report
        self._attempt: Attempt | None = None
        self.microbatches = 0
        self.tokens = 0

    @property
    def attempt(self) -> str | None:
        """Token of the attempt that runs."""
        return None if self._attempt is None else self._attempt.token

    def begin(self, attempt: Attempt, share: Share) -> None:
        """Drop what an earlier attempt left, and take part in this one."""
        self.executor.abort()
        self.executor.trained.gradients.assign(share)
        self._attempt = attempt

    def abort(self) -> None:
        """Leave the attempt: graphs and gradients are gone, no weight moves."""
        self._attempt = None
        self.executor.abort()

    def handle(self, frame: Frame) -> None:
        """Do what a frame of the running attempt asks; drop any other."""
        attempt = self._attempt
        key = (frame.kind, int(frame["mb"]))
        if attempt is None or frame["attempt"] != attempt.token or key in attempt.seen:
            return
        attempt.seen.add(key)
        action = {
            "input": self._input,
            "activation": self._input,
            "labels": self._labels,
            "preference": self._preference,
            "gradient": self._gradient,
        }.get(frame.kind)
        if action is None:
            raise FrameRefused(f"a stage takes no {frame.kind} frame; run one version on all peers")
        action(attempt, frame)

    def require(self, attempt: object) -> None:
        """Raise `RetriableError` where another attempt runs, or none."""
        if self._attempt is None or attempt != self._attempt.token:
            raise RetriableError("the attempt is over here; abort the step and replay it")

    def prepare(self, attempt: str, expected: int) -> dict[str, Any]:
        """What the trainer decides a step by.

        Raises:
            RetriableError: another attempt runs, or microbatches are missing.
        """
        self.require(attempt)
        prepared = self.executor.trained.prepare()
        if prepared.microbatches != expected:
            raise RetriableError(
                f"{prepared.microbatches} of {expected} microbatches are in the sums; replay the step"
            )
        return {"squared_norm": prepared.squared_norm, "finite": prepared.finite}

    def _input(self, attempt: Attempt, frame: Frame) -> None:
        microbatch = int(frame["mb"])
        if self.executor.stage.has_head:
            attempt.inputs[microbatch] = frame
            self._meet(attempt, microbatch)
            return
        output = self.executor.forward(_given(frame, attempt, self.executor))
        self._push(
            attempt.neighbours.up(microbatch),
            Frame("activation", _address(attempt, microbatch), [output, frame.tensors[1]]),
        )
        self._count(frame)

    def _labels(self, attempt: Attempt, frame: Frame) -> None:
        microbatch = int(frame["mb"])
        attempt.labels[microbatch] = frame.tensors[0]
        self._meet(attempt, microbatch)

    def _meet(self, attempt: Attempt, microbatch: int) -> None:
        """At the tail: go on once activation and labels are both here."""
        if microbatch not in attempt.inputs or microbatch not in attempt.labels:
            return
        frame, labels = attempt.inputs.pop(microbatch), attempt.labels.pop(microbatch)
        given = _given(frame, attempt, self.executor)
        self._count(frame)
        if attempt.loss == "dpo":
            logps = self.executor.forward_logps(given, labels)
            self._report(Frame("logps", _address(attempt, microbatch), [logps]))
            return
        result = self.executor.train_tail(given, labels)
        fields = {"loss_sum": float(result.loss_sum), "n_tokens": result.n_tokens}
        self._report(Frame("loss", {**_address(attempt, microbatch), **fields}))
        self._down(attempt, microbatch, result.gradient)

    def _preference(self, attempt: Attempt, frame: Frame) -> None:
        microbatch = int(frame["mb"])
        self._down(attempt, microbatch, self.executor.backward(microbatch, frame.tensors[0]))

    def _gradient(self, attempt: Attempt, frame: Frame) -> None:
        microbatch = int(frame["mb"])
        gradient = frame.tensors[0] if frame.tensors else None
        self._down(attempt, microbatch, self.executor.backward(microbatch, gradient))

    def _down(self, attempt: Attempt, microbatch: int, gradient: Tensor | None) -> None:
        address = _address(attempt, microbatch)
        if self.executor.stage.has_embedding:
            self._report(Frame("done", address))
            return
        tensors = [] if gradient is None else [gradient]
        self._push(attempt.neighbours.down(microbatch), Frame("gradient", address, tensors))

    def _count(self, frame: Frame) -> None:
        self.microbatches += 1
        self.tokens += frame.tensors[1].numel()


def _address(attempt: Attempt, microbatch: int) -> dict[str, Any]:
    return {"attempt": attempt.token, "mb": microbatch}


def _given(frame: Frame, attempt: Attempt, executor: StageExecutor) -> StageInput:
    x, positions = frame.tensors
    key = DropoutKey(attempt.seed, attempt.step, int(frame["mb"]))
    return StageInput(x, positions.long(), key, input_gradient=not executor.stage.has_embedding)
