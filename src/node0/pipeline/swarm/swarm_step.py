# SPDX-License-Identifier: Apache-2.0
"""One attempt at an optimizer step over the members of all stages, all or nothing."""

import asyncio
import logging
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from node0.errors import RetriableError, SwarmTimeout
from node0.pipeline.decision import Totals, decide
from node0.pipeline.preference import preference_loss
from node0.pipeline.protocol import Microbatch, StepResult, TrainStep
from node0.pipeline.swarm.host_connection import HostConnection, all_of
from node0.pipeline.swarm.replies import odd_one
from node0.pipeline.swarm.reports import Reports, raise_if_over
from node0.swarm.transport.frames import Frame

logger = logging.getLogger(__name__)

Route = Sequence[Sequence[HostConnection]]
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
        reports: Reports[HostConnection],
        in_flight: int,
        deadline: float,
        transfer: float,
    ) -> None:
        """At most `in_flight` microbatches are under way; `deadline` seconds without progress end it, and all
        gradients of a stage travel in `transfer` seconds.
        """
        self._route, self._work, self._version = route, work, version
        self._reports, self._in_flight, self._deadline = reports, in_flight, deadline
        self._transfer = transfer
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
        ids = [[member.peer_id for member in members] for members in self._route]
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
        """Return when a microbatch is further than before; other news gives nobody more time."""
        part = [member for members in self._route for member in members]
        try:
            async with asyncio.timeout(self._deadline):
                while True:
                    member, frame = await self._reports.get()
                    raise_if_over(member, frame, part=part, about=("attempt", self._token))
                    if await self._advance(member, frame):
                        return
        except TimeoutError:
            missing = len(self._work.microbatches) - len(self._progress.done)
            raise SwarmTimeout(
                f"{missing} microbatches did not come back within {self._deadline:g} s"
            ) from None

    async def _advance(self, member: HostConnection, frame: Frame) -> bool:
        """Whether a report is of this attempt, from whom it should be, and the first of its kind."""
        end = {"done": 0, "loss": -1, "logps": -1}.get(frame.kind)
        if end is None or frame["attempt"] != self._token:
            return False
        index, progress = frame["mb"], self._progress
        known: Collection[int] = progress.done if frame.kind == "done" else progress.totals
        if not 0 <= index < len(self._work.microbatches) or index in known:
            return False
        if member is not self._of(end, index):
            return False
        if frame.kind == "done":
            progress.done.add(index)
        elif frame.kind == "loss":
            progress.totals[index] = Totals(frame["loss_sum"], frame["n_tokens"])
        else:
            await self._prefer(index, self._rows_of(member, index, frame.tensors[0]))
        return True

    def _rows_of(self, member: HostConnection, index: int, logps: Tensor) -> Tensor:
        rows = self._work.microbatches[index].input_ids.shape[0]
        if tuple(logps.shape) != (rows,) or logps.dtype != torch.float32:
            raise self._refused(member, f"log probabilities of {rows} rows have shape {tuple(logps.shape)}")
        return logps

    @staticmethod
    def _refused(member: HostConnection, why: str) -> SwarmTimeout:
        """The error of an attempt whose member is left, for what it sent."""
        member.refuse(why)
        return SwarmTimeout(f"peer {member.peer_id} is lost: {why}")

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

    async def _join_stage(self, members: Sequence[HostConnection]) -> None:
        ask = Frame("sums")
        replies = await all_of([member.request(ask, deadline=self._transfer) for member in members])
        odd = odd_one(replies)
        if odd is not None:
            raise self._refused(members[odd], "its gradients have other shapes than its replicas'")
        total = list(replies[0].tensors)
        for reply in replies[1:]:
            total = [mine + other for mine, other in zip(total, reply.tensors, strict=True)]
        tell = Frame("sums", {}, total)
        await all_of([member.request(tell, deadline=self._transfer) for member in members])

    async def _join_tied(self) -> None:
        """Both copies of a tied table get the sum of their gradients; the norm counts it once."""
        head, tail = self._route[0], self._route[-1]
        if head is tail or set(head[0].names).isdisjoint(tail[0].names):
            return
        ask = Frame("tied")
        at_head, at_tail = await all_of(
            [member.request(ask, deadline=self._transfer) for member in (head[0], tail[0])]
        )
        if not at_head.tensors or not at_tail.tensors:
            return
        if odd_one([at_head, at_tail]) is not None:
            # Which of the two is wrong cannot be told.
            both = f"{head[0].peer_id} and {tail[0].peer_id}"
            raise RetriableError(f"peers {both} hold tied tables of unequal shapes; restart the wrong one")
        total = [at_head.tensors[0] + at_tail.tensors[0]]
        calls = [
            member.request(Frame("tied", {"counted": members is head}, total), deadline=self._transfer)
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

    def _of(self, stage: int, index: int) -> HostConnection:
        members = self._route[stage]
        return members[index % len(members)]
