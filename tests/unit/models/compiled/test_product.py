# SPDX-License-Identifier: Apache-2.0
"""Products compiled for this processor and for lesser ones that it can stand for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from llvmlite import binding
from torch import Tensor

from node0.models.compiled import product
from node0.models.compiled.processor import processor, this_processor
from node0.models.compiled.product import TYPES, Product, product_here

pytestmark = pytest.mark.skipif(
    product_here(torch.float32) is None,
    reason="no x86 processor with fused vectors, or torch without GNU OpenMP",
)
SHAPES = [(3, 7), (1, 64), (515, 100), (1376, 513)]
"Inputs and outputs: odd, less than a panel, more than a block."


def products() -> Iterator[object]:
    host = dict(binding.get_host_cpu_features())
    lesser = {
        "host": {},
        "without pairs": {"avx512bf16": False},
        "without avx512": {name: False for name in host if name.startswith("avx512")},
    }
    for name, missing in lesser.items():
        cpu = binding.get_host_cpu_name() if name == "host" else "x86-64-v3"
        found = processor(cpu, {**host, **missing})
        for dtype in TYPES:
            yield pytest.param((found, dtype), id=f"{name}, {dtype}")


@pytest.fixture(scope="module", params=list(products()))
def kind(request: pytest.FixtureRequest) -> tuple[Product, torch.dtype]:
    found, dtype = request.param
    return Product(found, dtype), dtype


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def random(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(shape[-1])).to(dtype)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_product_is_as_near_to_the_exact_one_as_torchs(
    kind: tuple[Product, torch.dtype], shape: tuple[int, int], threads: int
) -> None:
    (multiply, dtype), (inputs, outputs) = kind, shape
    x, weight, bias = (
        random(*size, dtype=dtype) for size in ((2, 19, inputs), (outputs, inputs), (outputs,))
    )

    found = multiply(x, multiply.panels(weight, bias), outputs)

    exact = x.double() @ weight.double().T + bias.double()
    error = (torch.nn.functional.linear(x, weight, bias).double() - exact).abs().max()
    assert (found.dtype, found.shape) == (dtype, (2, 19, outputs))
    assert (found.double() - exact).abs().max() <= 2 * error + 1e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_has_the_same_bits_alone_and_among_any_others(
    kind: tuple[Product, torch.dtype], shape: tuple[int, int], threads: int
) -> None:
    (multiply, dtype), (inputs, outputs) = kind, shape
    x, panels = random(60, inputs, dtype=dtype), multiply.panels(random(outputs, inputs, dtype=dtype))
    whole = multiply(x, panels, outputs)

    for first, count in [(at, count) for count in range(1, 18) for at in (0, 5, 43)]:
        assert torch.equal(multiply(x[first : first + count], panels, outputs), whole[first : first + count])


def test_numbers_that_are_not_finite_stay_so(kind: tuple[Product, torch.dtype]) -> None:
    multiply, dtype = kind
    x = torch.tensor([[torch.nan, 1.0], [torch.inf, 1.0], [1e38, 1e38]], dtype=dtype)

    found = multiply(x, multiply.panels(torch.full((40, 2), 2.0, dtype=dtype)), 40)

    assert found[0].isnan().all() and found[1:].isposinf().all()


def test_rows_that_lie_apart_are_read_where_they_are(kind: tuple[Product, torch.dtype]) -> None:
    multiply, dtype = kind
    both, panels = random(6, 64, dtype=dtype), multiply.panels(random(40, 32, dtype=dtype))

    assert torch.equal(multiply(both[:, 32:], panels, 40), multiply(both[:, 32:].clone(), panels, 40))
    assert multiply(both[:0, 32:], panels, 40).shape == (0, 40)


def test_several_threads_may_multiply_at_once() -> None:
    multiply = product_here(torch.float32)
    assert multiply is not None
    panels, rows = (
        multiply.panels(random(1000, 512, dtype=torch.float32)),
        random(8, 512, dtype=torch.float32),
    )
    alone = multiply(rows, panels, 1000)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: multiply(rows, panels, 1000), range(200)))

    assert all(torch.equal(each, alone) for each in found)


def test_there_is_none_for_other_types_or_without_torchs_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert product_here(torch.float16) is None
    assert product_here(torch.bfloat16) is product_here(torch.bfloat16) is not None

    monkeypatch.setattr(product, "torch_threads", lambda: None)
    assert product_here.__wrapped__(torch.float32) is None

    monkeypatch.undo()
    monkeypatch.setattr(product, "this_processor", lambda: None)
    assert product_here.__wrapped__(torch.float32) is None
    assert this_processor() is not None
