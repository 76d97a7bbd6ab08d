# SPDX-License-Identifier: Apache-2.0
"""One attempt at an optimizer step over the members of all stages."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from node0.errors import NonRetriableError, SwarmTimeout
from node0.pipeline.decision import Totals, decide
from node0.pipeline.member import Member, all_of
from node0.pipeline.preference import preference_loss
from node0.pipeline.protocol import Microbatch, StepResult, TrainStep
from node0.swarm.frames import Frame

logger = logging.getLogger(__name__)

Route = Sequence[Sequence[Member]]
"For each stage its members; microbatch i goes to member i modulo their number."


@dataclass(frozen=True, slots=True)
class Work:
    """A global batch and what its step depends on."""

    microbatches: Sequence[Microbatch]
    step: TrainStep


@dataclass(slots=True)
class _Progress:
    totals: dict[int, Totals] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)


class StepAttempt:
    """Begins, feeds, prepares and applies; any failure raises and leaves the rest to the caller."""

    def __init__(
        self,
        route: Route,
        work: Work,
        *,
        version: int,
        events: "asyncio.Queue[tuple[Member, Frame]]",
        in_flight: int,
        deadline: float,
    ) -> None:
        """`in_flight` microbatches are under way at most; `deadline` seconds without news end the attempt."""
        self._route, self._work, self._version = route, work, version
        self._events, self._in_flight, self._deadline = events, in_flight, deadline
        self._token = secrets.token_hex(8)
        self._progress = _Progress()

    async def run(self, *, max_grad_norm: float | None) -> StepResult:
        """Make the step, or skip it everywhere.

        Raises:
            RetriableError: a member was lost, late or at another version; nothing is known to be applied.
            NonRetriableError: a stage cannot do what the step asks, and could not at another try.
        """
        await self._begin()
        await self._feed()
        await self._join_replicas()
        await self._join_tied()
        prepared = await self._prepare()
        totals = sum((self._progress.totals[index] for index in sorted(self._progress.totals)), Totals())
        decision = decide(
            totals,
            [stage["squared_norm"] for stage in prepared],
            finite=[stage["finite"] for stage in prepared],
            max_grad_norm=max_grad_norm,
        )
        step = self._work.step
        if decision.scale is None:
            logger.warning("step %d skipped, no weight moved: %s", step.step, decision.reason)
            await self._ask(Frame("abort"))
        else:
            fields = {"version": self._version + 1, "lr": step.lr, "scale": decision.scale}
            await self._ask(Frame("apply", {"attempt": self._token, **fields}))
        return decision.result(totals)

    async def _begin(self) -> None:
        step, calls = self._work.step, []
        ids = [[member.spec.peer_id for member in members] for members in self._route]
        for index, members in enumerate(self._route):
            for rank, member in enumerate(members):
                fields = {
                    "attempt": self._token,
                    "version": self._version,
                    "step": step.step,
                    "seed": step.seed,
                    "loss": step.loss,
                    "first": rank,
                    "stride": len(members),
                    "below": ids[index - 1] if index else [],
                    "above": ids[index + 1] if index + 1 < len(ids) else [],
                }
                calls.append(member.request(Frame("begin", fields), deadline=self._deadline))
        await all_of(calls)

    async def _feed(self) -> None:
        """Keep so many microbatches under way until all have come back, with their losses."""
        count, sent = len(self._work.microbatches), 0
        while len(self._progress.done) < count or len(self._progress.totals) < count:
            while sent < count and sent - len(self._progress.done) < self._in_flight:
                await self._send(sent)
                sent += 1
            await self._hear()

    async def _send(self, index: int) -> None:
        microbatch = self._work.microbatches[index]
        address = {"attempt": self._token, "mb": index}
        tail, head = self._of(-1, index), self._of(0, index)
        positions = microbatch.positions.to(torch.int32)
        await tail.send(Frame("labels", address, [microbatch.labels]))
        await head.send(Frame("input", address, [microbatch.input_ids, positions]))

    async def _hear(self) -> None:
        try:
            member, frame = await asyncio.wait_for(self._events.get(), self._deadline)
        except TimeoutError:
            missing = len(self._work.microbatches) - len(self._progress.done)
            raise SwarmTimeout(
                f"{missing} microbatches did not come back within {self._deadline:g} s"
            ) from None
        if frame.kind in ("gone", "lost", "failed"):
            self._refuse(member, frame)
        if frame.fields.get("attempt") != self._token:
            return
        index = int(frame["mb"])
        if frame.kind == "done":
            self._progress.done.add(index)
        elif frame.kind == "loss":
            self._progress.totals[index] = Totals(frame["loss_sum"], frame["n_tokens"])
        elif frame.kind == "logps":
            await self._prefer(index, frame.tensors[0])

    def _refuse(self, member: Member, frame: Frame) -> None:
        """End the attempt, if the news is of a member that takes part in it."""
        if frame.kind == "failed" and frame.fields.get("attempt") not in (None, self._token):
            return
        part = [other for members in self._route for other in members]
        lost = frame.fields.get("peer", member.spec.peer_id)
        if member not in part or lost not in [other.spec.peer_id for other in part]:
            return
        why = frame.fields.get("text") or frame.fields.get("why")
        is_final = frame.fields.get("attempt") == self._token and not frame.fields.get("retriable", True)
        error = NonRetriableError if is_final else SwarmTimeout
        raise error(f"stage {member.stage} at peer {member.spec.peer_id}: {why}")

    async def _prefer(self, index: int, logps: Tensor) -> None:
        """Turn a microbatch's log probabilities into its loss, and send the gradient back to the tail."""
        step = self._work.step
        reference = step.reference_logps
        if reference is not None:
            first = sum(each.input_ids.shape[0] for each in self._work.microbatches[:index])
            reference = reference[first : first + logps.shape[0]]
        loss_sum, gradient = preference_loss(logps, reference, preference=step.preference)
        self._progress.totals[index] = Totals(loss_sum, logps.shape[0] // 2)
        address = {"attempt": self._token, "mb": index}
        await self._of(-1, index).send(Frame("preference", address, [gradient]))

    async def _join_replicas(self) -> None:
        """Members of one stage sum their gradients, in their order."""
        await all_of([self._join_stage(members) for members in self._route if len(members) > 1])

    async def _join_stage(self, members: Sequence[Member]) -> None:
        ask = Frame("sums")
        replies = await all_of([member.request(ask, deadline=self._deadline) for member in members])
        total = list(replies[0].tensors)
        for reply in replies[1:]:
            total = [mine + other for mine, other in zip(total, reply.tensors, strict=True)]
        tell = Frame("sums", {}, total)
        await all_of([member.request(tell, deadline=self._deadline) for member in members])

    async def _join_tied(self) -> None:
        """Both copies of a tied table get the sum of their gradients; the norm counts it once."""
        head, tail = self._route[0], self._route[-1]
        if head is tail or set(head[0].names).isdisjoint(tail[0].names):
            return
        ask = Frame("tied")
        at_head, at_tail = await all_of(
            [member.request(ask, deadline=self._deadline) for member in (head[0], tail[0])]
        )
        if not at_head.tensors or not at_tail.tensors:
            return
        total = [at_head.tensors[0] + at_tail.tensors[0]]
        calls = [
            member.request(Frame("tied", {"counted": members is head}, total), deadline=self._deadline)
            for members in (head, tail)
            for member in members
        ]
        await all_of(calls)

    async def _prepare(self) -> list[Frame]:
        """What the first member of each stage says; all must have their share."""
        count, calls = len(self._work.microbatches), []
        for members in self._route:
            for rank, member in enumerate(members):
                expected = len(range(rank, count, len(members)))
                fields = {"attempt": self._token, "expected": expected}
                calls.append(member.request(Frame("prepare", fields), deadline=self._deadline))
        replies = iter(await all_of(calls))
        by_stage = [[next(replies) for _ in members] for members in self._route]
        return [first for first, *_ in by_stage]

    async def _ask(self, frame: Frame) -> list[Any]:
        members = [member for stage in self._route for member in stage]
        return await all_of([member.request(frame, deadline=self._deadline) for member in members])

    def _of(self, stage: int, index: int) -> Member:
        members = self._route[stage]
        return members[index % len(members)]
