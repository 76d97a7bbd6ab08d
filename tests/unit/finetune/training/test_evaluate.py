# SPDX-License-Identifier: Apache-2.0
import math

import pytest
from logp_table import TWO_PAIRS, SecondOfTwo, TableOfLogps, rows

from node0.finetune.training.evaluate import validate_pairs, validate_tokens
from node0.finetune.training.reference import KeptScores, learn_reference
from node0.pipeline.protocol import IGNORE, Preference


def test_the_loss_is_a_mean_over_supervised_tokens_of_all_microbatches():
    found = validate_tokens(TableOfLogps(), [rows([1, 2, IGNORE, IGNORE]), rows([6, IGNORE, IGNORE, IGNORE])])

    assert found.loss == pytest.approx((0.1 + 0.2 + 0.6) / 3)
    assert found.margin is None


def test_pairs_are_judged_by_the_published_formula(tmp_path):
    pipeline = TableOfLogps()
    kept = KeptScores(tmp_path / "reference.jsonl", "base")
    reference = learn_reference(pipeline, [TWO_PAIRS], kept, adapter=False)
    found = validate_pairs(pipeline, [TWO_PAIRS], preference=Preference(beta=0.5), reference=reference)
    # margins of the policy 0.4 and 0.1, of the reference 0.8 and 0.2
    expected = [math.log1p(math.exp(-0.5 * margin)) for margin in (0.4 - 0.8, 0.1 - 0.2)]

    assert found.loss == pytest.approx(sum(expected) / 2, rel=1e-5)
    assert found.margin == pytest.approx((0.4 + 0.1) / 2)
    assert found.chosen_logp == pytest.approx((-0.3 - 0.5) / 2)
    assert found.accuracy == 0.0


def test_without_a_reference_a_pair_is_judged_by_its_own_margin():
    pairs = rows([1, 1, 1, 1], [9, 9, 9, 9], [8, 8, 8, 8], [2, 2, 2, 2])
    found = validate_pairs(
        TableOfLogps(), [pairs], preference=Preference(reference_free=True), reference=None
    )

    assert found.accuracy == 0.5
    assert found.margin == pytest.approx((3.2 - 2.4) / 2)


def test_ranks_score_disjoint_microbatches_and_share_the_sums():
    pipeline = TableOfLogps()
    held_out = [rows([1, 2, IGNORE, IGNORE]), rows([6, IGNORE, IGNORE, IGNORE]), rows([7, 7, 7, 7])]
    found = validate_tokens(pipeline, held_out, ranks=SecondOfTwo([1.9, 9]))

    assert len(pipeline.widths) == 1
    assert found.loss == pytest.approx((0.6 + 1.9) / 10)


def test_pairs_of_all_ranks_count_alike():
    pipeline = TableOfLogps()
    # loss, margin, pairs above the reference, log probability of the chosen answer, pairs
    ranks = SecondOfTwo([3.0, 5.5, 3.0, -9.2, 3.0])
    found = validate_pairs(
        pipeline,
        [rows([7, 7, 7, 7], [7, 7, 7, 7]), TWO_PAIRS],
        preference=Preference(),
        reference=None,
        ranks=ranks,
    )

    assert len(pipeline.widths) == 1
    assert found.margin == pytest.approx((5.5 + 0.5) / 5)
    assert found.accuracy == pytest.approx((3 + 2) / 5)
    assert found.chosen_logp == pytest.approx((-9.2 - 0.8) / 5)
