# SPDX-License-Identifier: Apache-2.0
"""A generation session over stages at peers.

Only ids are kept here. When a stage is lost, the sequence is opened again on whoever holds the stages
then and its ids go through once more; a draw depends on seed and length alone, so the text is the same.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

import torch

from node0.errors import ConfigError, RetriableError, SwarmTimeout
from node0.pipeline.protocol import SamplingParams
from node0.pipeline.swarm.host_connection import HostConnection, all_of
from node0.pipeline.swarm.retry_budget import RetryBudget
from node0.pipeline.swarm.stage_calls import StageCalls
from node0.swarm.transport.frames import Frame

T = TypeVar("T")

OPEN_SECONDS = 30.0


class RecoveringStages(Protocol):
    """What a session asks of the pipeline that opens it."""

    @property
    def stages(self) -> StageCalls:
        """What can be asked of all stages."""
        ...

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine on the peer's loop."""
        ...

    def retry_budget(self) -> RetryBudget:
        """For one thing that is tried again."""
        ...

    def recover(self, fault: RetriableError) -> None:
        """Bring all stages back to where they were."""
        ...


class SwarmSession:
    """Ids go in at the head, pass the stages from peer to peer, and the tail's draw comes back."""

    def __init__(self, pipeline: RecoveringStages, params: SamplingParams, *, max_length: int) -> None:
        self._pipeline, self._max_length = pipeline, max_length
        self._sampling = {
            "temperature": params.temperature,
            "top_p": params.top_p,
            "top_k": params.top_k,
            "seed": params.seed if params.seed is not None else secrets.randbits(62),
        }
        self._ids: list[int] = []
        "What the stages have in their caches."

        self._route: list[HostConnection] = []
        self._name = ""
        self._turn = 0
        self._is_open = True

    def __len__(self) -> int:
        return len(self._ids)

    def extend(self, ids: Sequence[int]) -> int:
        """Append these ids to the sequence, sample and return the next id (not yet appended).

        Raises:
            ConfigError: there are no ids, the session is closed, or it would outgrow its `max_length`.
            NonRetriableError: a stage cannot take the ids.
        """
        self._refuse(ids)
        refusals, budget = 0, self._pipeline.retry_budget()
        while True:
            try:
                token = self._pipeline.run(lambda: self._extend(ids))
            except RetriableError as fault:
                # A stage that refuses for a reason of its own, such as full caches, is asked once again.
                refusals += not isinstance(fault, SwarmTimeout)
                self._pipeline.run(self._discard)
                if refusals > 1:
                    raise
                budget.spend(fault)
                self._pipeline.recover(fault)
                continue
            self._ids += ids
            return token

    def rollback(self, length: int) -> None:
        """Forget all but the first `length` tokens; the stages hear of it with the next ids."""
        del self._ids[length:]

    def close(self) -> None:
        """Free the caches."""
        self._is_open = False
        if self._route:
            self._pipeline.run(self._close)

    def _refuse(self, ids: Sequence[int]) -> None:
        if not ids or not self._is_open:
            raise ConfigError(
                "nothing to extend: " + ("give at least one id" if not ids else "session is closed")
            )
        if len(self._ids) + len(ids) > self._max_length:
            raise ConfigError(
                f"a sequence of {len(self._ids) + len(ids)} tokens does not fit this session's "
                f"{self._max_length}; raise max_length"
            )

    async def _extend(self, ids: Sequence[int]) -> int:
        if self._route:
            return await self._turn_of(ids, keep=len(self._ids))
        await self._open()
        return await self._turn_of([*self._ids, *ids], keep=0)

    async def _open(self) -> None:
        """Make room at one member of each stage."""
        route = [members[0] for members in self._pipeline.stages.route()]
        self._name, self._turn = secrets.token_hex(8), 0
        self._route, calls = route, []
        for member, above in zip(route, [*route[1:], None], strict=True):
            fields = {
                "session": self._name,
                "max_length": self._max_length,
                "adapter": True,
                "above": None if above is None else above.peer_id,
                "sampling": self._sampling,
            }
            calls.append(member.request(Frame("open", fields), deadline=OPEN_SECONDS))
        await all_of(calls)

    async def _turn_of(self, ids: Sequence[int], *, keep: int) -> int:
        """Cut every cache to `keep` tokens, append the ids, and wait for the draw."""
        self._turn += 1
        fields = {"session": self._name, "turn": self._turn, "keep": keep}
        await self._route[0].send(Frame("decode", fields, [torch.tensor([list(ids)], dtype=torch.int64)]))
        about = "session", self._name
        frame = await self._pipeline.stages.hear("token", about, self._route, turn=self._turn)
        return int(frame["token"])

    async def _discard(self) -> None:
        """Free what is left of the sequence at whoever can still be told."""
        route, self._route = self._route, []
        for member in route:
            with suppress(RetriableError):
                await member.send(Frame("close", {"session": self._name}))

    async def _close(self) -> None:
        for member in self._route:
            if member.is_alive:
                await member.request(Frame("close", {"session": self._name}), deadline=OPEN_SECONDS)
        self._route = []
