# SPDX-License-Identifier: Apache-2.0
"""The short prime of an agent: by the version at work behind it, its tokenizer, and the town's index."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from node0.commands.lazy import when_called
from node0.finetune.chat.profile import load_profile
from node0.finetune.gastown.short_prime import CONTEXT_CHARS, CONTEXT_TOKENS, Count, Retrieve, short_prime
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import DeploymentState
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.model_files import PROFILE, TOKENIZER
from node0.town import Town

if TYPE_CHECKING:
    from node0.finetune.rag import retriever
else:
    # It brings packages that a town without an index need not have.
    retriever = when_called("node0.finetune.rag.retriever")

N_RESULTS = 4


def text_for(full: str, agent: str, town: Town) -> str:
    """The prime of an agent; gt's own where no version of ours is at work as this agent.

    Raises:
        Node0Error: registry, profile or index cannot be read.
    """
    entry = _at_work(agent, town)
    if entry is None:
        return full
    profile_file = Path(entry.artifact_path) / PROFILE
    profile = load_profile(entry.role, profile_file if profile_file.is_file() else None)
    count = _counter(entry)
    return short_prime(full, profile, count=count, retrieve=_retriever(town, count))


def _at_work(agent: str, town: Town) -> ModelRegistryEntry | None:
    with closing(ModelRegistry(town, create=False)) as registry:
        rows = DeploymentLog(registry.store).list(DeploymentState.ACTIVE)
        row = next((row for row in rows if row.agent == agent), None)
        return registry.require(row.spelled) if row is not None else None


def _counter(entry: ModelRegistryEntry) -> Count:
    """Counts as the version's tokenizer does; without one that can be read, bytes, which are no fewer."""
    places = (Path(entry.artifact_path) / TOKENIZER, Path(entry.base_model) / TOKENIZER)
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        return _bytes
    try:
        from tokenizers import Tokenizer  # comes with the extra that trains; the registry works without
    except ImportError:
        return _bytes
    tokenizer = Tokenizer.from_file(str(file))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _bytes(text: str) -> int:
    return len(text.encode())


def _retriever(town: Town, count: Count) -> Retrieve:
    """Asks the town's index; nothing where there is none."""
    if not town.rag.is_dir() or not any(town.rag.iterdir()):
        return lambda question: ""
    index = retriever.RAGRetriever(
        town.rag, max_tokens=CONTEXT_TOKENS, count=lambda text: _no_longer(text, count)
    )
    return lambda question: index.retrieve(question, N_RESULTS)


def _no_longer(text: str, count: Count) -> int:
    """Tokens; more than there is room for where the characters are."""
    return count(text) if len(text) <= CONTEXT_CHARS else CONTEXT_TOKENS + 1
