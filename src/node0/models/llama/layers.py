# SPDX-License-Identifier: Apache-2.0
"""The stages of a Llama: head (embeds), body, tail (predicts), and solo (all of it).

Layers and tensors carry their names in the whole model, so that a tensor is the same whatever
the split. Between stages goes the residual stream; the final norm belongs to the tail.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from node0.errors import ConfigError
from node0.lora.adapter import apply_lora, lora_layers
from node0.lora.linear import keyed_generator
from node0.lora.lora_config import LoRAConfig
from node0.lora.trainable import is_adapter_weight
from node0.models.block_cache import BlockCache, PanelCache
from node0.models.device import moved
from node0.models.kv_cache import KVCache, SequenceCache
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.attention import training_layout
from node0.models.llama.blocks import BatchStep, Context, RMSNorm, TransformerBlock
from node0.models.llama.decode import DecodeLayer
from node0.models.llama.head_loss import head_logps, head_loss
from node0.models.llama.packed_layers import pack_matrices
from node0.models.llama.rope import RotaryEmbedding, head_dim
from node0.models.llama.varlen_attention import usable
from node0.models.loss import IGNORE
from node0.models.stage import Recompute, Stage

BatchLayers = Callable[[Tensor, Tensor, Tensor], Tensor]
"Rows of the stream, float32, with cos and sin of their positions, through a stage's layers."


class LlamaStage(Stage):
    """A run of layers; the base of all four kinds and of itself a body.

    Fresh weights depend on `seed` and each tensor's name alone. On the meta device none are drawn.
    """

    def __init__(self, model_args: LlamaArguments, *, seed: int = 0) -> None:
        super().__init__()
        args = self.args = model_args
        if self.has_embedding:
            self.tok_embeddings = nn.Embedding(args.vocab_size, args.hidden_dim)
        indices = range(args.first_layer, args.first_layer + args.num_hidden_layers)
        self.layers = nn.ModuleDict({str(index): TransformerBlock(args, index) for index in indices})
        self._decode_layers: list[DecodeLayer] = []
        self.rope = RotaryEmbedding(args)
        if self.has_head:
            self.norm = RMSNorm(args.hidden_dim, args.norm_eps)
            self.output = nn.Linear(args.hidden_dim, args.vocab_size, bias=False)
        if self.has_embedding and self.has_head and args.tie_embeddings:
            self.output.weight = self.tok_embeddings.weight
        self.init_weights(seed)
        if args.lora_rank is not None:
            apply_lora(self, _lora_config(args), seed=seed)

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:
        """Draw fresh weights: normal matrices, zero biases, unit norms."""
        for name, parameter in self.named_parameters():
            if parameter.is_meta or is_adapter_weight(name):
                continue
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.dim() == 1:
                parameter.fill_(1.0)
            else:
                parameter.copy_(fresh_tensor(name, parameter.shape, self.args, seed))

    @property
    def tied_ends(self) -> bool:
        """Whether the LM head, on the last stage, is the table of the first."""
        return self.args.tie_embeddings and self.has_embedding != self.has_head

    def new_cache(self, max_length: int, *, batch_size: int = 1) -> KVCache:
        """An empty cache for one session of at most `max_length` tokens on this stage."""
        args = self.args
        return KVCache(
            args.num_hidden_layers,
            max_length,
            n_kv_heads=args.n_kv_heads or args.n_heads,
            head_dim=head_dim(args),
            first_layer=args.first_layer,
            batch_size=batch_size,
            dtype=cache_dtype(self.device, self.dtype),
            device=self.device,
        )

    def new_block_cache(self, n_blocks: int) -> BlockCache:
        """An empty cache of so many blocks, for any number of sequences on this stage."""
        args = self.args
        return BlockCache(
            args.num_hidden_layers,
            n_blocks,
            n_kv_heads=args.n_kv_heads or args.n_heads,
            head_dim=head_dim(args),
            first_layer=args.first_layer,
            dtype=cache_dtype(self.device, self.dtype),
            device=self.device,
        )

    def new_panel_cache(self, n_blocks: int) -> PanelCache:
        """As `new_block_cache`, for compiled attention."""
        args = self.args
        return PanelCache(
            args.num_hidden_layers,
            n_blocks,
            n_kv_heads=args.n_kv_heads or args.n_heads,
            head_dim=head_dim(args),
            first_layer=args.first_layer,
        )

    def join_projections(self) -> None:
        """Lay matrices of the same input together, for generation alone: names and adapters are gone then.

        Raises:
            ConfigError: an adapter is on.
        """
        if next(lora_layers(self), None) is not None:
            raise ConfigError("adapted layers cannot be joined; put the adapter inside the weights first")
        for block in self.blocks():
            block.attention.join_projections()
            block.feed_forward.join_projections()
        self._read_layers()

    def pack_matrices(self) -> None:
        """Lay joined matrices out as the processor's library reads them; their values cannot be read then."""
        self._decode_layers = []  # they would keep the plain matrices
        pack_matrices(self)
        self._read_layers()

    def forward_hidden(
        self,
        x: Tensor,
        positions: Tensor,
        cache: SequenceCache | None = None,
        *,
        recompute: Recompute | None = None,
    ) -> Tensor:
        """As `Stage.forward_hidden`; one token alone with a cache goes through joined layers in float32."""
        hidden = self.tok_embeddings(x) if self.has_embedding else x.to(self.dtype)
        context = self._context(positions, cache)
        if self._decode_layers and cache is not None and positions.numel() == 1:
            return self._decode(hidden, context)
        for layer in self.layers.values():
            if recompute is not None and torch.is_grad_enabled() and recompute():
                hidden = checkpoint(layer, hidden, context, use_reentrant=False, preserve_rng_state=False)
            else:
                hidden = layer(hidden, context)
        return hidden

    def forward_batch(self, x: Tensor, positions: Tensor, layers: BatchLayers) -> Tensor:
        """The residual stream of new tokens of several sequences, whose projections are joined.

        x: int64 ids (1, rows) where the stage embeds, else the stream (1, rows, hidden) of the stage before.
        positions: int64 (1, rows), below `max_seq_len`. layers: `run_layers`, or what is compiled for it.
        """
        hidden = self.tok_embeddings(x) if self.has_embedding else x
        cos, sin = self.rope(positions, self.args.max_seq_len)
        return layers(hidden.float(), cos, sin).to(self.dtype)

    def run_layers(self, hidden: Tensor, cos: Tensor, sin: Tensor, *, batch: BatchStep) -> Tensor:
        """Rows of the stream (1, rows, hidden), float32, through all layers by torch's own products."""
        return self._decode(hidden, Context(cos, sin, batch=batch))

    def blocks(self) -> list[TransformerBlock]:
        """The layers in their order."""
        return [cast(TransformerBlock, layer) for layer in self.layers.values()]

    def _read_layers(self) -> None:
        self._decode_layers = [DecodeLayer(block) for block in self.blocks()]

    def _decode(self, hidden: Tensor, context: Context) -> Tensor:
        wide = hidden.float()
        for layer in self._decode_layers:
            wide = layer(wide, context)
        return wide.to(self.dtype)

    def _context(self, positions: Tensor, cache: SequenceCache | None) -> Context:
        device = self.device
        if cache is None:
            cos, sin = self.rope(moved(positions, device), positions.shape[1])
            in_one_call = usable(device, self.dtype, head_dim(self.args))
            window = self.args.sliding_window
            layout = training_layout(positions, window, device=device, in_one_call=in_one_call)
            return Context(cos, sin, layout=layout)
        cos, sin = self.rope(positions, len(cache) + positions.shape[1])
        return Context(cos, sin, cache=cast(KVCache, cache))

    def forward(self, hidden: Tensor) -> Tensor:
        """`forward_hidden` of rows that each hold one document."""
        return self.forward_hidden(hidden, _positions(hidden))


