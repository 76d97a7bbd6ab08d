# SPDX-License-Identifier: Apache-2.0
"""Vectors from a sentence-embedding model in a Hugging Face directory, as sentence-transformers makes them.

Pooling over the last hidden states: the mean over real tokens, or the first token where
`1_Pooling/config.json` says so; then length 1. Where the directory names prompts for queries and documents,
they are put before the texts. Nothing is fetched, no code of it runs, only safetensors are read.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModel, AutoTokenizer

from node0.documents.json_document import value_of
from node0.errors import ConfigError, NotFound
from node0.files import sha256_of
from node0.finetune.rag.latent import Matrix

IDENTIFYING = ("*.safetensors", "config.json", "tokenizer.json", "1_Pooling/config.json")
POOLING = {"mean": "pooling_mode_mean_tokens", "first": "pooling_mode_cls_token"}
LONGEST, BATCH = 512, 32


class SentenceEmbedder:
    """A model in memory.

    Raises:
        NotFound: the directory holds no model and tokenizer that can be read.
        ConfigError: it pools in another way than those above.
    """

    def __init__(self, directory: Path) -> None:
        self.name = f"embedding model {directory.name}"
        self._pooling = _pooling(directory)
        self._prompts = _json(directory / "config_sentence_transformers.json").get("prompts") or {}
        self.identity = _identity(directory)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
            self._model = AutoModel.from_pretrained(
                directory, local_files_only=True, use_safetensors=True, dtype=torch.float32
            ).eval()
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise NotFound(
                f"no embedding model can be read from {directory} ({reason}); name another"
            ) from None
        self._longest = self._most_tokens(directory)

    @torch.inference_mode()
    def embed(self, texts: Sequence[str], *, query: bool = False) -> Matrix:
        """(texts, width) unit vectors; a text beyond the model's length is cut."""
        prompt = self._prompt(query=query)
        parts = [
            self._batch([prompt + text for text in texts[start : start + BATCH]])
            for start in range(0, len(texts), BATCH)
        ]
        width = int(self._model.config.hidden_size)
        pooled = torch.cat(parts) if parts else torch.zeros(0, width)
        return torch.nn.functional.normalize(pooled, dim=-1).numpy()

    def _batch(self, texts: list[str]) -> torch.Tensor:
        coded = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        hidden: torch.Tensor = self._model(**coded).last_hidden_state  # (batch, seq, width)
        if self._pooling == "first":
            return hidden[:, 0]
        real: torch.Tensor = coded["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        return (hidden * real).sum(1) / real.sum(1).clamp(min=1)

    def _prompt(self, *, query: bool) -> str:
        names = ("query",) if query else ("document", "passage")
        return str(next((self._prompts[name] for name in names if self._prompts.get(name)), ""))

    def _most_tokens(self, directory: Path) -> int:
        told = _json(directory / "sentence_bert_config.json").get("max_seq_length")
        limits = (told, self._tokenizer.model_max_length, self._model.config.max_position_embeddings)
        return min([LONGEST, *(int(limit) for limit in limits if limit)])


def _identity(directory: Path) -> str:
    """sha256, in hex, of the files that decide what the vectors are."""
    files = sorted(path for pattern in IDENTIFYING for path in directory.glob(pattern))
    told = [f"{path.relative_to(directory)} {sha256_of(path)}" for path in files]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _pooling(directory: Path) -> str:
    said = _json(directory / "1_Pooling" / "config.json")
    on = {name for name, value in said.items() if name.startswith("pooling_mode_") and value is True}
    for pooling, name in POOLING.items():
        if on == {name} or (not on and pooling == "mean"):
            return pooling
    raise ConfigError(f"{directory} pools by {', '.join(sorted(on))}: use a model with mean or cls pooling")


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = value_of(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read ({error}): repair it, or name another model") from None
    return content if isinstance(content, dict) else {}
