# SPDX-License-Identifier: Apache-2.0
"""Commands that look at models: list, show, adapters, verify, history, diff."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.model.cells import DIGEST, NOTHING, alias_names, base_name, clipped, facts
from node0.commands.model.model_page import ModelPage
from node0.commands.model.open_registry import entries_of, open_deployer, open_registry
from node0.finetune.corpus.staleness import ConventionStalenessTracker
from node0.finetune.registry.comparison import differences
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import Deployment, DeploymentState
from node0.finetune.registry.model_events import ModelEvent
from node0.finetune.registry.publish import CONVENTIONS
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.signatures import integrity
from node0.finetune.registry.states import Alias
from node0.settings import leaves
from node0.town import Town

REASON, WHO, WHAT, VALUE = 26, 8, 26, 18
"Widths of cells; `--json` has everything."


def list_models(town: Path | None, *, role: str | None, as_json: bool) -> None:
    """Print every version, or those for one role, newest first."""
    with open_registry(town) as (registry, _):
        entries, names = entries_of(registry, role), registry.aliases()
    if as_json:
        rows = [_with_aliases(entry, names.get((entry.name, entry.version), [])) for entry in entries]
        console.emit(rows, as_json=True)
    elif entries:
        rows = [model_row(entry, names.get((entry.name, entry.version), [])) for entry in entries]
        console.emit(rows, as_json=False)
    else:
        of_role = f" for {role}" if role else ""
        console.note(f"no model is registered{of_role}; see: node0 model register --help")


def show_model(name: str, town: Path | None, *, everything: bool, as_json: bool) -> None:
    """Print one version as a page."""
    page, place = model_page(name, town)
    entry = page.entry
    if as_json:
        record = _with_aliases(entry, page.aliases) | {
            "evaluations": [one.model_dump(mode="json") for one in page.evaluations],
            "deployments": [row.model_dump(mode="json") for row in page.at_work],
            "problems": list(page.problems),
            "staleness": None if page.staleness is None else page.staleness.composite,
        }
        console.emit([record], as_json=True)
        return
    console.show(page.text(place))
    if everything:
        kept = {key: value for key, value in entry.training_config.items() if key != CONVENTIONS}
        rows = [{"setting": key, "value": value} for key, value in leaves(kept)]
        console.emit(rows, as_json=False, title="settings")
        console.emit([file.model_dump() for file in entry.artefacts], as_json=False, title="files")


def model_page(name: str, town: Path | None) -> tuple[ModelPage, Town]:
    """All that is known of one version, and its town.

    Raises:
        NotFound: there is no such version.
    """
    with open_deployer(town) as (deployer, registry, place):
        entry = registry.require(name)
        names = registry.aliases().get((entry.name, entry.version), [])
        at_work = _at_work(DeploymentLog(registry.store), entry)
        problems = [*registry.problems(entry), *deployer.disagreements(at_work)]
        staleness = ConventionStalenessTracker(registry, place).of(entry)
        return ModelPage(entry, names, registry.evaluations(entry), at_work, problems, staleness), place


def list_adapters(town: Path | None, *, role: str | None, as_json: bool) -> None:
    """Print every version that is an adapter, with its base."""
    with open_registry(town) as (registry, _):
        entries = [entry for entry in entries_of(registry, role) if entry.lora_adapters]
    rows = [_adapter_row(entry) for entry in entries]
    if rows or as_json:
        console.emit(rows, as_json=as_json)
    else:
        console.note("no adapter is registered; see: node0 model register --help")


def verify(name: str, town: Path | None, *, sign: bool, as_json: bool) -> int:
    """Compare row and files of a version with what was registered; 1 when one differs."""
    with open_registry(town) as (registry, _):
        entry = registry.require(name)
        if sign and not integrity.file_problems(entry):
            entry = registry.sign(name)
        found = registry.problems(entry)
    if as_json:
        console.emit([{"model": entry.spelled, "problem": line} for line in found], as_json=True)
        return console.FAILED if found else 0
    for line in found:
        console.note(f"{entry.spelled}: {line}")
    if not found:
        signed = f"signed by {entry.signer[:DIGEST]}"
        console.note(f"{entry.spelled}: {len(entry.artefacts)} files are as registered, {signed}")
    return console.FAILED if found else 0


def history(name: str, town: Path | None, *, as_json: bool) -> None:
    """Print what happened to a model."""
    events = history_of(name, town)
    if as_json:
        console.emit([event.model_dump(mode="json") for event in events], as_json=True)
        return
    rows = [
        {
            "AT": event.at[:16],
            "VER": event.version,
            "WHO": clipped(event.actor, WHO),
            "WHAT": event.event,
            "WHY": clipped(event.reason or facts(event.detail), REASON),
        }
        for event in events
    ]
    console.emit(rows, as_json=False)


def history_of(name: str, town: Path | None) -> Sequence[ModelEvent]:
    """What happened to a model or to one version of it, oldest first.

    Raises:
        NotFound: nothing did, and there is no such version.
    """
    with open_registry(town) as (registry, _):
        events = registry.history(name)
        if not events:
            registry.require(name)
    return events


def diff(first: str, second: str, town: Path | None, *, as_json: bool) -> None:
    """Print what differs between two versions."""
    with open_registry(town) as (registry, _):
        before, after = registry.require(first), registry.require(second)
    found = list(differences(before, after))
    if as_json:
        console.emit([dict(one._asdict()) for one in found], as_json=True)
    elif found:
        rows = [_difference(*one, before=before.spelled, after=after.spelled) for one in found]
        console.emit(rows, as_json=False)
    else:
        console.note(f"{before.spelled} and {after.spelled} are alike")


def _at_work(log: DeploymentLog, entry: ModelRegistryEntry) -> Sequence[Deployment]:
    rows = log.list(DeploymentState.ACTIVE)
    return [row for row in rows if (row.name, row.version) == (entry.name, entry.version)]


def model_row(entry: ModelRegistryEntry, names: Iterable[Alias]) -> dict[str, Any]:
    """What the table says of a version."""
    return {
        "NAME": entry.name,
        "ROLE": entry.role,
        "BASE": base_name(entry.base_model),
        "VER": entry.version,
        "EVAL": NOTHING if entry.eval_score is None else f"{entry.eval_score:.2f}",
        "STATUS": entry.deployment_status.value,
        "ALIAS": alias_names(names),
    }


def _adapter_row(entry: ModelRegistryEntry) -> dict[str, Any]:
    lora = entry.training_config.get("lora") or {}
    return {
        "NAME": entry.name,
        "VER": entry.version,
        "ROLE": entry.role,
        "BASE": base_name(entry.base_model),
        "RANK": lora.get("rank", NOTHING) if isinstance(lora, Mapping) else NOTHING,
        "BYTES": sum(file.size for file in entry.artefacts if file.path.endswith(".safetensors")),
        "STATUS": entry.deployment_status.value,
    }


def _with_aliases(entry: ModelRegistryEntry, names: Iterable[Alias]) -> dict[str, Any]:
    return entry.model_dump(mode="json") | {"aliases": [alias.value for alias in names]}


def _difference(what: str, *values: object, before: str, after: str) -> dict[str, Any]:
    first, second = (clipped(NOTHING if value is None else value, VALUE) for value in values)
    return {"WHAT": clipped(what, WHAT), clipped(before, VALUE): first, clipped(after, VALUE): second}
