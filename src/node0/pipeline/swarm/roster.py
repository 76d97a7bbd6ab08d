# SPDX-License-Identifier: Apache-2.0
"""The roster: who holds which stage; finds members, replaces lost ones, brings all to one version."""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence

from node0.errors import ConfigError, Node0Error, RetriableError, StageLost, SwarmTimeout
from node0.models.stage_name import stage_names
from node0.pipeline.swarm.host_connection import HostConnection, all_of
from node0.pipeline.swarm.reports import Reports
from node0.pipeline.swarm.state_sync import StateSync
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.pipeline.swarm.swarm_state import Cut
from node0.swarm.peer.peer import Peer
from node0.swarm.transport.frames import MAX_PAYLOAD, Frame
from node0.swarm.transport.log_throttle import LogThrottle

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"Seconds between looks for a stage that is missing."

WATCH_EVERY = 2.0
"Seconds between looks for a member that comes late."

CONNECT_SECONDS = 5.0


class Roster:
    """Connections to the members of all stages. Everything but the constructor runs on the peer's loop."""

    def __init__(self, peer: Peer, settings: SwarmSettings, sync: StateSync) -> None:
        self._peer, self._settings, self._sync = peer, settings, sync
        self.client = secrets.token_hex(8)
        "Name of this trainer to the stages."

        self._members: dict[str, HostConnection] = {}
        self.reports = Reports[HostConnection]()
        self._held: set[int | None] = set()
        "Stages that had a member at any time."

        self._finding, self._throttle = asyncio.Lock(), LogThrottle()
        self._watching: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()

    def stop_waiting(self) -> None:
        """End a recovery that is under way, and every later one. May be called from a signal handler."""
        self._peer.loop.call_soon_threadsafe(self._hurried.set)

    def route(self) -> list[list[HostConnection]]:
        """The members of each stage that take part, in a fixed order.

        Raises:
            SwarmTimeout: a stage has none.
        """
        names = stage_names(self._settings.num_stages)
        route = [self._of(name.index) for name in names]
        missing = [str(name) for name, members in zip(names, route, strict=True) if not members]
        if missing:
            raise SwarmTimeout(f"nobody holds {', '.join(missing)}")
        return route

    async def recover(self, version: int, cut: Cut) -> bool:
        """Wait for a member of every stage and bring all to `version`, or else to the cut.

        Where that fails nobody takes part any more: there is no route before another recovery.

        Returns whether it is `version`.

        Raises:
            StageLost: nobody is to wait any more; see `stop_waiting`.
            SwarmTimeout: a stage is missing for too long, or this peer lost its daemon.
            ConfigError: another one leads, or a stage cannot be used.
        """
        work = asyncio.create_task(self._recover(version, cut))
        hurried = asyncio.create_task(self._hurried.wait())
        try:
            await asyncio.wait({work, hurried}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise StageLost("a stage is lost, and the run is to end")
            return work.result()
        except Node0Error:
            for member in self._members.values():
                member.takes_part = False
            raise
        finally:
            for task in (work, hurried):
                task.cancel()
            await asyncio.gather(work, hurried, return_exceptions=True)

    async def _recover(self, version: int, cut: Cut) -> bool:
        now = time.monotonic
        started = told = now()
        while True:
            try:
                await self._find()
                self._replace(first_wait=now() - started)
                for member in self._members.values():
                    member.takes_part = member.is_alive and member.stage is not None
                self.route()
                is_there = await self._agree(version, cut)
                self.reports.discard()
                return is_there
            except RetriableError as fault:
                if self._peer.fault is not None:
                    raise self._peer.fault from None
                waited = now() - started
                if waited > self._settings.patience:
                    raise SwarmTimeout(
                        f"{fault}; waited {waited:.0f} s, start a host for it or a spare"
                    ) from None
                if now() - told >= CONNECT_SECONDS:
                    told = now()
                    logger.warning("waiting for %.0f s: %s", waited, fault)
                await asyncio.sleep(LOOK_EVERY)

    async def admit(self) -> None:
        """Let members take part that came since: each loads the state of another member of its stage.

        One that refuses it is left, and the run goes on without it.
        """
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        waiting = [m for m in self._members.values() if m.is_alive and m.has_model and not m.takes_part]
        for member in waiting:
            others = self._of(member.stage) if member.stage is not None else []
            if others:
                _, state = await self._sync.fetch(others[0])
                try:
                    await self._sync.give(member, state)
                except ConfigError as fault:
                    member.refuse(f"it cannot take part: {fault}")
                    continue
                member.takes_part = True
                await self._introduce([m for stage in self.route() for m in stage])
                logger.info("peer %s joined stage %d", member.peer_id, member.stage)

    async def close(self) -> None:
        """End all connections."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        for member in self._members.values():
            member.close("the trainer left")

    def _of(self, stage: int) -> list[HostConnection]:
        return [m for m in self._members.values() if m.stage == stage and m.is_alive and m.takes_part]

    async def _watch(self) -> None:
        """Look for members that come late, and make them ready, while steps go on."""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            try:
                await self._find()
                late = [m for m in self._members.values() if m.stage is not None and m.is_alive]
                await all_of([self._prepare_late(m) for m in late if not m.has_model and not m.takes_part])
            except Node0Error as fault:
                self._warn("late", "a late member", fault)

    async def _find(self) -> None:
        """Connect to whoever is known and not connected."""
        async with self._finding:
            await self._connect_lost()

    async def _connect_lost(self) -> None:
        for spec in await self._settings.find():
            member = self._members.get(spec.peer_id)
            if member is None:
                settings = self._settings
                self._members[spec.peer_id] = HostConnection(
                    self._peer,
                    spec,
                    deadline=settings.deadline,
                    reports=self.reports,
                    max_payload=MAX_PAYLOAD + settings.state_bytes,
                )
            elif not member.is_alive:
                # It may have come back at another address.
                member.spec = spec
        lost = [member for member in self._members.values() if not member.is_alive]
        await asyncio.gather(*(self._connect(member) for member in lost), return_exceptions=False)

    async def _connect(self, member: HostConnection) -> None:
        # A spare that came back has no place any more.
        member.stage = member.spec.stage
        try:
            await member.connect(self.client, deadline=CONNECT_SECONDS)
        except RetriableError as fault:
            logger.debug("peer %s: %s", member.peer_id, fault)
        except ConfigError as fault:
            self._do_without(member, fault)

    def _do_without(self, member: HostConnection, fault: ConfigError) -> None:
        """Go on with the other members of a stage when one cannot be used; raise when it is the only one."""
        member.takes_part = False
        if member.stage is not None and not self._of(member.stage):
            raise fault
        self._warn(member.peer_id, "a member", fault)

    def _warn(self, key: str, who: str, fault: Node0Error) -> None:
        if self._throttle.is_due(key):
            logger.warning("%s cannot take part: %s", who, fault)

    def _replace(self, *, first_wait: float) -> None:
        """Give a spare to each stage that lost its members; one that nobody held yet is waited for first."""
        members = self._members.values()
        spares = [member for member in members if member.stage is None and member.is_alive]
        now_held = {member.stage for member in members if member.is_alive}
        self._held |= now_held
        is_late = first_wait > self._settings.patience / 2
        for stage in range(self._settings.num_stages):
            if spares and stage not in now_held and (stage in self._held or is_late):
                member = spares.pop(0)
                member.stage = stage
                logger.warning("peer %s takes the place of stage %d", member.peer_id, stage)

    async def _agree(self, version: int, cut: Cut) -> bool:
        every = [member for stage in self.route() for member in stage]
        await all_of([self._make_ready(member) for member in every if not member.has_model])
        members = [member for stage in self.route() for member in stage]
        await self._introduce(members)
        at = await asyncio.gather(*(self._sync.go_back(member, version, cut) for member in members))
        if all(at):
            return True
        behind = [member for member, is_there in zip(members, at, strict=True) if not is_there]
        there = {member.stage: member for member, is_there in zip(members, at, strict=True) if is_there}
        if all(member.stage in there for member in behind):
            for member in behind:
                await self._sync.copy(there[member.stage], member)
            return True
        await all_of([self._sync.restore(member, cut) for member in members])
        return version == cut.version

    async def _make_ready(self, member: HostConnection) -> None:
        try:
            await self._sync.reset(member)
        except ConfigError as fault:
            self._do_without(member, fault)

    async def _prepare_late(self, member: HostConnection) -> None:
        # Whether its stage can do without it is for a recovery to say: one may be under way.
        try:
            await self._sync.reset(member)
        except ConfigError as fault:
            self._warn(member.peer_id, "a member", fault)

    async def _introduce(self, members: Sequence[HostConnection]) -> None:
        addresses = {member.peer_id: list(member.spec.addresses) for member in members}
        frame = Frame("neighbours", {"addresses": addresses})
        await all_of([member.request(frame, deadline=self._settings.deadline) for member in members])
