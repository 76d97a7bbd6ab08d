# SPDX-License-Identifier: Apache-2.0
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.models.block_cache import BLOCK
from node0.pipeline.protocol import SamplingParams


def test_ids_are_guessed_ahead_only_where_the_likeliest_is_drawn() -> None:
    greedy = Sequence(GenerationRequest("m", (1,), 4, sampling=SamplingParams(temperature=0)))
    drawn = Sequence(GenerationRequest("m", (1,), 4))

    assert greedy.lookup is not None and drawn.lookup is None


def test_it_counts_what_is_pending_and_what_is_left() -> None:
    sequence = Sequence(GenerationRequest("m", (1, 2, 3), 4))
    sequence.computed = 2
    sequence.ids.append(9)

    assert (sequence.pending, sequence.left) == (2, 3)


def test_the_last_id_of_an_answer_takes_no_room() -> None:
    def most(prompt: int, answer: int) -> int:
        return Sequence(GenerationRequest("m", (1,) * prompt, answer)).most_blocks

    assert (most(BLOCK, 1), most(BLOCK, 2)) == (1, 2)


def test_without_a_seed_two_sequences_draw_by_different_ones() -> None:
    seeds = {Sequence(GenerationRequest("m", (1,), 4)).seed for _ in range(3)}

    assert len(seeds) == 3
    assert Sequence(GenerationRequest("m", (1,), 4, sampling=SamplingParams(seed=5))).seed == 5
