# SPDX-License-Identifier: Apache-2.0
"""The block pool: who holds which block, and what idle blocks still know.

A block's content is named by the ids in it and by the digest of all before them. Blocks that no
sequence holds stay until room is needed, the longest idle first, the end of a sequence before its beginning.
"""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from node0.models.block_cache import BLOCK

_MADE_FREE = 8
"Blocks that are given up at once when none is free, so that new ones can lie side by side."


@dataclass(frozen=True, slots=True)
class Match:
    """What the cache knows of a sequence."""

    blocks: tuple[int, ...] = ()
    "Full blocks from its beginning on."

    digests: tuple[bytes, ...] = ()
    partial: int | None = None
    "The block that begins as the sequence goes on."

    alike: int = 0
    "Ids that the partial block has in common with it."


class BlockPool:
    """Hands out blocks, counts who holds them, and finds them again by their content."""

    def __init__(self, n_blocks: int) -> None:
        self.n_blocks = n_blocks
        self._free = bytearray(b"\1" * n_blocks)
        self._n_free = n_blocks
        self._holders = [0] * n_blocks
        self._names: list[tuple[bytes, tuple[int, ...]] | None] = [None] * n_blocks
        self._by_content: dict[bytes, dict[tuple[int, ...], int]] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._next = 0

    @property
    def available(self) -> int:
        """Blocks that can be taken now."""
        return self._n_free + len(self._idle)

    @property
    def held(self) -> int:
        """Blocks that sequences hold."""
        return self.n_blocks - self.available

    def take(self, count: int, *, after: int | None = None, room: int = 0) -> list[int] | None:
        """So many blocks, side by side where that can be; None where there are not so many.

        after: the block that they go on from; room: blocks that are left free behind them for now.
        """
        if count > self.available:
            return None
        if self._n_free < count:
            self._give_up(count - self._n_free)
        taken: list[int] = []
        at = self._next if after is None else after + 1
        while len(taken) < count:
            at = self._run(at, count - len(taken))
            while at < self.n_blocks and self._free[at] and len(taken) < count:
                self._free[at], self._holders[at] = 0, 1
                taken.append(at)
                at += 1
        self._n_free -= count
        if room:
            self._next = (at + room) % self.n_blocks
        return taken

    def hold(self, blocks: Sequence[int]) -> None:
        """One more sequence uses these."""
        for block in blocks:
            self._idle.pop(block, None)
            self._holders[block] += 1

    def release(self, blocks: Sequence[int]) -> None:
        """One sequence fewer uses these; those that know something stay."""
        for block in reversed(blocks):
            self._holders[block] -= 1
            if self._holders[block] == 0:
                if self._names[block] is None:
                    self._set_free(block)
                else:
                    self._idle[block] = None

    def publish(self, block: int, parent: bytes, ids: Sequence[int]) -> bytes:
        """Let a held block be found by its content; the digest of the sequence up to its end."""
        name = (parent, tuple(ids))
        alike = self._by_content.setdefault(parent, {})
        if name[1] not in alike and self._names[block] is None:
            alike[name[1]] = block
            self._names[block] = name
        return digest_of(*name)

    def match(self, root: bytes, ids: Sequence[int]) -> Match:
        """The blocks that hold the beginning of these ids."""
        blocks: list[int] = []
        digests: list[bytes] = []
        parent = root
        while True:
            known = self._by_content.get(parent, {})
            part = tuple(ids[len(blocks) * BLOCK : (len(blocks) + 1) * BLOCK])
            block = known.get(part) if len(part) == BLOCK else None
            if block is None:
                alike, partial = max(
                    ((_alike(part, other), at) for other, at in known.items()), default=(0, None)
                )
                return Match(tuple(blocks), tuple(digests), partial if alike else None, alike)
            parent = digest_of(parent, part)
            blocks.append(block)
            digests.append(parent)

    def _run(self, start: int, count: int) -> int:
        """Where a run of free blocks begins: just here, else one that is long enough, else a shorter one."""
        if start < self.n_blocks and self._free[start]:
            return start
        while count:
            for begin in (start, 0):
                found = self._free.find(b"\1" * count, begin)
                if found >= 0:
                    return found
            count //= 2
        raise AssertionError("no block is free")

    def _give_up(self, count: int) -> None:
        for _ in range(min(len(self._idle), max(count, _MADE_FREE))):
            self._set_free(self._idle.popitem(last=False)[0])

    def _set_free(self, block: int) -> None:
        name, self._names[block] = self._names[block], None
        if name is not None:
            alike = self._by_content[name[0]]
            del alike[name[1]]
            if not alike:
                del self._by_content[name[0]]
        self._free[block] = 1
        self._n_free += 1


def digest_of(parent: bytes, ids: Sequence[int]) -> bytes:
    """16 bytes that name a sequence up to the end of a block."""
    return hashlib.blake2b(parent + array("q", ids).tobytes(), digest_size=16).digest()


def _alike(ids: Sequence[int], other: Sequence[int]) -> int:
    for at, (one, two) in enumerate(zip(ids, other, strict=False)):
        if one != two:
            return at
    return min(len(ids), len(other))
