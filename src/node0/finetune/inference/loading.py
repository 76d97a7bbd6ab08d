# SPDX-License-Identifier: Apache-2.0
"""Load a model by any of its names, ready to answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedTokenizerFast

from node0.errors import NotFound
from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.checkpoint.peft import load_peft
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.inference.generator import Generator
from node0.finetune.inference.loaded_stages import hf_stage, own_stages
from node0.finetune.inference.source import ModelSource, find_adapter, find_model
from node0.models.device import pick_device
from node0.models.factory import empty_stages
from node0.models.hf.hf_arguments import HFArguments
from node0.models.hf.hf_base import HFBase
from node0.models.llama.adapter_rows import Products, adapter_products
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.batch_runner import BatchRunner
from node0.pipeline.local import LocalPipeline


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory and what stands between it and text."""

    name: str
    role: str | None
    pipeline: LocalPipeline
    args: LlamaArguments | HFArguments
    "Of the whole model."

    base_digest: str
    tokenizer: PreTrainedTokenizerFast | None
    renderer: Renderer | None
    "None without a tokenizer."

    @property
    def context(self) -> int:
        """Most tokens that a prompt and its answer may have together."""
        return self.args.max_seq_len

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end an answer."""
        return self.renderer.stop_ids if self.renderer else ()

    def generator(self, *, stop_ids: Sequence[int] | None = None) -> Generator:
        """A generator over it, stopping at `stop_ids`; None takes the chat template's."""
        return Generator(
            self.pipeline,
            context=self.context,
            stop_ids=self.stop_ids if stop_ids is None else stop_ids,
            decode=self.decode if self.tokenizer else None,
        )

    def encode_chat(self, text: str) -> list[int]:
        """The ids with which the role's model is asked `text` by a user."""
        if self.renderer is None:
            raise self._no_tokenizer()
        profile = self.renderer.profile
        tools = profile.tool_list() if profile else []
        turn = {"role": "user", "content": text}
        return self.renderer.prompt_ids({"system": "", "tools": tools, "messages": [turn]})  # type: ignore[list-item]  # a turn as JSON has it

    def encode_text(self, text: str) -> list[int]:
        """The ids of the text itself, with the tokens that the tokenizer puts before any text."""
        if self.tokenizer is None:
            raise self._no_tokenizer()
        # Not verbose: the generator itself refuses a prompt that is too long, in one line.
        return list(self.tokenizer(text, verbose=False)["input_ids"])

    def decode(self, ids: list[int]) -> str:
        """The text of these ids, special tokens left out."""
        if self.tokenizer is None:
            raise self._no_tokenizer()
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _no_tokenizer(self) -> NotFound:
        return NotFound(f"model {self.name} has no tokenizer; put its tokenizer.json beside the weights")


class Speech(NamedTuple):
    """What stands between a model and text."""

    role: str | None
    tokenizer: PreTrainedTokenizerFast | None
    renderer: Renderer | None
    "None without a tokenizer."


def load_model(  # noqa: PLR0913  # each is a choice of the person who asks
    name: str,
    *,
    town: Path | None = None,
    adapters: Sequence[str] = (),
    role: str | None = None,
    profile: Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    num_stages: int = 1,
) -> LoadedModel:
    """Find, check and load a model, with its adapters inside its weights.

    Args:
        name: `NAME`, `NAME:VER`, a run, adapter or base directory, or a hub id.
        town: root of the town whose registry is meant; None finds it.
        adapters: more adapters of the same base, by directory or registered name; all are added up.
        role: role to answer as; None takes the one it was trained for.
        profile: a profile file, or a directory of them; None takes the one it was trained with, or the
            shipped one where the role is another.
        device: auto, cpu, cuda or mps.
        dtype: auto, float32 or bfloat16; auto measures on a processor which is faster.
        num_stages: stages to split it into.

    Raises:
        NotFound: no such model or adapter.
        BadCheckpoint: a file differs from the registered one, or an adapter is of another base.
        ConfigError: no such device or type.
        VocabMismatch: the tokenizer has ids that the model has not.
    """
    source = find_source(name, town=town, adapters=adapters)
    speech = load_speech(source, role=role, profile=profile)
    return LoadedModel(
        name=source.name,
        role=speech.role,
        pipeline=load_weights(source, device=device, dtype=dtype, num_stages=num_stages),
        args=source.base.args,
        base_digest=source.base.digest,
        tokenizer=speech.tokenizer,
        renderer=speech.renderer,
    )


def find_source(name: str, *, town: Path | None = None, adapters: Sequence[str] = ()) -> ModelSource:
    """Find and check a model with more adapters of its base; nothing is loaded."""
    source = find_model(name, town=town)
    more = tuple(find_adapter(adapter, town=town) for adapter in adapters)
    return replace(source, adapters=(*source.adapters, *more))


def load_speech(source: ModelSource, *, role: str | None = None, profile: Path | None = None) -> Speech:
    """What stands between the model and text, without its weights."""
    tokenizer = None
    if source.tokenizer is not None:
        args = source.base.args
        tokenizer = load_tokenizer(source.tokenizer, args.max_seq_len, model_vocab_size=args.vocab_size)
    if role in (None, source.role):
        role, profile = source.role, profile or source.profile
    deployed = load_profile(role, profile) if role else None
    return Speech(role, tokenizer, Renderer(tokenizer, deployed) if tokenizer else None)


def load_weights(
    source: ModelSource, *, device: str = "auto", dtype: str = "auto", num_stages: int = 1
) -> LocalPipeline:
    """The model's stages in this process, with its adapters inside.

    Raises:
        ConfigError: transformers computes it, and `num_stages` is above 1; no such device or type.
    """
    place = pick_device(device)
    if isinstance(source.base, HFBase) and num_stages == 1:
        return LocalPipeline([hf_stage(source, source.base, device=place, dtype=dtype)])
    return LocalPipeline(own_stages(source, device=place, dtype=dtype, num_stages=num_stages))


def load_runner(
    source: ModelSource,
    n_blocks: int,
    *,
    device: str = "auto",
    dtype: str = "auto",
    adapters: Mapping[str, Path] | None = None,
) -> BatchRunner:
    """The model's stages in this process for many sequences at once, with a cache of so many blocks.

    Its own adapters are inside its weights. With `adapters`, by name and maybe more later, the base is
    left as it is and each sequence passes the one that it names.
    """
    place = pick_device(device)
    if adapters is None:
        return BatchRunner(own_stages(source, device=place, dtype=dtype, num_stages=1), n_blocks)
    base = source.own_base("its adapters are inside of weights of their own")
    (stage,) = own_stages(replace(source, adapters=()), device=place, dtype=dtype, num_stages=1)
    kind, where = stage.dtype, stage.device  # the stage itself would live as long as `load`

    def load(name: str) -> list[Products]:
        (shape,) = empty_stages(base.args)
        load_peft(adapters[name], [shape], name=name, base_digest=base.digest)
        return [adapter_products(shape, name, dtype=kind, device=where)]

    return BatchRunner([stage], n_blocks, load_adapter=load)
