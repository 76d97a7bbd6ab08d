# SPDX-License-Identifier: Apache-2.0
"""Export a model as one GGUF file, tested before it takes its name."""

import logging
from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.files import whole_output
from node0.finetune.chat.messages import Request
from node0.finetune.chat.render import Renderer
from node0.finetune.checkpoint.gguf.model_file import write_model
from node0.finetune.checkpoint.gguf.numbers import FORMATS
from node0.finetune.checkpoint.gguf.quantize import K_QUANTS, find_quantizer, quantize
from node0.finetune.checkpoint.gguf.read_tokenizer import read_vocabulary
from node0.finetune.checkpoint.gguf.smoke import LogitError, RenderedPrompt, check_model
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.finetune.checkpoint.peft import read_adapter_config
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.run_dir import RunDirectory
from node0.model_files import ADAPTER_CONFIG, TOKENIZER
from node0.models.base_model import resolve_base

logger = logging.getLogger(__name__)

QUANTIZATIONS = (*FORMATS, *K_QUANTS)
"Every format; those of `K_QUANTS` need llama.cpp."


def export_to_gguf(
    safetensors_path: Path, output_path: Path, quantization: str = "q4_k_m", *, engine: Path | None = None
) -> Path:
    """Write the model of a directory as one GGUF file and return its path.

    Args:
        safetensors_path: A Hugging Face or PEFT directory, or a safetensors file in one.
        output_path: The file; nothing may be there.
        quantization: One of QUANTIZATIONS.
        engine: Who writes k-quants: a Python that has `llama_cpp`, or a `llama-quantize`; None finds one.

    Raises:
        NotFound: no such directory, or it has no tokenizer.
        BadCheckpoint: it holds no model that can be read.
        ConfigError: no such format, nobody to write it, or something llama.cpp does not have.
        ExportFailed: the file is not what it was made from.
    """
    directory = safetensors_path if safetensors_path.is_dir() else safetensors_path.parent
    weights = _weights(directory)
    has_own = (directory / TOKENIZER).is_file()
    source = directory if has_own else weights.base.tokenizer_path
    if source is None:
        raise NotFound(f"{directory} has no tokenizer; put its {TOKENIZER} beside the weights")
    tokenizer = load_tokenizer(source, weights.args.max_seq_len, model_vocab_size=weights.args.vocab_size)
    write_gguf(weights, tokenizer, output_path, quantization=quantization, engine=engine)
    return output_path


def write_gguf(  # noqa: PLR0913  # each is a choice of the person who exports
    weights: MergedWeights,
    tokenizer: PreTrainedTokenizerFast,
    output_path: Path,
    *,
    quantization: str,
    name: str | None = None,
    prompts: Sequence[RenderedPrompt] = (),
    pre: str | None = None,
    engine: Path | None = None,
) -> LogitError:
    """Write a model that is already found, and say how far its logits are from the source's.

    Args:
        weights: The model.
        tokenizer: Its tokenizer.
        output_path: The file; nothing may be there.
        quantization: One of QUANTIZATIONS.
        name: What the file calls the model; None takes the file's own name.
        prompts: What the model is asked; their ids must come out equal, and logits on the first one.
        pre: llama.cpp's name of the rule that cuts texts; None finds it.
        engine: Who writes k-quants.

    Raises:
        As `export_to_gguf`.
    """
    if quantization not in QUANTIZATIONS:
        raise ConfigError(f"no format {quantization!r}; take one of {', '.join(QUANTIZATIONS)}")
    numbers = FORMATS.get(quantization, FORMATS["f32"])
    quantizer = None if quantization in FORMATS else find_quantizer(engine)
    renderer = Renderer(tokenizer)
    vocabulary = read_vocabulary(tokenizer, weights.args.vocab_size, stop_ids=renderer.stop_ids, pre=pre)
    with whole_output(output_path) as place:
        wide = place if quantizer is None else place.with_name("wide.gguf")
        write_model(wide, weights, vocabulary, numbers=numbers, name=name or output_path.stem)
        if quantizer is not None:
            quantize(wide, place, kind=quantization, quantizer=quantizer)
        found = check_model(
            place,
            weights,
            vocabulary=vocabulary,
            prompts=prompts or sample_prompts(renderer),
            bound=K_QUANTS.get(quantization, numbers.bound),
        )
    logger.info("wrote %s: logits differ by at most %.3g from the source's", output_path, found.largest)
    return found


def sample_prompts(renderer: Renderer) -> list[RenderedPrompt]:
    """Two prompts of the renderer's role, with the ids of their whole texts, as a server is given them."""
    tools = renderer.profile.tool_list() if renderer.profile else []
    begun = [{"role": "user", "content": "Begin with rows 12 and 345:\n  a_b  c/d.py\n\nWhat's next?"}]
    turns = [
        *begun,
        {"role": "assistant", "content": "I'd look at it."},
        {"role": "user", "content": "Do so."},
    ]
    requests = [Request(system="", tools=tools, messages=messages) for messages in (begun, turns)]  # type: ignore[typeddict-item]  # plain turns
    texts = [renderer.prompt_text(each) for each in requests]
    ids = renderer.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    if ids != [renderer.prompt_ids(each) for each in requests]:
        logger.warning("this tokenizer makes other ids of a whole prompt than of its turns: give servers ids")
    return [RenderedPrompt(*each) for each in zip(texts, ids, strict=True)]


def _weights(directory: Path) -> MergedWeights:
    RunDirectory(directory).verify_if_finished()
    if not (directory / ADAPTER_CONFIG).is_file():
        return MergedWeights(resolve_base(directory))
    name = read_adapter_config(directory).get("base_model_name_or_path")
    if not name:
        raise BadCheckpoint(f"{directory}/{ADAPTER_CONFIG} names no base; add base_model_name_or_path")
    beside = directory / str(name)
    base = beside if not Path(str(name)).is_dir() and beside.is_dir() else str(name)
    return MergedWeights(resolve_base(base), [directory])
