# SPDX-License-Identifier: Apache-2.0
"""What each GGUF format costs: its size, its logits, and the perplexity that llama.cpp finds with it.

Logits are llama.cpp's beside our own in float32 on a prompt of the role; perplexity is over the answers of
sessions of a sample town, none of which the model was trained on. `make engines` comes first:

    python bench/gguf_formats.py [MODEL] [--role ROLE]
"""

import argparse
import contextlib
import io
import json
import math
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from node0 import run_corpus
from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.checkpoint.exporter import QUANTIZATIONS
from node0.finetune.checkpoint.gguf.smoke import layerwise_logits
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.rows import Row, RowMaker
from node0.finetune.export.export import Options, export
from node0.finetune.export.parts import ModelParts
from node0.finetune.inference.source import find_model
from temporary import temporary_place
from town.generator.build import TownPlan, build_town

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / ".engines" / "llama-cpp" / "bin" / "python"
SCRIPT = ROOT / "tests" / "integration" / "llama_engine.py"
SESSIONS = {"deacon": 20, "witness": 6, "polecat": 6}


def main() -> int:
    """Export in every format and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default=str(ROOT / "examples" / "base"))
    parser.add_argument("--role", default="witness")
    options = parser.parse_args()
    with temporary_place("gguf") as folder:
        _measure(options.model, options.role, folder)
    return 0


def _measure(model: str, role: str, folder: Path) -> None:
    parts = ModelParts(find_model(model))
    rows = list(_rows(folder, Renderer(parts.tokenizer, load_profile(role)), role))
    ids = parts.prompts[1].ids
    wanted = layerwise_logits(parts.weights.args, parts.weights.read, torch.tensor([ids]))[0].numpy()
    learnt = [[place for start, end in row.spans for place in range(start, end)] for row in rows]
    texts = [[row.ids.tolist(), places] for row, places in zip(rows, learnt, strict=True)]
    print(f"{len(rows)} rows, {sum(map(len, learnt))} tokens of answers; logits of {len(ids)} ids")
    plain = math.nan
    for numbers in QUANTIZATIONS:
        path = folder / f"{numbers}.gguf"
        export(parts.source, path, format="gguf", options=Options(numbers, engine=ENGINE))
        version, (file, loss) = _ask(
            path,
            {"kind": "logits", "ids": ids, "file": str(folder / "logits.npy")},
            {"kind": "nll", "rows": texts},
        )
        difference = np.abs(np.load(file) - wanted)
        plain = math.exp(loss) if numbers == "f32" else plain
        logits = f"rms {np.sqrt((difference**2).mean()):.5f}, largest {difference.max():.4f}"
        perplexity = f"{math.exp(loss):.4f} ({math.exp(loss) / plain - 1:+.2%})"
        print(f"{numbers:<7} {path.stat().st_size / 1e6:6.2f} MB  logits: {logits}  perplexity {perplexity}")
    print(f"llama_cpp {version}; logits reach {np.abs(wanted).max():.1f}")


def _rows(folder: Path, renderer: Renderer, role: str) -> Iterator[Row]:
    """Rows of a town that nothing was trained on."""
    build_town(
        folder / "gt", folder / "planted.json", TownPlan(seed=77, sessions=SESSIONS, secrets=0, people=0)
    )
    with contextlib.redirect_stdout(io.StringIO()):
        run_corpus.main(["collect", "--town", str(folder / "gt")])
    maker = RowMaker(renderer, mode="sft", max_length=640, over_length="drop")
    for entry in CorpusStore(folder / "gt" / ".corpus").list(role=role):
        yield from (row for row in maker.rows(entry).rows if isinstance(row, Row))


def _ask(model: Path, *tasks: dict[str, Any]) -> tuple[str, Sequence[Any]]:
    job = json.dumps({"model": str(model), "tasks": tasks, "context": 1024})
    done = subprocess.run(
        [ENGINE, SCRIPT], input=job, capture_output=True, text=True, timeout=600, check=True
    )
    answer = json.loads(done.stdout)
    return answer["version"], answer["answers"]


if __name__ == "__main__":
    raise SystemExit(main())
