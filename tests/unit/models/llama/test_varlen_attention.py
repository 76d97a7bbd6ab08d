# SPDX-License-Identifier: Apache-2.0
"""What the kernel is told. What it computes is compared on a GPU, in tests/integration/gpu."""

import torch

from node0.models.llama.attention import training_layout
from node0.models.llama.varlen_attention import documents_of, usable

CPU = torch.device("cpu")


def test_a_processor_has_no_such_kernel() -> None:
    assert not usable(CPU, torch.bfloat16, 64)


def test_documents_lie_between_their_bounds() -> None:
    documents = documents_of([(80, False), (60, False)], CPU)

    assert documents.bounds.tolist() == [0, 80, 140] and documents.bounds.dtype == torch.int32
    assert (documents.longest, documents.window, documents.single) == (80, None, None)


def test_documents_of_one_token_are_told_apart() -> None:
    documents = documents_of([(3, False), (2, True), (1, False)], CPU)

    assert documents.bounds.tolist() == [0, 3, 5, 6]
    assert documents.single is not None
    assert documents.single.flatten().tolist() == [False, False, False, True, True, False]


def test_rows_of_any_kind_take_one_call_and_a_window_only_where_it_hides_something() -> None:
    positions = torch.stack(
        [torch.arange(12), torch.cat([torch.arange(9), torch.zeros(3, dtype=torch.int64)])]
    )

    for window, told in ((None, None), (4, 4), (12, None)):
        layout = training_layout(positions, window, in_one_call=True)

        assert layout.packed is not None and layout.mask is None and layout.documents is None
        assert layout.packed.bounds.tolist() == [0, 12, 21, 24]
        assert layout.packed.window == told
