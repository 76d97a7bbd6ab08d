# SPDX-License-Identifier: Apache-2.0
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "node0"
# Between the halves: they read the corpus and hold tensors.
BRIDGE = {
    "node0.finetune.data",
    "node0.finetune.checkpoint",
    "node0.finetune.export",
    "node0.finetune.inference",
    "node0.finetune.rag",
    "node0.finetune.serving",
    "node0.finetune.training",
}


def _contract(name: str) -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (found,) = [rule for rule in settings["tool"]["importlinter"]["contracts"] if rule["name"] == name]
    return dict(found)


def _modules_of(unit: str) -> set[str]:
    """The modules of a package whose layers differ, or none where it is one module."""
    folder = ROOT / "src" / Path(*unit.split("."))
    return {f"{unit}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}


def _units() -> set[str]:
    """What a layer names: modules and packages of node0, and those of node0.finetune."""
    return {
        f"{package}.{path.stem}"
        for package, folder in (("node0", SOURCE), ("node0.finetune", SOURCE / "finetune"))
        for path in folder.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists())
        and path.stem not in ("__init__", "finetune")
    }


def _layered() -> list[str]:
    return [name for layer in _contract("Layers")["layers"] for name in re.findall(r"node0[\w.]+", layer)]


def test_every_module_has_one_place_in_the_layers() -> None:
    layered = _layered()

    split = {unit for unit in _units() - set(layered) if _modules_of(unit)}
    needed = (_units() - split) | {module for unit in split for module in _modules_of(unit)}

    assert len(layered) == len(set(layered))
    assert needed <= set(layered), f"no layer for {sorted(needed - set(layered))}"


def test_only_a_part_that_does_not_exist_yet_is_optional_in_the_layers() -> None:
    optional = {
        name for layer in _contract("Layers")["layers"] for name in re.findall(r"\((node0[\w.]+)\)", layer)
    }

    assert optional.isdisjoint(_units()), f"take away the brackets of {sorted(optional & _units())}"


def test_every_module_below_the_entries_is_in_a_half_or_on_the_bridge() -> None:
    town = set(_contract("The town half runs without torch")["source_modules"])
    swarm = set(_contract("The swarm half does not know the town")["source_modules"])
    entries = {name for name in _units() if re.fullmatch(r"node0\.(cli|commands|run_\w+)", name)}

    assert town.isdisjoint(swarm)
    assert _units() - entries == town | swarm | BRIDGE


@pytest.mark.parametrize("name", ["torch", "hivemind", "node0.server", "node0.models", "node0.pipeline"])
def test_the_town_half_may_import_nothing_of_the_swarm_half(name: str) -> None:
    assert name in _contract("The town half runs without torch")["forbidden_modules"]


def test_sql_is_kept_from_all_but_the_store() -> None:
    listed = set(_contract("Only the store speaks SQL")["source_modules"])

    assert listed == _units() - {"node0.store"}


def test_hivemind_is_kept_from_all_but_two_packages() -> None:
    listed = set(_contract("Only swarm and security speak hivemind")["source_modules"])
    units = {re.sub(r"^(node0\.finetune)\..*", r"\1", name) for name in _units()}

    assert listed == units - {"node0.swarm", "node0.security"}


def test_the_table_in_the_architecture_page_is_the_contract() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("| modules | why here |\n|---|---|\n")[2].partition("\n\n")[0]

    rows = [re.findall(r"`([\w.]+)`", re.split(r"(?<!\\)\|", row)[1]) for row in table.splitlines()]

    assert [[f"node0.{name}" for name in row] for row in rows] == [
        re.findall(r"node0[\w.]+", layer) for layer in _contract("Layers")["layers"]
    ]


def test_the_layers_that_coding_agents_read_are_the_contract() -> None:
    page = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    layers = page.partition("## Layers\n")[2].partition("The contracts")[0]

    rows = [re.findall(r"[\w.]+", row) for row in re.findall(r"`([^`]+)`", layers)]

    built = [re.findall(r"(?<!\()node0[\w.]+", layer) for layer in _contract("Layers")["layers"]]
    assert [[f"node0.{name}" for name in row] for row in rows] == [row for row in built if row]


def test_the_page_has_a_line_for_every_package() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("| package | what is in it |\n|---|---|\n")[2].partition("\n\n")[0]
    folders = {path.parent.relative_to(SOURCE).parts for path in SOURCE.rglob("*.py")} - {()}

    listed = re.findall(r"^\| `([\w.]+)` \| \w", table, re.MULTILINE)

    # Each command has a package of its own, named like the command.
    assert listed == sorted(
        ".".join(folder) for folder in folders if folder[0] != "commands" or folder == ("commands",)
    )


def test_every_package_is_checked_for_cycles() -> None:
    modules = [path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path.name != "__init__.py"]
    packages = {".".join(("node0", *folder.parts)) for path in modules for folder in path.parents}

    assert set(_contract("No cycles inside packages")["ancestors"]) == packages - {"node0"}
