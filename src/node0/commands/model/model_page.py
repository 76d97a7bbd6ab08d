# SPDX-License-Identifier: Apache-2.0
"""The page of one version: what it is, where it comes from, how good it is, where it is at work."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from node0.commands.model.cells import DIGEST, NOTHING, alias_names
from node0.finetune.corpus.staleness import Staleness
from node0.finetune.registry.deployments import Deployment
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import Alias
from node0.town import Town

WIDTH = 80
LABEL = 14
"Columns of the labels at the left."


class ModelPage(NamedTuple):
    """What is known of one version."""

    entry: ModelRegistryEntry
    aliases: Sequence[Alias]
    evaluations: Sequence[Evaluation]
    at_work: Sequence[Deployment]
    problems: Sequence[str]
    staleness: Staleness | None = None

    def text(self, town: Town) -> str:
        """Lines of at most 80 columns."""
        lines = [self.entry.spelled]
        for label, value in self.facts(town):
            lines += textwrap.wrap(
                value or NOTHING,
                WIDTH,
                initial_indent=f"  {label:<{LABEL}}",
                subsequent_indent=" " * (LABEL + 2),
                break_on_hyphens=False,
            )
        return "\n".join(lines) + "\n"

    def facts(self, town: Town) -> Iterator[tuple[str, str]]:
        """What the page says, each with its label."""
        entry = self.entry
        size = sum(file.size for file in entry.artefacts)
        yield "role", entry.role
        yield "status", f"{entry.deployment_status}, {alias_names(self.aliases)}"
        yield "base", f"{Path(entry.base_model).name or 'none'} {entry.base_digest[:DIGEST]}"
        yield "corpus", entry.corpus_hash[:DIGEST]
        yield "trained from", entry.parent or "no registered version"
        yield "registered", entry.created_at
        yield "program", entry.code_version
        yield "scrub rules", entry.scrub_version
        yield "files", f"{len(entry.artefacts)}, {size:,} bytes in {_below(town, entry.artifact_path)}"
        yield "intact", f"no: {self.problems[0]}" if self.problems else "yes, signed"
        yield "staleness", str(self.staleness) if self.staleness is not None else ""
        for one in self.evaluations:
            yield f"eval {one.suite}"[: LABEL - 1], _score(one)
        for row in self.at_work:
            yield "at work", _where(row)


def _below(town: Town, path: str) -> str:
    root = town.root.resolve()
    return Path(path).relative_to(root).as_posix() if Path(path).is_relative_to(root) else path


def _score(one: Evaluation) -> str:
    bounds = f" [{one.low:.3f}, {one.high:.3f}]" if one.low is not None and one.high is not None else ""
    return f"{one.score:.3f}{bounds}, {one.items} items, {one.at[:10]}"


def _where(row: Deployment) -> str:
    place = f"rig {', '.join(row.rigs)}" if row.rigs else "the town"
    forced = f", forced: {row.reason}" if row.forced else ""
    since = f"since {row.started_at[:16]} by {row.actor}"
    return f"in {place} as {row.agent} at {row.endpoint.get('url')} {since}{forced}"
