# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from node0 import cli

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "transformers", "tokenizers", "numpy", "safetensors", "matplotlib", "huggingface_hub"}
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
TOWN_HALF = next(
    rule["source_modules"] for rule in CONTRACTS if rule["name"] == "The town half runs without torch"
)
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
        importlib.import_module(found.name)
print(" ".join(sys.modules))
"""

IMPORT_WITHOUT = """
import importlib, pkgutil, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2].split():
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError:
        print(found.name.rpartition(".")[2])
"""


def _loaded(code: str, *argv: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_whole_town_half_loads_without_the_heavy_packages() -> None:
    assert _loaded(IMPORT_ALL, *TOWN_HALF).isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("group", "wanting"),
    [
        ("corpus", {"preview_tokens": "preview", "index_town": "rag-index"}),
        ("model", {"export_models": "export", "own_probe": "deploy"}),
    ],
)
def test_the_walk_names_the_commands_that_the_base_install_has_not(
    group: str, wanting: dict[str, str]
) -> None:
    code = [sys.executable, "-c", IMPORT_WITHOUT, f"node0.commands.{group}", " ".join(HEAVY | {"jinja2"})]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    page = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    told = page.partition("The base install without extras")[2].partition("\n## ")[0]

    assert set(done.stdout.split()) == wanting.keys()
    assert all(f"`{command}`" in told for command in wanting.values())


@pytest.mark.parametrize("name", sorted(cli.available()))
def test_the_help_of_a_command_loads_no_heavy_package(name: str) -> None:
    code = f"import sys; from node0 import cli; cli.main([{name!r}, '--help']); print(); print(*sys.modules)"

    assert _loaded(code).isdisjoint(HEAVY)


FIRST_WORD = """
import sys
from node0 import cli, console
def note(message):
    print(message)
    print(" ".join(sys.modules))
    sys.stdout.flush()
    raise SystemExit
console.note = note
cli.main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "line",
    [
        "finetune --role deacon --base-model base --corpus-path corpus --checkpoint-dir run",
        "measure base --run run",
        "eval run base",
        "eval follow run",
        "infer --model base",
        "serve --model base",
        "dataset show list.jsonl",
        "corpus preview 3f2a --tokenizer base",
        "model export deacon:1 deacon.gguf",
        "swarm init runs/one --stages 2",
        "swarm status runs/one",
        "server --run runs/one",
        "doctor",
    ],
)
def test_a_command_that_needs_torch_speaks_before_it_loads_it(line: str) -> None:
    code = [sys.executable, "-c", FIRST_WORD, *line.split()]

    done = subprocess.run(code, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)

    said, loaded = done.stdout.splitlines()
    assert said.startswith("loading ")
    assert set(loaded.split()).isdisjoint(HEAVY)
