# SPDX-License-Identifier: Apache-2.0
"""Export a base with an adapter merged into it, as a Hugging Face directory."""

from collections.abc import Sequence
from pathlib import Path

from node0.lora.adapter import merge_adapter, set_adapter, unmerge_adapter
from node0.models.base_model import export_base
from node0.models.llama.layers import LlamaStage


def export_merged(
    stages: Sequence[LlamaStage],
    directory: Path,
    *,
    adapter: str = "default",
    tokenizer_dir: Path | None = None,
) -> None:
    """Write the model with `adapter` added to its weights; the stages are left as they were.

    The sum is taken in float32 and rounded once to the base's type.

    Raises:
        NotFound: no stage has an adapter of that name.
    """
    for stage in stages:
        set_adapter(stage, adapter)
        merge_adapter(stage)
    try:
        export_base(stages, directory, tokenizer_dir)
    finally:
        for stage in stages:
            unmerge_adapter(stage)
