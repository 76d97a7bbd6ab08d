# SPDX-License-Identifier: Apache-2.0
"""Export a model in the form that its owner's programs want: tested, and whole or not at all."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from node0.errors import ConfigError
from node0.files import whole_output
from node0.finetune.chat.bounded_template import Rendering, render_bounded
from node0.finetune.checkpoint.exporter import write_gguf
from node0.finetune.checkpoint.gguf.adapter_file import check_adapter, write_adapter
from node0.finetune.checkpoint.gguf.smoke import LogitError
from node0.finetune.export.directories import (
    DTYPES,
    check_adapter_directory,
    check_merged,
    write_adapter_directory,
    write_merged,
)
from node0.finetune.export.hf_directories import (
    check_hf_adapter,
    check_hf_merged,
    stored_type,
    write_hf_merged,
)
from node0.finetune.export.ollama import modelfile, turn_texts
from node0.finetune.export.parts import ModelParts
from node0.finetune.export.serve import ServeCommand, llama_server_command, vllm_command
from node0.finetune.inference.source import ModelSource
from node0.models.hf.hf_base import HFBase

Format = Literal["peft", "merged", "gguf", "gguf-adapter", "ollama"]
"""peft, merged: directories of Hugging Face; gguf, gguf-adapter: files of llama.cpp; ollama: a directory with
a Modelfile and the GGUF file that it names."""

FORMATS: tuple[Format, ...] = get_args(Format)
MODELFILE, MODEL = "Modelfile", "model.gguf"


@dataclass(frozen=True, slots=True)
class Options:
    """How a format is written."""

    quantization: str | None = None
    "Number format of the weights; None takes f32 for merged and q8_0 for gguf and ollama."

    pre: str | None = None
    "llama.cpp's name of the rule that cuts texts; None finds it."

    engine: Path | None = None
    "Who writes k-quants: a Python that has `llama_cpp`, or a `llama-quantize`; None finds one."

    temperature: float = 0.0
    "In the Modelfile."


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    error: LogitError
    "How far its logits are from the source's."

    serve: str | None
    "What serves exactly this, as it is typed into a shell; None for what is nothing without a base."


def export(source: ModelSource, output: Path, *, format: Format, options: Options | None = None) -> Exported:
    """Write a model that `find_model` found.

    Args:
        source: The model.
        output: The file or directory; nothing may be there.
        format: One of FORMATS.
        options: None takes each format's own.

    Raises:
        NotFound: it has no tokenizer.
        BadCheckpoint: its files cannot be read, or do not belong together.
        ConfigError: something is at `output`, or the format cannot hold this model.
        ExportFailed: what was written is not what it was made from; nothing is left of it.
    """
    if format not in _WRITERS:
        raise ConfigError(f"no format {format!r}; take one of {', '.join(FORMATS)}")
    output = output.absolute()
    return _WRITERS[format](ModelParts(source), output, options or Options())


def _peft(parts: ModelParts, output: Path, options: Options) -> Exported:
    adapter, base = parts.adapter, parts.source.base
    _refuse_quantization(options, "peft")
    with whole_output(output) as place:
        write_adapter_directory(
            adapter, place, base=base, source=parts.source.adapters[0], tokenizer=parts.source.tokenizer
        )
        if isinstance(base, HFBase):
            error, stored = check_hf_adapter(parts, place), stored_type(base)
        else:
            error = check_adapter_directory(
                place, parts.weights, prompts=parts.prompts, profile=parts.profile
            )
            stored = parts.weights.stored
    served = vllm_command(
        output.name,
        base.path.resolve(),
        context=parts.context,
        dtype=stored,
        adapter=output,
        rank=adapter.config.rank,
    )
    return Exported(output, error, str(served))


def _merged(parts: ModelParts, output: Path, options: Options) -> Exported:
    numbers = options.quantization or "f32"
    if numbers not in DTYPES:
        raise ConfigError(
            f"a merged directory cannot hold {numbers}; take one of {', '.join(DTYPES)}, or gguf"
        )
    base = parts.source.base
    with whole_output(output) as place:
        if isinstance(base, HFBase):
            write_hf_merged(parts, base, place, numbers=numbers)
            error = check_hf_merged(parts, place, numbers=numbers)
        else:
            write_merged(parts.weights, place, numbers=numbers, tokenizer=parts.source.tokenizer)
            error = check_merged(
                place, parts.weights, numbers=numbers, prompts=parts.prompts, profile=parts.profile
            )
    served = vllm_command(output.name, output, context=parts.context, dtype=DTYPES[numbers])
    return Exported(output, error, str(served))


def _gguf(parts: ModelParts, output: Path, options: Options) -> Exported:
    error = _write_gguf(parts, output, options)
    return Exported(output, error, str(llama_server_command(output.stem, output, context=parts.context)))


def _gguf_adapter(parts: ModelParts, output: Path, options: Options) -> Exported:
    base, adapter = parts.weights.base, parts.adapter
    _refuse_quantization(options, "gguf-adapter")
    with whole_output(output) as place:
        write_adapter(place, adapter, base, name=output.stem)
        error = check_adapter(place, adapter, base, torch.tensor([parts.prompts[0].ids]))
    return Exported(output, error, None)


def _ollama(parts: ModelParts, output: Path, options: Options) -> Exported:
    with whole_output(output) as place:
        place.mkdir()
        error = _write_gguf(parts, place / MODEL, options, name=output.name)
        (place / MODELFILE).write_text(_modelfile(parts, options), encoding="utf-8")
    served = ServeCommand(("ollama", "create", output.name, "--file", str(output / MODELFILE)))
    return Exported(output, error, str(served))


def _write_gguf(parts: ModelParts, path: Path, options: Options, *, name: str | None = None) -> LogitError:
    return write_gguf(
        parts.weights,
        parts.tokenizer,
        path,
        quantization=options.quantization or "q8_0",
        name=name,
        prompts=parts.prompts,
        pre=options.pre,
        engine=options.engine,
    )


def _modelfile(parts: ModelParts, options: Options) -> str:
    tokenizer = parts.tokenizer

    def render(turns: list[dict[str, str]], opened: bool) -> str:
        return render_bounded(tokenizer, Rendering(list(turns), add_prompt=opened))

    return modelfile(
        source=f"./{MODEL}",
        texts=turn_texts(render),
        context=parts.context,
        stops=[str(tokenizer.convert_ids_to_tokens(number)) for number in parts.renderer.stop_ids],
        temperature=options.temperature,
        system=parts.profile.card if parts.profile else None,
    )


_WRITERS: dict[Format, Callable[[ModelParts, Path, Options], Exported]] = {
    "peft": _peft,
    "merged": _merged,
    "gguf": _gguf,
    "gguf-adapter": _gguf_adapter,
    "ollama": _ollama,
}


def _refuse_quantization(options: Options, format: str) -> None:
    if options.quantization not in (None, "f32"):
        raise ConfigError(
            f"{format} holds an adapter in f32, not {options.quantization}; leave it out, or merge"
        )
