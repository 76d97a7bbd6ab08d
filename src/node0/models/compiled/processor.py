# SPDX-License-Identifier: Apache-2.0
"""What compiled code may use of a processor: its vectors, registers and instructions, as LLVM names them."""

from collections.abc import Mapping
from dataclasses import dataclass

from llvmlite import binding


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor of x86 with fused multiply-add."""

    name: str
    "As LLVM calls it."

    features: str
    "Its instructions, as LLVM takes them: `+avx2,-avx512f`."

    lanes: int
    "float32 numbers of a vector."

    tiles: tuple[int, ...]
    "Rows that are multiplied at once, largest first, as many as its registers hold sums of."

    pairs_bfloat16: bool
    "Whether one instruction adds products of two pairs of bfloat16 numbers."


def this_processor() -> Processor | None:
    """The one that runs this; None where it has no such vectors."""
    return processor(binding.get_host_cpu_name(), binding.get_host_cpu_features())


def processor(name: str, features: Mapping[str, bool]) -> Processor | None:
    """One of a name, with the features that are true; None where these are not enough."""
    if not (features.get("avx2") and features.get("fma")):
        return None
    wide = bool(features.get("avx512f"))
    return Processor(
        name=name,
        features=",".join(f"{'+' if present else '-'}{feature}" for feature, present in features.items()),
        lanes=16 if wide else 8,
        tiles=(12, 8, 6, 4, 3, 2, 1) if wide else (6, 4, 3, 2, 1),
        pairs_bfloat16=wide and bool(features.get("avx512bf16")),
    )
