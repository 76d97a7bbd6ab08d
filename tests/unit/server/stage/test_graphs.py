# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from node0.server.stage.graphs import GraphBudget, GraphMeter

WIDTH = 64


def _graph(meter: GraphMeter, layers: nn.Sequential) -> tuple[torch.Tensor, list[bool]]:
    """A forward pass, and what the meter said before each layer."""
    x, said = torch.randn(8, WIDTH, requires_grad=True), []
    with meter:
        for layer in layers:
            said.append(meter.recompute())
            x = torch.tanh(layer(x))
    return x, said


def _layers() -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(4)))


def test_what_a_graph_keeps_is_counted_without_the_weights_and_given_back() -> None:
    layers, budget = _layers(), GraphBudget(1 << 30)
    meter = GraphMeter(budget, layers.parameters())

    _graph(meter, layers)

    row = 8 * WIDTH * 4
    assert 4 * row <= meter.held <= 8 * row
    assert budget.held == meter.held
    meter.release()
    assert (budget.held, meter.held) == (0, 0)


def test_layers_beyond_the_budget_are_recomputed() -> None:
    layers = _layers()
    wide = GraphMeter(GraphBudget(1 << 30), layers.parameters())
    _graph(wide, layers)

    _, said = _graph(GraphMeter(GraphBudget(wide.held // 2), layers.parameters()), layers)

    assert not said[0] and said[-1]


def test_one_budget_is_shared_by_all_who_hold_it() -> None:
    layers, budget = _layers(), GraphBudget(1 << 30)
    meters = [GraphMeter(budget, layers.parameters()) for _ in range(2)]

    graphs = [_graph(meter, layers) for meter in meters]

    assert len(graphs) == 2 and budget.held == meters[0].held + meters[1].held


@pytest.mark.parametrize(("limit", "recomputes"), [(None, False), (0, True)])
def test_no_limit_never_recomputes_and_zero_always(limit: int | None, recomputes: bool) -> None:
    layers, budget = _layers(), GraphBudget(limit)

    _, said = _graph(GraphMeter(budget, layers.parameters()), layers)

    assert said == [recomputes] * 4
    assert budget.held == 0
