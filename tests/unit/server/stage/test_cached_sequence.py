# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from node0.errors import ConfigError
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.stage.cached_sequence import CachedSequence

ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, num_hidden_layers=2, vocab_size=29, ffn_dim=24, max_seq_len=32, init_std=0.2
)
DRAW = {"temperature": 0.8, "top_p": 1.0, "top_k": 0, "seed": 4}


def _sequence(length: int = 8) -> CachedSequence:
    return CachedSequence(build_stages(ARGS, seed=1)[0], length)


def test_pieces_give_the_hidden_states_of_the_whole() -> None:
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    sequence = _sequence()

    pieces = torch.cat([sequence.extend(ids[:, :3]), sequence.extend(ids[:, 3:])], dim=1)

    assert len(sequence) == 5
    torch.testing.assert_close(pieces, _sequence().extend(ids), atol=1e-5, rtol=1e-4)


def test_a_sequence_that_is_rolled_back_draws_again_what_it_drew() -> None:
    sequence = _sequence()
    sequence.extend(torch.tensor([[3, 1]]))
    first = sequence.sample(sequence.extend(torch.tensor([[4]])), **DRAW)

    sequence.rollback(2)

    assert len(sequence) == 2
    assert sequence.sample(sequence.extend(torch.tensor([[4]])), **DRAW) == first


def test_a_draw_without_temperature_is_the_likeliest_token() -> None:
    stage = build_stages(ARGS, seed=1)[0]
    sequence = CachedSequence(stage, 4)

    hidden = sequence.extend(torch.tensor([[3, 1]]))

    wanted = int(stage.logits(hidden[:, -1]).argmax())
    assert sequence.sample(hidden, **{**DRAW, "temperature": 0.0}) == wanted


def test_a_sequence_does_not_grow_past_its_room() -> None:
    sequence = _sequence(3)
    sequence.extend(torch.tensor([[1, 2]]))

    with pytest.raises(ConfigError, match="a sequence of 4 tokens does not fit this session's 3"):
        sequence.extend(torch.tensor([[3, 4]]))
    assert len(sequence) == 2
