# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from gguf import GGMLQuantizationType

from node0.errors import ConfigError
from node0.finetune.checkpoint.gguf.numbers import FORMATS, decode, encode, stored_as, stored_bytes

VALUES = torch.randn(6, 64, generator=torch.Generator().manual_seed(0))


def _back(name: str) -> torch.Tensor:
    kind = FORMATS[name].stored
    data = encode("w", VALUES, kind)

    assert data.nbytes == stored_bytes((6, 64), kind)
    return decode(data, kind)


def test_float_formats_round_as_torch_does() -> None:
    assert torch.equal(_back("f32"), VALUES)
    assert torch.equal(_back("f16"), VALUES.half().float())
    assert torch.equal(_back("bf16"), VALUES.bfloat16().float())


def test_q8_0_keeps_each_value_within_half_a_step_of_its_block() -> None:
    step = VALUES.view(6, 2, 32).abs().amax(-1, keepdim=True) / 127

    error = (_back("q8_0") - VALUES).view(6, 2, 32).abs()

    assert (error <= step * 0.51).all()


def test_vectors_stay_float32_and_rows_that_hold_no_blocks_are_f16() -> None:
    q8_0 = FORMATS["q8_0"]

    kinds = [stored_as(shape, q8_0).name for shape in ((64,), (6, 64), (6, 48))]

    assert kinds == ["F32", "Q8_0", "F16"]


def test_a_value_beyond_f16_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"tensor wq holds 7e\+04, which f16 cannot; export as bf16"):
        encode("wq", torch.tensor([[7e4]]), GGMLQuantizationType.F16)
