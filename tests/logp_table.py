# SPDX-License-Identifier: Apache-2.0
"""Rows of labels, and a model whose log probabilities can be read off them."""

import torch

from node0.pipeline.protocol import IGNORE, Microbatch
from node0.server.stage.gradient_sums import Share


class TableOfLogps:
    """Scores a label as -label/10, twice that with the adapter off, and keeps the widths it was asked for."""

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


class SecondOfTwo:
    """Rank 1 of 2, whose other rank found these values, and these tensors one call after the other."""

    share, leads = Share(1, 2), False

    def __init__(self, values=(), tensors=()):
        self.values, self.tensors = values, list(tensors)

    def total(self, values):
        return [mine + other for mine, other in zip(values, self.values, strict=True)]

    def add_up(self, tensors):
        for tensor in tensors:
            tensor += torch.tensor(self.tensors.pop(0))
