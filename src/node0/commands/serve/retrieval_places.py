# SPDX-License-Identifier: Apache-2.0
"""Which served model is given excerpts of which index."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from node0.errors import ConfigError
from node0.finetune.chat.render import Renderer
from node0.finetune.rag.request_context import ContextOf, open_context
from node0.finetune.rag.retriever import MAX_TOKENS

EVERY_MODEL = ""


@dataclass(frozen=True, slots=True)
class RetrievalPlaces:
    """Directories of indexes by model; without any, no model retrieves."""

    places: Mapping[str, Path] = field(default_factory=dict)
    "By an id, or by a registered name for all its versions; `EVERY_MODEL` for those that have none."

    max_tokens: int = MAX_TOKENS
    "Of what one request is given."

    def context_for(self, names: Iterable[str], renderer: Renderer) -> ContextOf | None:
        """What retrieves for the model that answers to these names.

        Raises:
            NotFound: there is no index where one was named.
        """
        for name in (*names, EVERY_MODEL):
            if name in self.places:
                return open_context(self.places[name], renderer, max_tokens=self.max_tokens)
        return None


NOWHERE = RetrievalPlaces()


def retrieval_places(texts: Sequence[str], models: Iterable[str], *, max_tokens: int) -> RetrievalPlaces:
    """What `--rag-dir [MODEL=]DIR` says, once or more.

    Raises:
        ConfigError: a model is named that is not served, or one twice.
    """
    places: dict[str, Path] = {}
    known = {part for name in models for part in (name, name.partition("@")[0], name.partition(":")[0])}
    for text in texts:
        name, split, place = text.partition("=")
        if Path(text).is_dir() or not split:
            name, place = EVERY_MODEL, text
        if name in places:
            raise ConfigError(f"--rag-dir is given twice for {name or 'all models'}: give it once")
        if name and name not in known:
            raise ConfigError(
                f"--rag-dir names model {name[:80]!r}, which is not served: name one of --model"
            )
        places[name] = Path(place)
    return RetrievalPlaces(places, max_tokens)
