# SPDX-License-Identifier: Apache-2.0
"""Commands that look at models: list, show, adapters, verify, history, diff, lineage, bom."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.model.open_registry import open_deployer, open_registry
from node0.files import write_atomically
from node0.finetune.corpus.retract_list import RetractList
from node0.finetune.registry import integrity, seen_entries
from node0.finetune.registry.comparison import differences
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import Deployment, DeploymentState
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.ml_bom import ml_bom
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import Alias
from node0.settings import leaves
from node0.town import Town

SHORT = 12
"Characters of a digest that a page shows."


def list_models(town: Path | None, *, role: str | None, as_json: bool) -> None:
    """Print every version, or those for one role, newest first."""
    with open_registry(town) as (registry, _):
        entries, names = registry.list(role), registry.aliases()
    if as_json:
        rows = [_with_aliases(entry, names.get((entry.name, entry.version), [])) for entry in entries]
        console.emit(rows, as_json=True)
    elif entries:
        rows = [_row(entry, names.get((entry.name, entry.version), [])) for entry in entries]
        console.emit(rows, as_json=False)
    else:
        of_role = f" for {role}" if role else ""
        console.note(f"no model is registered{of_role}; see: node0 model register --help")


def show_model(name: str, town: Path | None, *, everything: bool, as_json: bool) -> None:
    """Print one version as a page."""
    with open_deployer(town) as (deployer, registry, _):
        entry = registry.require(name)
        names = registry.aliases().get((entry.name, entry.version), [])
        found = registry.evaluations(entry)
        at_work = _at_work(DeploymentLog(registry.store), entry)
        problems = [*registry.problems(entry), *deployer.disagreements(at_work)]
    if as_json:
        page = _with_aliases(entry, names) | {
            "evaluations": [one.model_dump(mode="json") for one in found],
            "deployments": [row.model_dump(mode="json") for row in at_work],
            "problems": list(problems),
        }
        console.emit([page], as_json=True)
        return
    console.emit(list(_page(entry, names, found, at_work, problems)), as_json=False, title=entry.spelled)
    if everything:
        rows = [{"setting": key, "value": value} for key, value in leaves(entry.training_config)]
        console.emit(rows, as_json=False, title="settings")
        console.emit([file.model_dump() for file in entry.artefacts], as_json=False, title="files")


def list_adapters(town: Path | None, *, role: str | None, as_json: bool) -> None:
    """Print every version that is an adapter, with its base."""
    with open_registry(town) as (registry, _):
        entries = [entry for entry in registry.list(role) if entry.lora_adapters]
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
        signed = f"signed by {entry.signer[:SHORT]}"
        console.note(f"{entry.spelled}: {len(entry.artefacts)} files are as registered, {signed}")
    return console.FAILED if found else 0


def history(name: str, town: Path | None, *, as_json: bool) -> None:
    """Print what happened to a model."""
    with open_registry(town) as (registry, _):
        events = registry.history(name)
        if not events:
            registry.require(name)
    if as_json:
        console.emit([event.model_dump(mode="json") for event in events], as_json=True)
        return
    rows = [
        {
            "AT": event.at[:16],
            "VER": event.version,
            "WHO": event.actor,
            "WHAT": event.event,
            "WHY": event.reason or _shown(event.detail),
        }
        for event in events
    ]
    console.emit(rows, as_json=False)


def diff(first: str, second: str, town: Path | None, *, as_json: bool) -> None:
    """Print what differs between two versions."""
    with open_registry(town) as (registry, _):
        before, after = registry.require(first), registry.require(second)
    rows = [dict(found._asdict()) for found in differences(before, after)]
    if as_json or rows:
        title = f"{before.spelled} -> {after.spelled}"
        console.emit(rows, as_json=as_json, title=title)
    else:
        console.note(f"{before.spelled} and {after.spelled} are alike")


def lineage(name: str, town: Path | None, *, as_json: bool) -> None:
    """Print where a version comes from, back to the first one."""
    rows: list[dict[str, Any]] = []
    with open_registry(town) as (registry, _):
        entry: ModelRegistryEntry | None = registry.require(name)
        while entry is not None and len(rows) <= entry.version + 100:
            seen = seen_entries.counts(entry)
            rows.append(_origin(entry, seen))
            entry = registry.get(entry.parent) if entry.parent else None
    console.emit(rows, as_json=as_json, title=f"lineage of {name}")


def who_saw(entry_id: str | None, town: Path | None, *, as_json: bool) -> None:
    """Print which versions learned from an entry, or from any that was retracted since."""
    with open_registry(town) as (registry, place):
        ids, digests = _wanted(entry_id, place)
        found = [
            row for entry in registry.list() for row in seen_entries.seen_entries(entry, ids, digests=digests)
        ]
    rows = [dict(row._asdict()) for row in found]
    if as_json or rows:
        console.emit(rows, as_json=as_json)
    if not as_json:
        trained = sorted({row.model for row in found if row.split == "train"})
        todo = f"retrain: {', '.join(trained)}" if trained else "no registered version was trained on it"
        console.note(todo)


def bom(name: str, town: Path | None, *, output: Path | None) -> None:
    """Write the ML-BOM of a version."""
    with open_registry(town) as (registry, _):
        entry = registry.require(name)
        registry.require_whole(entry)
        content = ml_bom(entry, registry.evaluations(entry))
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        console.write(text)
    else:
        write_atomically(output, text, shared=True)
        console.note(f"wrote {output}")


def _wanted(entry_id: str | None, town: Town) -> tuple[set[str], set[str]]:
    """Ids and contents that are looked for: of one entry, or of all that were retracted."""
    retracted = RetractList(town.corpus).entries
    chosen = retracted if entry_id is None else {n: r for n, r in retracted.items() if n == entry_id}
    digests = {one.content_digest for one in chosen.values()}
    return {*chosen, *([entry_id] if entry_id is not None else [])}, digests


def _at_work(log: DeploymentLog, entry: ModelRegistryEntry) -> Sequence[Deployment]:
    rows = log.list(DeploymentState.ACTIVE)
    return [row for row in rows if (row.name, row.version) == (entry.name, entry.version)]


def _row(entry: ModelRegistryEntry, names: Iterable[Alias]) -> dict[str, Any]:
    return {
        "NAME": entry.name,
        "ROLE": entry.role,
        "BASE": Path(entry.base_model).name or "-",
        "VER": entry.version,
        "EVAL": "-" if entry.eval_score is None else f"{entry.eval_score:.2f}",
        "STATUS": entry.deployment_status.value,
        "ALIAS": " ".join(f"@{alias}" for alias in names) or "-",
    }


def _adapter_row(entry: ModelRegistryEntry) -> dict[str, Any]:
    lora = entry.training_config.get("lora") or {}
    return {
        "NAME": entry.name,
        "VER": entry.version,
        "ROLE": entry.role,
        "BASE": Path(entry.base_model).name or "-",
        "RANK": lora.get("rank", "-") if isinstance(lora, Mapping) else "-",
        "BYTES": sum(file.size for file in entry.artefacts if file.path.endswith(".safetensors")),
        "STATUS": entry.deployment_status.value,
    }


def _with_aliases(entry: ModelRegistryEntry, names: Iterable[Alias]) -> dict[str, Any]:
    return entry.model_dump(mode="json") | {"aliases": [alias.value for alias in names]}


def _page(
    entry: ModelRegistryEntry,
    names: Iterable[Alias],
    found: Sequence[Evaluation],
    at_work: Sequence[Deployment],
    problems: Sequence[str],
) -> Iterator[dict[str, Any]]:
    lines: list[tuple[str, Any]] = [
        ("role", entry.role),
        ("status", entry.deployment_status.value),
        ("aliases", " ".join(f"@{alias}" for alias in names)),
        ("base", entry.base_model),
        ("base digest", entry.base_digest[:SHORT]),
        ("corpus", entry.corpus_hash[:SHORT]),
        ("trained from", entry.parent or "a fresh adapter"),
        ("registered", entry.created_at),
        ("size", f"{len(entry.artefacts)} files, {sum(file.size for file in entry.artefacts):,} bytes"),
        ("files", entry.artifact_path),
        ("intact", "yes, signed" if not problems else f"no: {problems[0]}"),
        *((f"eval {one.suite}", _score(one)) for one in found),
        *((f"at work in {', '.join(row.rigs) or 'the town'}", _where(row)) for row in at_work),
    ]
    for name, value in lines:
        yield {"field": name, "value": value or "-"}


def _score(one: Evaluation) -> str:
    bounds = f" [{one.low:.3f}, {one.high:.3f}]" if one.low is not None and one.high is not None else ""
    return f"{one.score:.3f}{bounds}, {one.items} items, {one.at[:10]}"


def _where(row: Deployment) -> str:
    forced = f", forced: {row.reason}" if row.forced else ""
    since = f"since {row.started_at[:16]} by {row.actor}"
    return f"agent {row.agent} at {row.endpoint.get('url')} {since}{forced}"


def _origin(entry: ModelRegistryEntry, seen: Mapping[str, int]) -> dict[str, Any]:
    return {
        "MODEL": entry.spelled,
        "BASE": f"{Path(entry.base_model).name or '-'} {entry.base_digest[:SHORT]}",
        "CORPUS": entry.corpus_hash[:SHORT] or "-",
        "TRAINED ON": seen.get("train", 0),
        "HELD OUT": seen.get("val", 0),
        "PARENT": entry.parent or "-",
    }


def _shown(detail: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in detail.items() if value not in (None, [], ""))
