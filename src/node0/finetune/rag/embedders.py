# SPDX-License-Identifier: Apache-2.0
"""What gives chunks their vectors: a sentence-embedding model, an analysis of the index, or nothing."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from node0.errors import ConfigError, NotFound
from node0.finetune.rag.latent import Matrix
from node0.store.chunk_store import ChunkStore

LATENT, NONE = "latent", "none"
"Words that stand in the place of a model's directory."

MODEL_FACT, IDENTITY_FACT, LATENT_FACT = "embedder", "embedder identity", "latent"
"Facts of a store: what was asked for, of what the vectors are made, and the analysis."


class Embedder(Protocol):
    """Texts to unit vectors."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Matrix:
        """(texts, width) float32, of length 1 or 0. A query may be coded in another way than a text."""
        ...


def load_sentence_embedder(directory: Path) -> tuple[str, Embedder]:
    """The identity of a Hugging Face directory's model, and the model.

    Raises:
        NotFound: there is no such directory, or no model in it.
        ConfigError: `transformers` is not installed, or the model pools in a way that is not known here.
    """
    if not directory.is_dir():
        raise NotFound(f"no embedding model in {directory}: name its directory with --embedder")
    if find_spec("transformers") is None or find_spec("torch") is None:
        raise ConfigError("an embedding model needs the extra finetune: pip install '.[finetune]'")
    from node0.finetune.rag import sentence_embedder  # torch takes seconds, and most indexes do without

    embedder = sentence_embedder.SentenceEmbedder(directory)
    return embedder.identity, embedder


def wanted_embedder(store: ChunkStore) -> str:
    """What an index was told to use: `latent`, `none`, or a model's directory."""
    return (store.fact(MODEL_FACT) or LATENT.encode()).decode()