class _HeadMixin(LlamaStage):
    """The LM head of a tail."""

    has_head = True

    def logits(self, hidden: Tensor) -> Tensor:
        """float32 (..., vocab) of any rows of the residual stream (..., hidden)."""
        return self.output(self.norm(hidden)).float()  # type: ignore[no-any-return]  # calls of modules are Any

    def chunked_loss(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, int]:
        """Sum of cross-entropies over supervised positions (float32 scalar), and their number.

        hidden (batch, tokens, hidden), labels int64 (batch, tokens) with IGNORE elsewhere, best on the host,
        where they are counted. The head sees supervised rows only and no tensor of all their logits exists.
        """
        rows, targets, _ = self._supervised(hidden, labels)
        return head_loss(rows, self.output.weight, targets), targets.shape[0]

    def label_logps(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """Log probability of each label, float32 (batch, tokens), 0 where IGNORE. Differentiable."""
        rows, targets, where = self._supervised(hidden, labels)
        logps = head_logps(rows, self.output.weight, targets)
        flat = torch.zeros(labels.numel(), dtype=torch.float32, device=hidden.device)
        return flat.index_put((where,), logps).view(labels.shape)

    def _supervised(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normed rows (n, hidden), their labels (n,), their places among all rows (n,)."""
        flat = labels.flatten()
        where = (flat != IGNORE).nonzero().squeeze(1)
        targets = moved(flat.index_select(0, where), hidden.device)
        where = moved(where, hidden.device)
        return self.norm(hidden.flatten(0, 1).index_select(0, where)), targets, where


class HeadExpert(LlamaStage):
    """First stage: ids (batch, tokens) to the residual stream."""

    has_embedding = True


class BodyExpert(LlamaStage):
    """Middle stage: residual stream to residual stream."""


class TailExpert(_HeadMixin):
    """Last stage: residual stream and labels to the loss of each token."""

    def forward(self, hidden: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]  # as the plan has it
        """Cross-entropy per token, float32 (batch, tokens), 0 where the label is IGNORE."""
        return -self.label_logps(self.forward_hidden(hidden, _positions(hidden)), labels)


class SoloExpert(_HeadMixin):
    """The whole model in one stage."""

    has_embedding = True

    def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits, float32 (batch, tokens, vocab), or with labels the loss of each token (batch, tokens)."""
        hidden = self.forward_hidden(input_ids, _positions(input_ids))
        return self.logits(hidden) if labels is None else -self.label_logps(hidden, labels)


def fresh_tensor(name: str, shape: torch.Size, args: LlamaArguments, seed: int) -> Tensor:
    """float32 normal draws for a tensor, from its name in the whole model."""
    # Tied copies at both ends of the pipeline are one tensor.
    key = "tok_embeddings.weight" if args.tie_embeddings and name == "output.weight" else name
    generator = keyed_generator("init", seed, key)
    return torch.empty(shape, dtype=torch.float32).normal_(std=args.init_std, generator=generator)


def cache_dtype(device: torch.device | str, dtype: torch.dtype) -> torch.dtype:
    """Type of keys and values of a stage: a processor attends in float32 several times faster."""
    return torch.float32 if torch.device(device).type == "cpu" else dtype


def _positions(x: Tensor) -> Tensor:
    return torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)


def _lora_config(args: LlamaArguments) -> LoRAConfig:
    return LoRAConfig(
        rank=args.lora_rank or 1,
        alpha=args.lora_alpha,
        dropout=args.lora_dropout,
        target_modules=args.lora_target_modules,
    )
