# SPDX-License-Identifier: Apache-2.0
"""Parts of a model that its exports are made of, loaded when they are asked for."""

from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerFast

from node0.errors import ConfigError, NotFound
from node0.finetune.chat.profile import DeploymentProfile, load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.checkpoint.exporter import sample_prompts
from node0.finetune.checkpoint.gguf.smoke import RenderedPrompt
from node0.finetune.checkpoint.gguf.tensor_layout import context_length
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.finetune.checkpoint.peft import PeftAdapter, read_peft
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.inference.source import ModelSource
from node0.models.base_model import BaseModelDir
from node0.models.llama.arguments import LlamaArguments

_FOREIGN = (
    "this format is written for the families of our own blocks: export it as merged, and try llama.cpp's "
    "convert_hf_to_gguf.py DIR --outfile FILE on that directory"
)


@dataclass(frozen=True)
class ModelParts:
    """One model on its way into a format."""

    source: ModelSource

    @cached_property
    def weights(self) -> MergedWeights:
        """The model's weights.

        Raises:
            ConfigError: transformers computes it.
        """
        return MergedWeights(self.source.own_base(_FOREIGN), self.source.adapters)

    @cached_property
    def profile(self) -> DeploymentProfile | None:
        """How the role is asked."""
        return load_profile(self.source.role, self.source.profile) if self.source.role else None

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The model's tokenizer."""
        if self.source.tokenizer is None:
            raise NotFound(
                f"model {self.source.name} has no tokenizer; put its tokenizer.json beside the weights"
            )
        args = self.source.base.args
        return load_tokenizer(self.source.tokenizer, args.max_seq_len, model_vocab_size=args.vocab_size)

    @cached_property
    def renderer(self) -> Renderer:
        """What makes prompts."""
        return Renderer(self.tokenizer, self.profile)

    @cached_property
    def prompts(self) -> list[RenderedPrompt]:
        """What the smoke test asks."""
        return sample_prompts(self.renderer)

    @property
    def context(self) -> int:
        """Tokens of a prompt and its answer together."""
        args = self.source.base.args
        window = self.profile.context_window if self.profile else args.max_seq_len
        return min(window, context_length(args) if isinstance(args, LlamaArguments) else args.max_seq_len)

    @cached_property
    def adapter(self) -> PeftAdapter:
        """The one adapter.

        Raises:
            ConfigError: there is none, or more than one.
        """
        if (count := len(self.source.adapters)) != 1:
            raise ConfigError(
                f"model {self.source.name} has {count} adapters, this format holds one; export it as merged"
            )
        if isinstance(self.source.base, BaseModelDir):
            return self.weights.adapters[0]
        return read_peft(self.source.adapters[0], base_digest=self.source.base.digest, of_whole=True)
