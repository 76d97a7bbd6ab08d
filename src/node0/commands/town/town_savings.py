# SPDX-License-Identifier: Apache-2.0
"""What versions of ours did in the place of other agents, by the corpus and the deployments of a town."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.breaker.attribution import answered
from node0.commands.known_role import require_role
from node0.commands.model.open_registry import open_registry
from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.schema import HARNESS_SOURCES
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.gastown.upkeep.savings import (
    Attributed,
    BilledTokens,
    RoleSavings,
    SavingsSettings,
    WorkDone,
    billed_tokens,
    savings,
)
from node0.finetune.registry.canaries import CanaryLog
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.store import ModelRegistry
from node0.settings import read_block
from node0.town import Town

logger = logging.getLogger(__name__)


def show(root: Path | None, *, as_json: bool) -> None:
    """Print a row for each role in which a version of ours had a session."""
    with open_registry(root) as (registry, town):
        found = town_savings(town, registry)
    if as_json:
        console.emit([one.model_dump() for one in found], as_json=True)
    elif found:
        console.emit([row(one) for one in found], as_json=False)
    else:
        console.note("no session of a version of ours was collected; see: node0 town rollout")


def town_savings(town: Town, registry: ModelRegistry) -> list[RoleSavings]:
    """A record for each role in which a version of ours had a session.

    Raises:
        ConfigError: the town's settings of ours cannot be read.
        NotFound: they have rates for a role that nobody has.
    """
    settings = read_block(SavingsSettings, town.model_settings_file, block="savings")
    for role in settings.rates:
        require_role(role, town)
    rows = DeploymentLog(registry.store).list()
    store = CorpusStore(town)
    headers = (header for header in store.headers() if header.source in HARNESS_SOURCES) if rows else ()
    told = answered(headers, rows, CanaryLog(registry.store).list())
    entries = [Attributed(header, version) for header, _, version in told]
    return savings(entries, settings, _billed(store, entries, settings))


def row(one: RoleSavings) -> dict[str, Any]:
    """What a table says of a role: ours beside the others."""
    return {
        "ROLE": one.role,
        "OURS": one.ours.sessions,
        "TOKENS": one.ours.tokens,
        "SUCCEEDED": _share(one.ours),
        "OTHERS": one.others.sessions,
        "THEIR TOKENS": one.others.tokens,
        "THEY SUCCEEDED": _share(one.others),
        "PRICE": one.priced,
    }


def _share(work: WorkDone) -> str:
    if work.share is None:
        return "-"
    return f"{work.share:.0%} [{work.low:.0%}, {work.high:.0%}] of {work.known}"


def _billed(
    store: CorpusStore, entries: Sequence[Attributed], settings: SavingsSettings
) -> dict[str, BilledTokens]:
    """Tokens of entries that ours answered, by id, where there are rates: only these are read whole."""
    found = {}
    for header, version in entries:
        if version and settings.of(header.role) is not None:
            try:
                found[header.id] = billed_tokens(store.get(header.id))
            except (BadCorpus, NotFound) as error:
                logger.warning("not priced: %s", error)
    return found
