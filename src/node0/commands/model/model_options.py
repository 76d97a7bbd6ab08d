# SPDX-License-Identifier: Apache-2.0
"""`node0 model`: register models of a town and look at them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node0 import console
from node0.console import JsonOption, TownOption

if TYPE_CHECKING:
    from node0.finetune.registry.schema import ModelRegistryEntry
    from node0.finetune.registry.store import ModelRegistry
    from node0.town import Town

app = typer.Typer(
    help="Register models of the town, list them, show one, and check its files.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME[:VER]", help="The newest version, or that one.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 model")


@app.command()
def register(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Run, adapter or model directory.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name of the model; default: its role.")] = None,
    role: Annotated[str | None, typer.Option(help="Role it is for; default: the run's.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Keep no copy in the town.")] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep DIR as the next version of NAME."""
    from node0.finetune.registry.publish import publish

    with _registry(town, create=True) as (registry, place):
        models = None if in_place else place.models
        entry = publish(registry, directory, name=name, role=role, models=models)
    size = sum(file.size for file in entry.artefacts)
    if as_json:
        console.emit([entry.model_dump(mode="json")], as_json=True)
    else:
        files = f"{len(entry.artefacts)} files, {size:,} bytes"
        console.note(f"registered {entry.spelled} for {entry.role}: {files} in {entry.artifact_path}")


@app.command("list")
def list_models(
    *,
    role: Annotated[str | None, typer.Option(help="Of this role only.")] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every version, newest first."""
    with _registry(town) as (registry, _):
        entries = registry.list(role)
    if as_json:
        console.emit([entry.model_dump(mode="json") for entry in entries], as_json=True)
    elif entries:
        console.emit([_row(entry) for entry in entries], as_json=False)
    else:
        of_role = f" for {role}" if role else ""
        console.note(f"no model is registered{of_role}; see: node0 model register --help")


@app.command()
def show(name: NameArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Show one version: its lineage, evaluation, deployment and files."""
    with _registry(town) as (registry, _):
        entry = registry.require(name)
    if as_json:
        console.emit([entry.model_dump(mode="json")], as_json=True)
        return
    console.emit(list(_fields(entry)), as_json=False, title=entry.spelled)
    console.emit([file.model_dump() for file in entry.artefacts], as_json=False, title="files")


@app.command()
def verify(name: NameArgument, *, town: TownOption = None, as_json: JsonOption = False) -> int:
    """Compare the files of a version with their recorded digests; exit 1 when one differs."""
    from node0.finetune.registry.artefacts import problems

    with _registry(town) as (registry, _):
        entry = registry.require(name)
    found = problems(Path(entry.artifact_path), entry.artefacts)
    if as_json:
        console.emit([{"model": entry.spelled, "problem": line} for line in found], as_json=True)
    for line in () if as_json else found:
        console.note(f"{entry.spelled}: {line}")
    if not found and not as_json:
        console.note(f"{entry.spelled}: {len(entry.artefacts)} files are as registered")
    return 1 if found else 0


@contextmanager
def _registry(root: Path | None, *, create: bool = False) -> Iterator[tuple["ModelRegistry", "Town"]]:
    from node0.finetune.registry.store import ModelRegistry
    from node0.town import Town

    town = Town.locate(root)
    registry = ModelRegistry(town, create=create)
    try:
        yield registry, town
    finally:
        registry.close()


def _row(entry: "ModelRegistryEntry") -> dict[str, Any]:
    return {
        "NAME": entry.name,
        "ROLE": entry.role,
        "BASE": Path(entry.base_model).name or "-",
        "VER": entry.version,
        "EVAL": "-" if entry.eval_score is None else f"{entry.eval_score:.2f}",
        "STATUS": entry.deployment_status.value,
    }


def _fields(entry: "ModelRegistryEntry") -> Iterator[dict[str, Any]]:
    fields = entry.model_dump(mode="json", exclude={"artefacts", "training_config"})
    settings = {f"training_config.{key}": value for key, value in entry.training_config.items()}
    for name, value in (fields | {"content_digest": entry.content_digest} | settings).items():
        yield {"field": name, "value": "-" if value in (None, "", [], {}) else value}
