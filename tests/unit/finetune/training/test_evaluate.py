# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from node0.finetune.training.evaluate import Reference, pair_loss, token_loss
from node0.pipeline.protocol import IGNORE, Microbatch, Preference
from node0.server.stage.gradient_sums import Share


class TableOfLogps:
    """Scores a label as -label/10, twice that with the adapter off, and counts its calls."""

    def __init__(self):
        self.widths = []

    def score(self, microbatch, *, adapter=True):
        self.widths.append(microbatch.input_ids.shape[1])
        supervised = microbatch.labels != IGNORE
        return torch.where(supervised, -microbatch.labels / 10 * (1 if adapter else 2), 0.0)


def rows(*labels):
    return Microbatch(
        torch.ones(len(labels), 4).long(), torch.arange(4).expand(len(labels), 4), torch.tensor(labels)
    )


TWO_PAIRS = rows(
    [IGNORE, 1, 2, IGNORE], [IGNORE, 3, 4, IGNORE], [5, IGNORE, IGNORE, IGNORE], [6, IGNORE, IGNORE, IGNORE]
)


def test_token_loss_is_a_mean_over_supervised_tokens_of_all_microbatches():
    loss = token_loss(TableOfLogps(), [rows([1, 2, IGNORE, IGNORE]), rows([6, IGNORE, IGNORE, IGNORE])])

    assert loss == pytest.approx((0.1 + 0.2 + 0.6) / 3)


def test_the_reference_scores_each_pair_once_and_without_padding():
    pipeline = TableOfLogps()
    reference = Reference(pipeline)
    first = reference.logps([TWO_PAIRS])
    again = reference.logps([TWO_PAIRS])

    assert first.tolist() == pytest.approx([-0.6, -1.4, -1.0, -1.2])
    assert torch.equal(first, again)
    assert pipeline.widths == [3, 1]


def test_pair_loss_is_the_mean_of_the_published_formula():
    pipeline = TableOfLogps()
    loss = pair_loss(pipeline, [TWO_PAIRS], preference=Preference(beta=0.5), reference=Reference(pipeline))
    # margins of the policy 0.4 and 0.1, of the reference 0.8 and 0.2
    expected = [math.log1p(math.exp(-0.5 * margin)) for margin in (0.4 - 0.8, 0.1 - 0.2)]

    assert loss == pytest.approx(sum(expected) / 2, rel=1e-5)


class SecondOfTwo:
    """Rank 1 of 2, whose other rank found these values or rows."""

    share = Share(1, 2)

    def __init__(self, other):
        self.other = other

    def total(self, values):
        return [mine + other for mine, other in zip(values, self.other, strict=True)]

    def add_up(self, tensors):
        for tensor, other in zip(tensors, self.other, strict=True):
            tensor += torch.tensor(other)


def test_ranks_score_disjoint_microbatches_and_share_the_sums():
    pipeline = TableOfLogps()
    held_out = [rows([1, 2, IGNORE, IGNORE]), rows([6, IGNORE, IGNORE, IGNORE]), rows([7, 7, 7, 7])]
    loss = token_loss(pipeline, held_out, ranks=SecondOfTwo([1.9, 9]))

    assert len(pipeline.widths) == 1
    assert loss == pytest.approx((0.6 + 1.9) / 10)


def test_pairs_of_another_rank_have_no_reference_here():
    pipeline = TableOfLogps()
    logps = Reference(pipeline).logps([TWO_PAIRS, TWO_PAIRS], Share(1, 2))

    assert logps[:4].isnan().all()
    assert logps[4:].tolist() == pytest.approx([-0.6, -1.4, -1.0, -1.2])


def test_a_reference_that_is_learnt_scores_a_share_and_knows_every_pair():
    pipeline = TableOfLogps()
    reference = Reference(pipeline, adapter=True)
    reference.learn([TWO_PAIRS, TWO_PAIRS], SecondOfTwo([[[-8.0, -9.0], [0.0, 0.0]]]))
    scored = list(pipeline.widths)

    assert scored == [1]
    assert reference.logps([TWO_PAIRS]).tolist() == pytest.approx([-8.0, -9.0, -0.5, -0.6])
    assert pipeline.widths == scored
