# SPDX-License-Identifier: Apache-2.0
"""Requests to all stages of a swarm together: scores, states, checkpoints."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from node0.errors import RetriableError, SwarmTimeout
from node0.models.stage_name import stage_names
from node0.pipeline.protocol import Microbatch
from node0.pipeline.swarm.host_connection import HostConnection, all_of
from node0.pipeline.swarm.reports import Reports, raise_if_over
from node0.pipeline.swarm.roster import Roster
from node0.pipeline.swarm.state_sync import StateSync
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.pipeline.swarm.swarm_state import Cut
from node0.swarm.transport.frames import Frame

logger = logging.getLogger(__name__)


class StageCalls:
    """Each call goes to the members that take part when it is made. Everything runs on the peer's loop.

    Every method raises `SwarmTimeout` where a stage has no member.
    """

    def __init__(self, roster: Roster, settings: SwarmSettings, sync: StateSync) -> None:
        self._roster, self._settings, self._sync = roster, settings, sync

    @property
    def reports(self) -> Reports[HostConnection]:
        """What members report, in the order in which it came; for one reader at a time."""
        return self._roster.reports

    @property
    def deadline(self) -> float:
        """Seconds that whatever is small may take."""
        return self._settings.deadline

    def route(self) -> list[list[HostConnection]]:
        """The members of each stage; see `Roster.route`."""
        return self._roster.route()

    async def admit(self) -> None:
        """Let members take part that came since; one that cannot be made ready stays out."""
        try:
            await self._roster.admit()
        except RetriableError as fault:
            logger.debug("a late member does not take part yet: %s", fault)

    async def fetch_states(self, expected: int) -> dict[int, bytes]:
        """The state of every stage at a version, whole and checked.

        Raises:
            RetriableError: a stage is at another one, or its state arrived damaged.
        """
        replies = await all_of([self._sync.fetch(members[0]) for members in self.route()])
        versions = [version for version, _ in replies]
        if set(versions) != {expected}:
            raise RetriableError(f"stages are at versions {versions}, not at {expected}; bring them there")
        return {stage: data for stage, (_, data) in enumerate(replies)}

    async def checkpoint(self, step: int, version: int, progress: str) -> dict[str, str]:
        """Have every member write its shard of this version; sha256 by stage, of those that could."""
        frame = Frame("shard", {"step": step, "version": version}, (), progress.encode())
        members = [member for stage in self.route() for member in stage]
        replies = await all_of([self._sync.write_shard(member, frame) for member in members])
        names, digests = stage_names(self._settings.num_stages), dict[str, str]()
        for member, reply in zip(members, replies, strict=True):
            if reply is None or member.stage is None:
                continue
            name, found = str(names[member.stage]), str(reply["sha256"])
            if digests.setdefault(name, found) != found:
                logger.error("peer %s holds another state of stage %s", member.peer_id, name)
        return digests

    async def names(self) -> list[list[str]]:
        """Names of the trained weights of each stage."""
        return [members[0].names for members in self.route()]

    async def load_cut(self, cut: Cut) -> None:
        """Bring every member of every stage to a cut."""
        await all_of([self._sync.restore(member, cut) for members in self.route() for member in members])

    async def score(self, microbatch: Microbatch, *, adapter: bool) -> Tensor:
        """One batch through all stages without a graph: float32 (rows, tokens) at the labels."""
        route = [members[0] for members in self.route()]
        first, *rest = route
        request = secrets.token_hex(8)
        fields = {
            "request": request,
            "client": self._roster.client,
            "adapter": adapter,
            "route": [member.peer_id for member in rest],
        }
        tensors = [microbatch.input_ids, microbatch.positions, microbatch.labels]
        await first.send(
            Frame("score", fields, [tensors[0], *(each.to(torch.int32) for each in tensors[1:])])
        )
        scores = await self.hear("scores", ("request", request), route)
        return scores.tensors[0]

    async def hear(
        self, kind: str, about: tuple[str, str], part: Sequence[HostConnection], **fields: Any
    ) -> Frame:
        """The report of this kind that the last member of `part` owes, with these fields.

        Raises:
            SwarmTimeout: one of them is lost, or it does not come in time, whatever else does.
            RetriableError, NonRetriableError: one of them failed at it.
        """
        wanted = {about, *fields.items()}
        try:
            async with asyncio.timeout(self._settings.deadline):
                while True:
                    member, frame = await self._roster.reports.get()
                    raise_if_over(member, frame, part=part, about=about)
                    if frame.kind == kind and member is part[-1] and wanted <= frame.fields.items():
                        return frame
        except TimeoutError:
            raise SwarmTimeout(f"no stage answered within {self._settings.deadline:g} s") from None
