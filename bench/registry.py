# SPDX-License-Identifier: Apache-2.0
"""How long a registry of many versions is listed: `node0 model list` in this process, beside an empty town.

Prints the median of both, their ratio, and what a version costs.
"""

import contextlib
import io
import statistics
import time

from node0.commands.model.model_options import main as model
from node0.finetune.manifest import Artefact
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town
from temporary import temporary_place

VERSIONS, FILES, ROUNDS = 1000, 6, 7


def main() -> None:
    """Fill a registry and list it."""
    with temporary_place("registry") as place:
        empty, full = (Town(place / name) for name in ("empty", "full"))
        for town in (empty, full):
            town.root.mkdir()
        registry = ModelRegistry(full)
        for number in range(VERSIONS):
            registry.register(_entry(number))
        registry.close()
        nothing, everything = (_seconds(town) for town in (empty, full))
        line = (
            f"list of {VERSIONS} versions: {everything:.3f} s; of none: {nothing:.3f} s; "
            f"{everything / nothing:.1f}x; {(everything - nothing) / VERSIONS * 1e3:.3f} ms a version"
        )
        print(line)  # a bench prints its figures


def _entry(number: int) -> ModelRegistryEntry:
    files = [Artefact(path=f"{name}.safetensors", sha256=f"{number:064x}", size=1) for name in range(FILES)]
    facts = {"name": f"model-{number % 10}", "role": "deacon", "artifact_path": "/x", "artefacts": files}
    return ModelRegistryEntry.model_validate(facts | {"training_config": {"lr": 1}})


def _seconds(town: Town) -> float:
    found = []
    for _ in range(ROUNDS):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            begun = time.perf_counter()
            model(["list", "--town", str(town.root)])
            found.append(time.perf_counter() - begun)
    return statistics.median(found)


if __name__ == "__main__":
    main()
