# SPDX-License-Identifier: Apache-2.0
"""The stage that holds a whole causal language model of transformers."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PretrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import logging as transformers_log

from node0.errors import BadCheckpoint, ConfigError
from node0.lora.adapter import lora_layers
from node0.lora.four_bit import FourBitLinear, is_packed
from node0.models.device import moved
from node0.models.hf.document_rows import forward_documents
from node0.models.hf.head import rows_to_logits, rows_to_logps
from node0.models.hf.hf_arguments import read_hf_config, unadaptable_paths, vocabulary_of
from node0.models.hf.hf_base import HFBase
from node0.models.hf.hf_cache import Continued, HFCache, Past, keeps_the_past, past_of
from node0.models.hf.packing_trial import keeps_documents_apart, packed_inputs
from node0.models.kv_cache import SequenceCache
from node0.models.loss import IGNORE
from node0.models.stage import Recompute, Stage

logger = logging.getLogger(__name__)


class HFStage(Stage):
    """A model of transformers as the one stage of a pipeline.

    Tensors carry the name that they have in the model, behind `model.`. The model itself is always in
    evaluation mode, so that nothing but the adapter's keyed dropout is random.
    """

    has_embedding = True
    has_head = True
    is_whole = True

    def __init__(self, model: PreTrainedModel, *, packs: bool) -> None:
        """Hold `model`, in which nothing is random.

        Args:
            model: with its weights.
            packs: whether it may be asked to keep the documents of a row apart; it is tried, and where it
                does not, each document passes as a row of its own.
        """
        super().__init__()
        self.model = model
        self._output: type[Any] = type(None)
        self._recompute: Recompute | None = None
        self._keeps: bool | None = None
        "Whether sequences may be continued through the model's own cache; None until it is tried."
        self._make_recomputable()
        self.eval()
        self.packs = packs and self._is_seen_to_pack()
        self.train()
        if packs and not self.packs:
            logger.warning("%s mixes packed documents: each passes as a row", model.config.model_type)

    def train(self, mode: bool = True) -> Self:
        """Let adapters drop features, and layers be recomputed, or not."""
        super().train(False)
        self.training = mode
        for module in self.modules():
            if isinstance(module, GradientCheckpointingLayer):
                module.training = mode
        for _, layer in lora_layers(self):
            layer.training = mode
        return self

    def forward_hidden(
        self,
        x: Tensor,
        positions: Tensor,
        cache: SequenceCache | None = None,
        *,
        recompute: Recompute | None = None,
    ) -> Tensor:
        """As `Stage.forward_hidden`, behind the model's final norm too."""
        if cache is not None:
            return cast(HFCache, cache).extend(x)
        self._recompute, positions = recompute, moved(positions, x.device)
        try:
            if self.packs:
                return self._forward(x, positions=positions)
            return forward_documents(self._forward, x, positions)
        finally:
            self._recompute = None

    def new_cache(self, max_length: int, *, batch_size: int = 1) -> HFCache:
        """An empty cache for one sequence; it grows, and is tried on the weights before the first one.

        Raises:
            ConfigError: for more than one sequence.
        """
        if batch_size != 1:
            raise ConfigError(f"a cache of transformers holds one sequence here, not {batch_size}; make more")
        if self._keeps is None:
            size = vocabulary_of(self.model)
            self._keeps = keeps_the_past(self._continue, size, self.dtype, self.device)
        return HFCache(self._continue, keeps=self._keeps)

    def logits(self, hidden: Tensor) -> Tensor:
        """float32 (..., vocab) of any rows of the residual stream (..., hidden)."""
        rows = rows_to_logits(self.model, self._output, hidden.reshape(-1, hidden.shape[-1]))
        return rows.view(*hidden.shape[:-1], -1)

    def chunked_loss(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, int]:
        """Sum of cross-entropies over supervised positions (float32 scalar), and their number."""
        logps, _ = self._supervised(hidden, labels)
        return -logps.sum(), logps.shape[0]

    def label_logps(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """Log probability of each label, float32 (batch, tokens), 0 where IGNORE. Differentiable."""
        logps, where = self._supervised(hidden, labels)
        flat = torch.zeros(labels.numel(), dtype=torch.float32, device=hidden.device)
        return flat.index_put((where,), logps).view(labels.shape)

    def _supervised(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities of the labels that there are (n,), and their places among all rows (n,)."""
        flat = labels.flatten()
        where = (flat != IGNORE).nonzero().squeeze(1)
        targets, where = moved(flat.index_select(0, where), hidden.device), moved(where, hidden.device)
        rows = hidden.flatten(0, 1).index_select(0, where)
        return rows_to_logps(self.model, self._output, rows, targets), where

    def _forward(self, ids: Tensor, *, positions: Tensor | None = None) -> Tensor:
        """Hidden (rows, tokens, width): each row one document, or packed where there are `positions`."""
        packed = {} if positions is None else packed_inputs(self.model, ids, positions)
        output = self.model.base_model(input_ids=ids, use_cache=False, return_dict=True, **packed)
        self._output = type(output)
        return output.last_hidden_state  # type: ignore[no-any-return]  # calls of modules are Any

    def _continue(self, ids: Tensor, past: Past) -> Continued:
        """Hidden (1, tokens, width) of ids (1, tokens) behind those that `past` has seen."""
        output = self.model.base_model(input_ids=ids, use_cache=True, return_dict=True, **past)
        self._output = type(output)
        return Continued(output.last_hidden_state, past_of(output))

    def _is_seen_to_pack(self) -> bool:
        return keeps_documents_apart(self._forward, vocabulary_of(self.model), self.dtype, self.device)

    def _make_recomputable(self) -> None:
        for module in self.model.modules():
            if isinstance(module, GradientCheckpointingLayer):
                # As `PreTrainedModel.gradient_checkpointing_enable` sets them, with a function of ours.
                vars(module).update(gradient_checkpointing=True, _gradient_checkpointing_func=self._one_layer)

    def _one_layer(self, layer: Callable[..., Any], *args: Any) -> Any:
        if self._recompute is not None and torch.is_grad_enabled() and self._recompute():
            return checkpoint(layer, *args, use_reentrant=False, preserve_rng_state=False)
        return layer(*args)


def load_hf_stage(
    base: HFBase,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    four_bit: bool = False,
) -> HFStage:
    """The stage with a base's weights.

    With `four_bit` the matrices that may be adapted are packed as they are read, each from `dtype`.

    Raises:
        BadCheckpoint: a tensor is missing or misshapen, or the model's head cannot be computed by itself.
    """
    model: Any = _model_of(base, dtype, packed_on=device if four_bit else None)
    if four_bit:
        _take_over_packed(model)
    else:
        model = model.to(device)
    _switch_dropout_off(model)
    stage = HFStage(model, packs=base.args.takes_positions)
    _refuse_odd_head(stage)
    return stage


def _model_of(base: HFBase, dtype: torch.dtype, *, packed_on: torch.device | str | None) -> PreTrainedModel:
    config = read_hf_config(base.path)
    try:
        with silently():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                base.path,
                config=config,
                dtype=dtype,
                **({} if packed_on is None else _packing(config, packed_on)),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadCheckpoint(
            f"{base.path}: transformers cannot load it ({reason}); download it again"
        ) from error
    model, found = loaded
    if missing := sorted(found["missing_keys"]):
        raise BadCheckpoint(
            f"{base.path} has no tensor {missing[0]}, which a {base.args.family} has; export it again"
        )
    return cast(PreTrainedModel, model)


def _packing(config: PretrainedConfig, device: torch.device | str) -> dict[str, Any]:
    """What has transformers pack each matrix as it reads it."""
    quantization = BitsAndBytesConfig(  # type: ignore[no-untyped-call]  # transformers types it not
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        llm_int8_skip_modules=unadaptable_paths(config),
    )
    return {"quantization_config": quantization, "device_map": {"": device}}


def _take_over_packed(model: nn.Module) -> None:
    """Put our layers around what was packed: theirs lay it out anew where they take a model to generate."""
    for path, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and is_packed(layer.weight):
            parent, _, child = path.rpartition(".")
            setattr(
                model.get_submodule(parent),
                child,
                FourBitLinear(cast(nn.Parameter, layer.weight), layer.bias),
            )


@contextmanager
def silently() -> Iterator[None]:
    """Let transformers draw no bars and report no tensors: what is missing, a run says in one line."""
    bars, level = transformers_log.is_progress_bar_enabled(), transformers_log.get_verbosity()
    transformers_log.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers types it not
    transformers_log.set_verbosity_error()  # type: ignore[no-untyped-call]  # transformers types it not
    try:
        yield
    finally:
        transformers_log.set_verbosity(level)
        if bars:
            transformers_log.enable_progress_bar()  # type: ignore[no-untyped-call]  # transformers types it not


def _switch_dropout_off(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


@torch.no_grad()
def _refuse_odd_head(stage: HFStage) -> None:
    """Compare logits of a few ids with those of the model's whole forward pass."""
    ids = torch.arange(4, device=stage.device)[None] % vocabulary_of(stage.model)
    hidden = stage.forward_hidden(ids, torch.arange(4, device=stage.device)[None])
    try:
        logits = stage.logits(hidden)
    except Exception as error:  # its own code may look for anything in what its layers give
        raise _odd(stage) from error
    whole = stage.model(input_ids=ids, use_cache=False).logits.float()
    if not torch.allclose(logits, whole, atol=1e-3 * float(whole.abs().max()), rtol=0.0):
        raise _odd(stage)


def _odd(stage: HFStage) -> BadCheckpoint:
    family = stage.model.config.model_type
    return BadCheckpoint(f"the LM head of a {family} cannot be computed by itself; take another base")
