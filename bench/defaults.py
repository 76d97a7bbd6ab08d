# SPDX-License-Identifier: Apache-2.0
"""Compare a run with default settings with the best of a sweep of learning rate and warm-up.

Three small bases, trained from nothing on a sample town's other roles, learn its deacon. Each adapter is
trained with default settings only, and at twelve points around; printed is the held-out loss of each, and
how far the default's is above the best. Exit 1 where it is more than 5 %.

    python bench/defaults.py                     everything, one base after the other
    python bench/defaults.py --only-town         the town and its corpus, which need the scrubber's packages
    python bench/defaults.py --base qwen3        one base
"""

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import torch

from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.plan.training_settings import resolve_training
from node0.finetune.training.run import train

HERE = Path(__file__).parent
ROOT = HERE.parent / "build" / "bench-defaults"
TOKENIZER = HERE.parent / "examples" / "base"
SESSIONS = {"deacon": 400, "witness": 100, "polecat": 100}
WORST = 1.05

SHAPE = {"vocab_size": 2368, "max_seq_len": 2048, "init_std": 0.08}
# fmt: off
BASES: dict[str, dict[str, Any]] = {
    "llama": {"hidden_dim": 128, "n_heads": 4, "num_hidden_layers": 3, "ffn_dim": 384},
    "qwen3": {
        "family": "qwen3", "qk_norm": True, "hidden_dim": 192, "n_heads": 6, "n_kv_heads": 2,
        "num_hidden_layers": 4, "ffn_dim": 512,
    },
    "gemma-like": {
        "hidden_dim": 96, "n_heads": 4, "n_kv_heads": 1, "head_dim": 64, "num_hidden_layers": 4,
        "ffn_dim": 512, "tie_embeddings": True,
    },
}
# fmt: on
"Heads and ties of each family, in our own blocks."

RATES = (2e-4, 1e-3, 4e-3, 1.6e-2)
WARMUPS = (0.0, 0.05, 0.25)


def main() -> int:
    """Make what is missing, train, print; 1 where a default is too far from the best."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", action="append", choices=sorted(BASES), help="Repeatable; default: all.")
    parser.add_argument("--only-town", action="store_true")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--sessions", type=int, default=400, help="Of the deacon, when the town is made.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not (options.root / "gt" / ".corpus").is_dir():
        _make_town(options.root, {**SESSIONS, "deacon": options.sessions})
    if options.only_town:
        return 0
    return max(_compare(name, options.root) for name in options.base or BASES)


def _make_town(root: Path, sessions: dict[str, int]) -> None:
    from node0 import run_corpus  # the scrubber's packages are needed for the corpus alone

    sys.path.insert(0, str(HERE.parent / "examples"))
    from town.generator.build import TownPlan, build_town

    town = root / "gt"
    build_town(town, root / "planted.json", TownPlan(seed=7, sessions=sessions))
    with contextlib.redirect_stdout(io.StringIO()):
        code = run_corpus.main(["collect", "--town", str(town), "--documents"])
    if code:
        raise SystemExit(code)


def _compare(name: str, root: Path) -> int:
    base = _base(name, root)
    started = time.monotonic()
    default = _held_out(root / name / "default", root, base)
    rows = [(default, "default")]
    print(f"{name}: default {default:.4f} in {time.monotonic() - started:.0f} s", flush=True)
    for rate, share in product(RATES, WARMUPS):
        flags = {"lr": rate, "warmup_share": share}
        loss = _held_out(root / name / f"{rate:g}-{share:g}", root, base, **flags)
        rows.append((loss, f"lr {rate:g}, warm-up {share:.0%}"))
        print(f"{name}: {rows[-1][1]}: {loss:.4f}", flush=True)
    best, where = min(rows[1:])
    ratio = default / best
    print(f"{name}: held-out loss with defaults {default:.4f}, best of 12 {best:.4f} ({where}): {ratio:.3f}")
    return int(ratio > WORST)


def _base(name: str, root: Path) -> Path:
    """A base of this shape that has read the witnesses' sessions and the town's documents."""
    directory = root / name / "base"
    if not (directory / "MANIFEST.json").is_file():
        fresh = {
            "class_name": "node0.models.llama.arguments.LlamaArguments",
            "init_args": {**SHAPE, **BASES[name]},
        }
        flags = {
            "role": "witness",
            "mode": "pretrain",
            "fresh_model": fresh,
            "tokenizer": str(TOKENIZER),
            "lr": 3e-3,
            "epochs": 4,
            "microbatches_per_step": 1,
            "max_length": 1024,
        }
        _train({**flags, "corpus_path": str(root / "gt" / ".corpus"), "checkpoint_dir": str(directory)})
    return directory


def _held_out(run_dir: Path, root: Path, base: Path, **flags: Any) -> float:
    """The loss over held-out sessions of what a run exports."""
    places = {
        "role": "deacon",
        "base_model": str(base),
        "corpus_path": str(root / "gt" / ".corpus"),
        "checkpoint_dir": str(run_dir),
    }
    _train({**places, **flags})
    losses = [row["val_loss"] for row in RunDirectory(run_dir).metrics() if row["step"] and "val_loss" in row]
    return float(min(losses))


def _train(flags: dict[str, Any]) -> None:
    with _quiet():
        resolved, _ = resolve_training(flags)
        train(resolved.values, resolved.sources)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stderr(io.StringIO()):
        yield


if __name__ == "__main__":
    sys.exit(main())
