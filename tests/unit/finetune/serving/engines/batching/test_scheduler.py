# SPDX-License-Identifier: Apache-2.0
from node0.finetune.serving.engines.batching.block_pool import BlockPool
from node0.finetune.serving.engines.batching.scheduler import Scheduler
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.models.block_cache import BLOCK


def sequence(prompt: int, answer: int = 40, adapter: str | None = None) -> Sequence:
    return Sequence(GenerationRequest("m", tuple(range(prompt)), answer), adapter)


def scheduler(*waiting: Sequence, blocks: int = 64, running: int = 8, step_ids: int = 100) -> Scheduler:
    made = Scheduler(BlockPool(blocks), max_running=running, step_ids=step_ids)
    made.waiting.extend(waiting)
    return made


def computed(made: Scheduler) -> list[tuple[Sequence, int, bool]]:
    """Do a step without a model: every id that is drawn is 7."""
    done = []
    for work in made.plan():
        work.sequence.computed += len(work.ids)
        if work.draws:
            work.sequence.ids.append(7)
        made.publish(work.sequence)
        done.append((work.sequence, len(work.ids), work.draws))
    return done


def test_prompts_share_a_steps_budget_beside_those_who_decode() -> None:
    first, second, third = sequence(10), sequence(150), sequence(60)
    made = scheduler(first, second, third)
    made.admit()

    steps = [computed(made) for _ in range(3)]

    assert steps[0] == [(first, 10, True), (second, 90, False)]
    assert steps[1] == [(first, 1, True), (second, 60, True), (third, 39, False)]
    assert steps[2] == [(first, 1, True), (second, 1, True), (third, 21, True)]


def test_whoever_finds_no_place_or_no_blocks_waits_in_order() -> None:
    large, larger, small = sequence(3 * BLOCK), sequence(3 * BLOCK, adapter="a"), sequence(1)
    made = scheduler(large, larger, small, blocks=5)

    assert [admission.sequence for admission in made.admit()] == [large]
    made.leave(large)
    assert [admission.sequence for admission in made.admit()] == [larger, small]

    crowded = scheduler(sequence(1), sequence(1), running=1)
    assert len(crowded.admit()) == 1 and len(crowded.waiting) == 1


def test_the_youngest_gives_up_its_blocks_and_is_first_to_come_back() -> None:
    old, young = sequence(BLOCK), sequence(BLOCK, adapter="a")
    made = scheduler(old, young, blocks=3)
    made.admit()
    computed(made)

    # The third block goes to the older one; the younger finds none and steps back.
    assert [done[0] for done in computed(made)] == [old]
    assert list(made.waiting) == [young]
    assert (made.preempted, young.blocks, young.computed) == (1, [], 0)
    made.leave(old)
    (admission,) = made.admit()
    assert (admission.sequence, admission.reused) == (young, 0), "it was counted when it first came"
    assert young.computed == BLOCK, "what it had computed is found again"


def test_a_prompt_that_begins_as_another_did_takes_its_blocks_and_copies_the_half_one() -> None:
    first, second, other = sequence(BLOCK + 10), sequence(BLOCK + 20), sequence(BLOCK + 20, adapter="a")
    made = scheduler(first)
    made.admit()
    computed(made)
    made.leave(first)
    made.waiting.extend([second, other])

    admissions = made.admit()

    assert (second.reused, other.reused) == (BLOCK + 10, 0)
    assert [admission.reused for admission in admissions] == [BLOCK + 10, 0]
    assert admissions[0].copy is not None and admissions[0].copy[1] == second.blocks[1]
    assert admissions[1].copy is None


def test_a_half_known_block_is_given_up_where_a_prompt_needs_them_all() -> None:
    first, again = sequence(100, 20), sequence(100, 20)
    made = scheduler(first, blocks=4)
    made.admit()
    computed(made)
    made.leave(first)
    made.waiting.append(again)

    (admission,) = made.admit()

    assert (admission.sequence, admission.copy) == (again, None)
    assert again.computed == admission.reused == 3 * BLOCK
    assert len(set(again.blocks)) == 4


def test_the_last_id_of_a_known_prompt_is_computed_again() -> None:
    for length in (BLOCK, BLOCK + 1, 2 * BLOCK):
        first, again = sequence(length), sequence(length)
        made = scheduler(first)
        made.admit()
        computed(made)
        made.leave(first)
        made.waiting.append(again)
        made.admit()

        assert again.reused == length - 1


def test_leaving_frees_every_block_wherever_one_is() -> None:
    running, waiting = sequence(40), sequence(40)
    made = scheduler(running, waiting, running=1)
    made.admit()
    computed(made)

    made.leave(running)
    made.leave(waiting)
    made.leave(waiting)

    assert (made.pool.held, made.running, list(made.waiting)) == (0, [], [])
