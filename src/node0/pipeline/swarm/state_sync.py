# SPDX-License-Identifier: Apache-2.0
"""Send one member the state that the run is at, or fetch what it holds."""

import logging
from dataclasses import asdict

from node0.errors import ConfigError, RetriableError
from node0.pipeline.swarm.host_connection import HostConnection
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.pipeline.swarm.swarm_state import Cut
from node0.server.host.stage_spec import StageTraining
from node0.server.stage.state_file import state_digest
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.stream import time_for

logger = logging.getLogger(__name__)


class StateSync:
    """Each call is about the member that it names, and raises `RetriableError` where that is lost."""

    def __init__(self, settings: SwarmSettings, training: StageTraining) -> None:
        self._settings, self._training = settings, training

    async def reset(self, member: HostConnection) -> None:
        """Fresh trained weights, and for a spare its place."""
        settings = self._settings
        place = {
            "index": member.stage,
            "num_stages": settings.num_stages,
            "layers_per_stage": list(settings.layers_per_stage) if settings.layers_per_stage else None,
        }
        frame = Frame("reset", {"training": asdict(self._training), "place": place})
        reply = await member.request(frame, deadline=settings.deadline)
        member.names, member.has_model, member.is_fresh = list(reply["names"]), True, True

    async def go_back(self, member: HostConnection, version: int, cut: Cut) -> bool:
        """Whether the member could be brought to the version from what it holds itself."""
        if version == 0 and member.is_fresh and cut.states:
            # Version 0 of a run that goes on from an adapter is not that of the seed.
            return False
        try:
            reply = await member.request(
                Frame("abort", {"version": version}), deadline=self._settings.deadline
            )
        except RetriableError:
            if not member.is_alive:
                raise
            return False
        return bool(reply["version"] == version)

    async def restore(self, member: HostConnection, cut: Cut) -> None:
        """The state of its stage at the cut."""
        data = cut.states.get(member.stage) if member.stage is not None else None
        if data is not None:
            await self.give(member, data)
        else:
            await self.reset(member)

    async def fetch(self, member: HostConnection) -> tuple[int, bytes]:
        """Its version, and the bytes of its state file.

        Raises:
            RetriableError: they arrived damaged.
        """
        reply = await member.request(Frame("state"), deadline=self._settings.transfer)
        if state_digest(reply.blob) != reply["sha256"] or type(reply["version"]) is not int:
            raise RetriableError(f"the state of stage {member.stage} arrived damaged")
        return reply["version"], reply.blob

    async def give(self, member: HostConnection, data: bytes) -> None:
        """A state from elsewhere."""
        frame = Frame("load", {"sha256": state_digest(data)}, (), data)
        await member.request(frame, deadline=time_for(len(data), self._settings.deadline))
        member.is_fresh = False

    async def copy(self, source: HostConnection, member: HostConnection) -> None:
        """The state of another member of its stage."""
        _, data = await self.fetch(source)
        await self.give(member, data)

    async def write_shard(self, member: HostConnection, frame: Frame) -> Frame | None:
        """The reply; None where this host cannot write, which stops nobody's training."""
        try:
            return await member.request(frame, deadline=self._settings.transfer)
        except ConfigError as fault:
            logger.warning("the checkpoint lacks a shard: %s", fault)
            return None
