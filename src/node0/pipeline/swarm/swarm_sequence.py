# SPDX-License-Identifier: Apache-2.0
"""A sequence over stages at peers: the ids that make it, and how many of them the stages have.

Ids are appended in pieces. Once sent, a piece stays as it is: a sequence that is opened again on other
stages goes through in the same pieces, so that every product there has the shape that it had before,
and the caches are those that were lost, to the bit.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress

import torch

from node0.errors import ConfigError, RetriableError
from node0.pipeline.protocol import SamplingParams
from node0.pipeline.swarm.host_connection import HostConnection, all_of
from node0.swarm.transport.frames import Frame

PIECE_IDS = 64
"Ids of a piece at most. While one stage works on a piece, the stage before it works on the next."

ROUND_PIECES = 8
"Pieces of one sequence that are under way at once."

OPEN_SECONDS = 30.0


class SwarmSequence:
    """Ids, and where they are cached. Coroutines run on the peer's loop."""

    def __init__(self, params: SamplingParams, *, max_length: int) -> None:
        self._max_length = max_length
        self._sampling = {
            "temperature": params.temperature,
            "top_p": params.top_p,
            "top_k": params.top_k,
            "seed": params.seed if params.seed is not None else secrets.randbits(62),
        }
        self._pieces: list[list[int]] = []
        self._sent = 0
        "Pieces that the stages have, or are about to have."

        self.route: list[HostConnection] = []
        "A member of each stage; empty while no stage has a cache for it."

        self.name = ""
        "What the stages call it."

        self.turn = 0
        "Number of the last piece that was sent since it was opened."

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    @property
    def is_sent(self) -> bool:
        """Whether the stages have all of it, so that the last draw is what follows."""
        return self._sent == len(self._pieces)

    def append(self, ids: Sequence[int]) -> None:
        """Make it longer; the ids are sent with the next round.

        Raises:
            ConfigError: there are no ids, or it would outgrow its `max_length`.
        """
        if not ids:
            raise ConfigError("nothing to extend: give at least one id")
        length = len(self) + len(ids)
        if length > self._max_length:
            raise ConfigError(
                f"a sequence of {length} tokens does not fit this session's {self._max_length}; "
                "raise max_length"
            )
        self._pieces += [list(ids[start : start + PIECE_IDS]) for start in range(0, len(ids), PIECE_IDS)]

    def cut(self, length: int) -> None:
        """Forget all but the first `length` ids; the stages hear of it with the next piece."""
        while len(self) > length:
            last = self._pieces[-1]
            del last[max(0, len(last) - (len(self) - length)) :]
            if not last:
                self._pieces.pop()
        self._sent = min(self._sent, len(self._pieces))

    async def open(self, route: Sequence[HostConnection]) -> None:
        """Make room at these members, one of each stage. Where one has none, there is room at none.

        Raises:
            RetriableError: a cache is full, or a member is lost.
            ConfigError: a stage can hold no such sequence.
        """
        self.name, self.turn, self._sent, self.route = secrets.token_hex(8), 0, 0, list(route)
        try:
            above = [*route[1:], None]
            await all_of([self._open(*neighbours) for neighbours in zip(route, above, strict=True)])
        except BaseException:
            await self.close()
            raise

    async def send(self) -> None:
        """Send what the stages lack, as much as may be under way at once."""
        for piece in self._pieces[self._sent : self._sent + ROUND_PIECES]:
            self.turn += 1
            keep = sum(map(len, self._pieces[: self._sent]))
            fields = {"session": self.name, "turn": self.turn, "keep": keep}
            self._sent += 1
            await self.route[0].send(Frame("decode", fields, [torch.tensor([piece], dtype=torch.int64)]))

    async def close(self) -> None:
        """Free its caches at whoever can still be told. The ids stay."""
        route, self.route, self._sent = self.route, [], 0
        for member in route:
            with suppress(RetriableError):
                await member.send(Frame("close", {"session": self.name}))

    async def _open(self, member: HostConnection, above: HostConnection | None) -> None:
        fields = {
            "session": self.name,
            "max_length": self._max_length,
            "adapter": True,
            "above": None if above is None else above.peer_id,
            "sampling": self._sampling,
        }
        await member.request(Frame("open", fields), deadline=OPEN_SECONDS)
