# SPDX-License-Identifier: Apache-2.0
"""A group of one; groups of several are in tests/integration/test_cluster.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from node0.pipeline import ranks as module
from node0.pipeline.ranks import ALONE, GroupOfRanks
from node0.server.stage.gradient_sums import Share


@pytest.fixture
def group(tmp_path: Path) -> Iterator[GroupOfRanks]:
    dist.init_process_group("gloo", f"file://{tmp_path / 'meeting'}", world_size=1, rank=0)
    yield GroupOfRanks(0, 1)
    dist.destroy_process_group()


def test_alone_every_sum_is_its_own_value():
    tensor = torch.tensor([1.0, 2.0])
    ALONE.add_up([tensor])
    ALONE.wait()

    assert ALONE.total([1.5, 2.0]) == [1.5, 2.0]
    assert ALONE.gather(3.0) == [3.0]
    assert tensor.tolist() == [1.0, 2.0]
    assert ALONE.leads


def test_sums_keep_float64_and_whole_numbers(group):
    assert group.total([0.1, 2.0**52 + 1]) == [0.1, 2.0**52 + 1]
    assert group.gather(2.0**48 - 1) == [2.0**48 - 1]


def test_tensors_of_any_shape_come_back_from_their_buckets(group, monkeypatch):
    monkeypatch.setattr(module, "BUCKET_BYTES", 64)
    tensors = [torch.randn(3, 2).t(), torch.randn(()), torch.randn(5, 7), torch.randn(1), torch.randn(16)]
    before = [tensor.clone() for tensor in tensors]
    sent = []
    reduce = dist.all_reduce
    monkeypatch.setattr(dist, "all_reduce", lambda flat: (sent.append(flat.nbytes), reduce(flat)))
    group.add_up(tensors)

    assert all(torch.equal(tensor, old) for tensor, old in zip(tensors, before, strict=True))
    assert sent == [28, 140, 4, 64]


def test_a_rank_takes_every_size_th_item_and_rank_0_leads():
    second = GroupOfRanks(1, 3)

    assert [index for index in range(8) if index in second.share] == [1, 4, 7]
    assert second.share == Share(1, 3)
    assert not second.leads
    assert GroupOfRanks(0, 3).leads
