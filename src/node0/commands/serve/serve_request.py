# SPDX-License-Identifier: Apache-2.0
"""What a person asks of `node0 serve`."""

from dataclasses import dataclass, field
from pathlib import Path

from node0.commands.finetune.remote_flags import RemoteFlags
from node0.commands.serve.model_offers import SourceChoice, named_models
from node0.commands.serve.retrieval_places import retrieval_places
from node0.finetune.rag.retriever import MAX_TOKENS


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What a person asked for."""

    models: tuple[str, ...]
    adapters: tuple[str, ...]
    role: str | None
    profile: Path | None
    engine: str
    engine_url: str | None
    engine_models: tuple[str, ...]
    engine_token_file: Path | None
    host: str
    port: int
    token_file: Path | None
    max_running: int
    max_waiting: int
    cache_bytes: int | None
    max_loaded: int | None
    max_bytes: int | None
    max_body: int
    max_seconds: float
    device: str
    dtype: str
    town: Path | None
    rag_dirs: tuple[str, ...] = ()
    "`[MODEL=]DIR`."

    rag_tokens: int = MAX_TOKENS
    remote: RemoteFlags = field(default_factory=RemoteFlags)
    "Stages at peers that hold the model."

    @property
    def choice(self) -> SourceChoice:
        """What is chosen for every model."""
        names = [*named_models(self.models), *named_models(self.models).values()]
        retrieval = retrieval_places(self.rag_dirs, names, max_tokens=self.rag_tokens)
        return SourceChoice(
            self.adapters, self.role, self.profile, self.device, self.dtype, self.town, retrieval
        )
