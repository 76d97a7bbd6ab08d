# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter
from typing import Any

import pytest
from tiny_chat import entry, says, tiny_tokenizer, user

from node0.errors import BadCheckpoint, BadCorpus
from node0.finetune.data.dataset import CorpusDataset, DatasetOptions
from node0.finetune.data.microbatches import MicrobatchSource
from node0.pipeline.protocol import IGNORE, Microbatch

TOKENIZER = tiny_tokenizer()
BARE: Any = DatasetOptions(profile_for=lambda role: None)
TALKS = [entry([user("q" * (5 + 7 * n % 50)), says(f"a{n}")], id=f"e{n}") for n in range(23)]
DATA = CorpusDataset(TALKS, "deacon", TOKENIZER, 64, options=BARE)
PAIRS = CorpusDataset(
    [entry([user("q" * n)], id=f"p{n}", chosen=[says("yes")], rejected=[says("never")]) for n in range(1, 8)],
    "deacon",
    TOKENIZER,
    64,
    options=DatasetOptions(mode="dpo", profile_for=lambda role: None),
)


def source(data: CorpusDataset = DATA, **values: Any) -> MicrobatchSource:
    return MicrobatchSource(
        data, **{"tokens_per_microbatch": 128, "microbatches_per_step": 2, "seed": 3, **values}
    )


def tensors(batch: list[Microbatch]) -> list[Any]:
    return [[part.tolist() for part in (item.input_ids, item.positions, item.labels)] for item in batch]


def documents(batch: Microbatch) -> list[tuple[int, ...]]:
    """The documents of a microbatch, cut where positions restart; padding is cut into single ids."""
    found: list[list[int]] = []
    for ids, positions in zip(batch.input_ids.tolist(), batch.positions.tolist(), strict=True):
        for number, position in zip(ids, positions, strict=True):
            if position == 0:
                found.append([])
            found[-1].append(number)
    return [tuple(document) for document in found if len(document) > 1]


@pytest.mark.parametrize("packing", [True, False])
def test_an_epoch_holds_each_document_once(packing: bool) -> None:
    wanted = Counter(tuple(item["input_ids"].tolist()) for item in DATA)

    held = Counter(document for batch in source(packing=packing).epoch(2) for document in documents(batch))

    assert held == wanted


def test_labels_never_cross_a_document() -> None:
    for batch in source().epoch():
        starts = (batch.positions == 0).nonzero().tolist()
        for row, column in starts:
            assert column == 0 or batch.labels[row, column - 1] == IGNORE
        after = batch.input_ids.roll(-1, dims=1)
        assert ((batch.labels == IGNORE) | (batch.labels == after)).all()


def test_packed_rows_are_fewer_and_no_longer_than_a_row() -> None:
    packed = [batch.input_ids.shape for batch in source().epoch()]
    plain = [batch.input_ids.shape for batch in source(packing=False).epoch()]

    assert max(width for _, width in packed) <= 64
    assert sum(rows for rows, _ in packed) < sum(rows for rows, _ in plain)


def test_steps_follow_from_the_seed_alone() -> None:
    forwards, backwards = source(), source()

    ahead = [tensors(forwards.batch(step)) for step in range(9)]
    behind = [tensors(backwards.batch(step)) for step in reversed(range(9))]

    assert ahead == behind[::-1]
    assert ahead != [tensors(source(seed=4).batch(step)) for step in range(9)]


def test_each_epoch_has_its_own_order() -> None:
    steps = source().steps_in_epoch()

    assert tensors(source().batch(0)) != tensors(source().batch(steps))


def test_a_restored_source_goes_on_exactly() -> None:
    straight, first, second = source(), source(), source()
    expected = [tensors(next(straight)) for _ in range(12)]
    got = [tensors(next(first)) for _ in range(5)]

    second.restore(json.loads(json.dumps(first.state())))
    got += [tensors(next(second)) for _ in range(7)]

    assert got == expected
    assert second.seen() == straight.seen()


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"tokens_per_microbatch": 64}, {"packing": False}, {"data": PAIRS}]
)
def test_a_position_of_other_data_or_settings_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadCheckpoint, match="data position"):
        source(**change).restore(source().state())


def test_seen_counts_entries_once_an_epoch() -> None:
    steps = source()
    for _ in range(steps.steps_in_epoch(0)):
        next(steps)
    assert steps.seen() == Counter({f"e{n}": 1 for n in range(23)})

    next(steps)
    assert steps.seen().total() == 23 + len(
        {index for units in steps.units(steps.step - 1) for index in units}
    )


def test_units_name_the_documents_of_each_microbatch() -> None:
    steps = source()

    for units, batch in zip(steps.units(1), steps.batch(1), strict=True):
        assert [tuple(DATA[index]["input_ids"].tolist()) for index in units] == documents(batch)


def test_pairs_lie_in_neighbouring_rows() -> None:
    steps = source(PAIRS)

    for units, batch in zip(steps.units(0), steps.batch(0), strict=True):
        assert batch.input_ids.shape[0] == 2 * len(units)
        for place, index in enumerate(units):
            for row, side in ((2 * place, "chosen"), (2 * place + 1, "rejected")):
                ids = PAIRS[index][f"{side}_ids"]
                assert batch.input_ids[row, : len(ids)].tolist() == ids.tolist()
                assert batch.labels[row, : len(ids)].tolist() == PAIRS[index][f"{side}_labels"].tolist()


def test_part_of_an_epoch_is_part_of_its_steps() -> None:
    steps = source()
    one = steps.steps_in_epoch(0)

    assert steps.total_steps(1) == one
    assert steps.total_steps(1.5) == one + round(0.5 * steps.steps_in_epoch(1))
    assert steps.total_steps(0.001) == 1


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(BadCorpus, match="without rows"):
        source(CorpusDataset([], "deacon", TOKENIZER))
