# SPDX-License-Identifier: Apache-2.0
"""Write and check an adapter as a GGUF file, which llama.cpp adds to a base."""

from pathlib import Path

import torch
from gguf import GGUFWriter
from torch import Tensor

from node0.errors import ExportFailed
from node0.finetune.checkpoint.gguf.gguf_file import GgufFile
from node0.finetune.checkpoint.gguf.model_file import BASE_DIGEST
from node0.finetune.checkpoint.gguf.smoke import LogitError, compare_logits, refuse_beyond
from node0.finetune.checkpoint.gguf.tensor_layout import (
    ARCHITECTURES,
    fields,
    from_gguf_rows,
    gguf_name,
    to_gguf_rows,
)
from node0.finetune.checkpoint.merged_weights import MergedWeights, with_adapter
from node0.finetune.checkpoint.peft import PeftAdapter
from node0.models.base_model import BaseModelDir
from node0.models.llama.arguments import LlamaArguments

ALPHA = "adapter.lora.alpha"


def write_adapter(path: Path, adapter: PeftAdapter, base: BaseModelDir, *, name: str) -> None:
    """Write A and B of every layer in float32, rows of B in llama.cpp's order.

    Raises:
        ConfigError: llama.cpp cannot compute the base.
    """
    fields(base.args)
    writer = GGUFWriter(path, ARCHITECTURES[base.args.family])
    try:
        writer.add_type("adapter")
        writer.add_name(name)
        writer.add_string("adapter.type", "lora")
        writer.add_float32(ALPHA, adapter.config.alpha)
        writer.add_string(BASE_DIGEST, base.digest)
        for key, value in adapter.tensors.items():
            writer.add_tensor(_gguf_key(key), _rows(key, value, base.args).contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def check_adapter(path: Path, adapter: PeftAdapter, base: BaseModelDir, ids: Tensor) -> LogitError:
    """Compare a file with the adapter that it was made from, by its numbers and by logits for `ids`.

    Raises:
        ExportFailed: something differs; the message says what.
    """
    held = _read(GgufFile(path), adapter, base.args)
    for key, value in adapter.tensors.items():
        if not torch.equal(held.tensors[key], value.float()):
            raise ExportFailed(f"{path.name}: {key} is not the adapter's; nothing was kept")
    plain, source = MergedWeights(base), MergedWeights(base)
    source.adapters = [adapter]
    found = compare_logits(
        base.args,
        source.read,
        lambda name, shape: with_adapter(plain.read(name, shape), name.removesuffix(".weight"), held),
        ids,
    )
    refuse_beyond(0.0, found, path)
    return found


def _read(file: GgufFile, adapter: PeftAdapter, args: LlamaArguments) -> PeftAdapter:
    kind, method, alpha = (file.metadata.get(key) for key in ("general.type", "adapter.type", ALPHA))
    if (kind, method) != ("adapter", "lora") or abs(
        float(alpha or 0) - adapter.config.alpha
    ) > 1e-6 * adapter.config.alpha:
        raise ExportFailed(f"{file.path.name}: it says {kind}, {method}, alpha {alpha}; nothing was kept")
    if extra := file.shapes.keys() - {_gguf_key(key) for key in adapter.tensors}:
        raise ExportFailed(f"{file.path.name}: tensor {min(extra)} is not the adapter's; nothing was kept")
    tensors = {}
    for key in adapter.tensors:
        value = file.values(_gguf_key(key))
        tensors[key] = from_gguf_rows(_layer(key), value, args) if "lora_B" in key else value
    return PeftAdapter(adapter.config, tensors)


def _rows(key: str, value: Tensor, args: LlamaArguments) -> Tensor:
    wide = value.float()
    return to_gguf_rows(_layer(key), wide, args) if "lora_B" in key else wide


def _layer(key: str) -> str:
    return f"{key.partition('.lora_')[0]}.weight"


def _gguf_key(key: str) -> str:
    matrix = key.removesuffix(".weight")[-1].lower()
    return f"{gguf_name(_layer(key))}.lora_{matrix}"
