# SPDX-License-Identifier: Apache-2.0
import torch

from node0.models.block_cache import BLOCK, BlockCache, block_bytes


def cache(n_blocks: int = 4) -> BlockCache:
    return BlockCache(2, n_blocks, n_kv_heads=1, head_dim=2, first_layer=3)


def tokens(count: int, seed: int) -> torch.Tensor:
    return torch.randn((count, 1, 2), generator=torch.Generator().manual_seed(seed))


def test_what_is_written_to_slots_is_read_by_blocks_of_its_layer_alone() -> None:
    held, keys, values = cache(), tokens(2, 1), tokens(2, 2)

    held.write(4, torch.tensor([BLOCK - 1, 2 * BLOCK]), keys, values)
    read_keys, read_values = held.read(4, torch.tensor([[2, 0]]))

    assert torch.equal(read_keys[0, 0, [2 * BLOCK - 1, 0]], keys[:, 0])
    assert torch.equal(read_values[0, 0, [2 * BLOCK - 1, 0]], values[:, 0])
    assert not held.read(3, torch.tensor([[2, 0]]))[0].any()


def test_blocks_side_by_side_are_read_without_a_copy() -> None:
    held = cache()
    held.write(3, torch.tensor([BLOCK]), tokens(1, 1), tokens(1, 2))
    table = torch.tensor([[1, 2]])

    run, copied = held.read(3, table, 1)[0], held.read(3, table)[0]
    held.write(3, torch.tensor([BLOCK + 1]), tokens(1, 3), tokens(1, 4))

    assert torch.equal(run[0, 0, 0], copied[0, 0, 0])
    assert torch.equal(run[0, 0, 1], tokens(1, 3)[0, 0]) and not copied[0, 0, 1].any()


def test_a_copied_block_is_the_same_on_all_layers() -> None:
    held = cache()
    held.write(4, torch.tensor([0]), tokens(1, 1), tokens(1, 2))

    held.copy(0, 3)

    assert torch.equal(held.read(4, torch.tensor([[3]]))[1], held.read(4, torch.tensor([[0]]))[1])


def test_its_size_is_that_of_its_blocks() -> None:
    assert cache(5).nbytes == 5 * block_bytes(2, 1, 2, torch.float32)
