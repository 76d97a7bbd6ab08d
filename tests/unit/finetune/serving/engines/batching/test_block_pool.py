# SPDX-License-Identifier: Apache-2.0
import random

from node0.finetune.serving.engines.batching.block_pool import BlockPool
from node0.models.block_cache import BLOCK

ROOT = b"root"


def fill(pool: BlockPool, ids: list[int]) -> list[int]:
    """Take blocks for ids and publish them all, the last one maybe half full."""
    blocks = pool.take(-(-len(ids) // BLOCK))
    assert blocks is not None
    parent = ROOT
    for number, block in enumerate(blocks):
        parent = pool.publish(block, parent, ids[number * BLOCK : (number + 1) * BLOCK])
    return blocks


def test_new_blocks_lie_side_by_side_and_go_on_from_the_last() -> None:
    pool = BlockPool(10)

    first, more = pool.take(3, room=2), pool.take(2)
    assert (first, more) == ([0, 1, 2], [5, 6])
    assert pool.take(2, after=2) == [3, 4]


def test_a_gap_is_used_where_no_run_is_long_enough() -> None:
    pool = BlockPool(6)
    blocks = pool.take(6)
    assert blocks is not None
    pool.release([1, 3, 4])

    assert sorted(pool.take(3) or []) == [1, 3, 4]
    assert pool.take(1) is None and pool.available == 0


def test_what_was_released_is_found_by_its_content_and_its_beginning() -> None:
    pool, ids = BlockPool(8), list(range(2 * BLOCK + 5))
    blocks = fill(pool, ids)
    pool.release(blocks)

    whole = pool.match(ROOT, ids)
    other = pool.match(ROOT, [*ids[: BLOCK + 7], 999])

    assert (list(whole.blocks), whole.partial, whole.alike) == (blocks[:2], blocks[2], 5)
    assert (list(other.blocks), other.partial, other.alike) == (blocks[:1], blocks[1], 7)
    assert pool.match(b"another", ids).blocks == ()


def test_the_longest_idle_and_of_a_sequence_its_end_makes_room() -> None:
    pool = BlockPool(24)
    old, new = [7] * (12 * BLOCK), [8] * (12 * BLOCK)
    pool.release(fill(pool, old))
    pool.release(fill(pool, new))

    taken = pool.take(2)

    assert taken is not None
    assert len(pool.match(ROOT, new).blocks) == 12
    assert len(pool.match(ROOT, old).blocks) == 4


def test_a_block_that_two_hold_stays_until_both_let_go() -> None:
    pool = BlockPool(2)
    blocks = fill(pool, [1] * (2 * BLOCK))
    pool.hold(blocks)

    pool.release(blocks)
    assert (pool.available, pool.held) == (0, 2)
    pool.release(blocks)
    assert (pool.available, pool.held) == (2, 0)


def test_the_same_content_twice_is_kept_once() -> None:
    pool, ids = BlockPool(4), [5] * BLOCK
    first, second = fill(pool, ids), fill(pool, ids)

    pool.release(second)
    assert list(pool.match(ROOT, ids).blocks) == first


def test_random_holders_never_share_by_accident_and_leave_nothing_behind() -> None:
    pool, dice = BlockPool(40), random.Random(4)
    holders: list[list[int]] = []
    for _ in range(3000):
        if holders and dice.random() < 0.5:
            pool.release(holders.pop(dice.randrange(len(holders))))
            continue
        ids = [dice.randrange(3)] * (BLOCK * dice.randrange(1, 6))
        match = pool.match(ROOT, ids)
        pool.hold(match.blocks)
        own = pool.take(len(ids) // BLOCK - len(match.blocks))
        if own is None:
            pool.release(match.blocks)
            continue
        parent = match.digests[-1] if match.digests else ROOT
        for block in own:
            assert all(block not in held for held in holders)
            parent = pool.publish(block, parent, ids[:BLOCK])
        holders.append([*match.blocks, *own])
    for blocks in holders:
        pool.release(blocks)

    assert (pool.held, pool.available) == (0, 40)
