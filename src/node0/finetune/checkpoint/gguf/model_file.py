# SPDX-License-Identifier: Apache-2.0
"""Write a model as one GGUF file, tensor by tensor."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter
from gguf.constants import GGML_QUANT_VERSION, GGMLQuantizationType
from torch import Tensor

from node0.finetune.checkpoint.gguf.numbers import NumberFormat, encode, stored_as, stored_bytes
from node0.finetune.checkpoint.gguf.tensor_layout import (
    ARCHITECTURES,
    ROPE_FREQS,
    fields,
    gguf_name,
    rope_factors,
    to_gguf_rows,
)
from node0.finetune.checkpoint.gguf.vocabulary import Vocabulary
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.models.llama.arguments import LlamaArguments

logger = logging.getLogger(__name__)

BASE_DIGEST = "node0.base_digest"
"Key of ours: the base that the weights come from."

_REPORTS = 10


def write_model(
    path: Path, weights: MergedWeights, vocabulary: Vocabulary, *, numbers: NumberFormat, name: str
) -> None:
    """Write a file that llama.cpp loads; equal input gives equal bytes.

    Raises:
        ConfigError: llama.cpp cannot compute this shape, or a value does not fit the format.
    """
    args = weights.args
    factors = rope_factors(args)
    writer = GGUFWriter(path, ARCHITECTURES[args.family])
    try:
        _describe(writer, args, numbers, name)
        add_fields(writer, {**vocabulary.metadata(), BASE_DIGEST: weights.base.digest})
        kinds = {name: stored_as(shape, numbers) for name, shape in weights.shapes.items()}
        if factors is not None:
            _announce(writer, ROPE_FREQS, tuple(factors.shape), GGMLQuantizationType.F32)
        for tensor, shape in weights.shapes.items():
            _announce(writer, gguf_name(tensor), shape, kinds[tensor])
        _open(writer)
        if factors is not None:
            writer.write_tensor_data(factors.numpy())
        _write_weights(writer, weights, kinds)
    finally:
        writer.close()


def add_fields(writer: GGUFWriter, found: Mapping[str, Any]) -> None:
    """Add metadata by key, each value in the type that llama.cpp reads."""
    for key, value in found.items():
        _ADD[type(value)](writer, key, value)


def _write_weights(
    writer: GGUFWriter, weights: MergedWeights, kinds: Mapping[str, GGMLQuantizationType]
) -> None:
    every = -(-len(kinds) // _REPORTS)
    for done, (tensor, kind) in enumerate(kinds.items(), start=1):
        value: Tensor = to_gguf_rows(tensor, weights.read(tensor), weights.args)
        writer.write_tensor_data(encode(tensor, value, kind))
        if done % every == 0:
            logger.info("wrote %d of %d tensors", done, len(kinds))


def _describe(writer: GGUFWriter, args: LlamaArguments, numbers: NumberFormat, name: str) -> None:
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(numbers.file_type)
    if numbers.name == "q8_0":
        writer.add_quantization_version(GGML_QUANT_VERSION)
    add_fields(writer, {f"{ARCHITECTURES[args.family]}.{key}": value for key, value in fields(args).items()})


def _announce(writer: GGUFWriter, name: str, shape: tuple[int, ...], kind: GGMLQuantizationType) -> None:
    writer.add_tensor_info(name, shape, np.dtype(np.float32), stored_bytes(shape, kind), raw_dtype=kind)


def _open(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()


_ADD: dict[type, Any] = {
    bool: GGUFWriter.add_bool,
    int: GGUFWriter.add_uint32,
    float: GGUFWriter.add_float32,
    str: GGUFWriter.add_string,
    list: GGUFWriter.add_array,
}
