# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from node0.models.hf.document_rows import forward_documents

WIDTH = 3


def running(ids: Tensor) -> Tensor:
    """What a model that carries a sum along makes of ids (documents, tokens), besides the place of each."""
    total = ids.cumsum(dim=1)
    place = torch.arange(ids.shape[1]).expand_as(ids)
    return torch.stack([ids, total, place], dim=-1).float()


@given(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=9), min_size=1, max_size=3))
def test_no_document_sees_another_wherever_it_lies(rows: list[list[int]]) -> None:
    longest = max(map(sum, rows))
    rows = [[*row, *[1] * (longest - sum(row))] for row in rows]
    ids = torch.randint(0, 1000, (len(rows), longest), generator=torch.Generator().manual_seed(1))
    positions = torch.stack([torch.cat([torch.arange(length) for length in row]) for row in rows])

    hidden = forward_documents(running, ids, positions)

    expected = torch.stack(
        [
            torch.cat([running(part[None])[0] for part in row.split(lengths)])
            for row, lengths in zip(ids, rows, strict=True)
        ]
    )
    assert torch.equal(hidden, expected)


@pytest.mark.parametrize("lengths", [[200, *[1] * 100], [90, 80, 50, 44, 20], [7] * 30])
def test_at_most_half_of_what_is_computed_is_padding(lengths: list[int]) -> None:
    computed = 0

    def counting(ids: Tensor) -> Tensor:
        nonlocal computed
        computed += ids.numel()
        return running(ids)

    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    forward_documents(counting, torch.zeros_like(positions), positions)

    assert sum(lengths) <= computed <= 2 * sum(lengths)


def test_gradients_come_back_to_the_documents_that_they_are_of() -> None:
    table = torch.randn(10, WIDTH, requires_grad=True)
    ids = torch.tensor([[1, 2, 3, 4, 5, 6]])
    positions = torch.tensor([[0, 1, 2, 0, 1, 0]])

    hidden = forward_documents(lambda part: table[part], ids, positions)
    hidden[0, 3].sum().backward()

    assert table.grad is not None
    assert table.grad.sum(dim=1).nonzero().flatten().tolist() == [4]
