# SPDX-License-Identifier: Apache-2.0
"""What a server offers: models by their ids, how each is loaded, and what stands between it and text."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node0.commands.known_role import require_role
from node0.commands.serve.retrieval_places import NOWHERE, RetrievalPlaces
from node0.errors import ConfigError, NotFound
from node0.finetune.inference.loading import find_source, load_speech
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.served_models import ServedModel

_ID = re.compile(r"[A-Za-z0-9][\w.:@/+-]{0,127}")


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """What is chosen for all models of a server."""

    adapters: tuple[str, ...]
    role: str | None
    profile: Path | None
    device: str
    dtype: str
    town: Path | None
    retrieval: RetrievalPlaces = NOWHERE

    def find(self, name: str) -> ModelSource:
        """The model of this name, checked."""
        return find_source(name, town=self.town, adapters=self.adapters)


@dataclass(slots=True)
class Offer:
    """One model, however many ids stand for it."""

    source: ModelSource
    ids: list[str]
    engine_name: str


def named_models(models: Sequence[str]) -> dict[str, str]:
    """Ids under which models are offered, and the names by which they are found.

    Raises:
        ConfigError: an id is given twice, or cannot be one.
    """
    found: dict[str, str] = {}
    for text in models:
        name, split, source = text.partition("=")
        if Path(text).is_dir():
            name, source = Path(text).resolve().name, text
        elif not split:
            source = text
        if not _ID.fullmatch(name):
            raise ConfigError(f"{name[:80]!r} is no model id; name one with --model ID={source}")
        if name in found:
            raise ConfigError(f"two models are called {name}; name one with --model ID={source}")
        found[name] = source
    return found


def is_alias(name: str) -> bool:
    """Whether a name is `NAME@ALIAS`, which stands for one version after the other."""
    return "@" in name and os.sep not in name


def registered_name(source: ModelSource) -> str | None:
    """The name whose version this is; None for what lies in a directory."""
    is_version = not Path(source.name).is_dir() and os.sep not in source.name and ":" in source.name
    return source.name.rpartition(":")[0] if is_version else None


def offers(
    named: Mapping[str, str], sources: Mapping[str, ModelSource], engine_models: Sequence[str]
) -> list[Offer]:
    """The models to start with, each once; an alias is no id of the version for which it stands now."""
    found: dict[str, Offer] = {}
    for number, (own_id, source) in enumerate(sources.items()):
        version = [source.name] if registered_name(source) else []
        ids = version if is_alias(named[own_id]) else [own_id, *version]
        engine_name = engine_models[number] if engine_models else ids[0]
        offer = found.setdefault(source.name if version else own_id, Offer(source, [], engine_name))
        offer.ids = list(dict.fromkeys([*offer.ids, *ids]))
    return list(found.values())


def served_model(offer: Offer, choice: SourceChoice, *, context: int | None = None) -> ServedModel:
    """The model as clients see it; `context` where it is not the model's own.

    Raises:
        NotFound: it has no tokenizer, or nobody has the role that it is to answer as.
    """
    source = offer.source
    speech = load_speech(source, role=choice.role, profile=choice.profile)
    if choice.profile is None:
        require_role(choice.role, choice.town, [source.role] if source.role else [])
    tokenizer, args = speech.tokenizer, source.base.args
    if tokenizer is None or speech.renderer is None:
        raise NotFound(f"model {source.name} has no tokenizer; put its tokenizer.json beside the weights")

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    return ServedModel(
        ids=tuple(offer.ids),
        engine_name=offer.engine_name,
        renderer=speech.renderer,
        decode=decode,
        context=args.max_seq_len if context is None else context,
        vocab_size=args.vocab_size,
        created=int(time.time()),
        context_of=choice.retrieval.context_for(
            [*offer.ids, registered_name(source) or source.name], speech.renderer
        ),
    )
