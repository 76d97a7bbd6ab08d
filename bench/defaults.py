# SPDX-License-Identifier: Apache-2.0
"""Compare a run with default settings with the best of a sweep of learning rate and warm-up.

Three small bases, trained from nothing on a sample town's other roles, learn its deacon: a Llama and a Qwen3
on our own blocks, a Gemma 3 as transformers computes it. Each adapter is trained with default settings only,
and at twelve points around; printed are the held-out losses as a table, how far the default's is above the
best, and its share of the best one's fall. Exit 1 where the loss is more than 5 % above, or the fall less
than 95 %.

Every point is kept in ROOT/BASE/points as it ends, under the rate and the warm-up that it had, so that a
bench that was interrupted goes on, in the middle of a point too, and changed defaults cost one point a base.
What else is changed of training, model or corpus is not seen: remove ROOT first.

    python bench/defaults.py                     everything, one base after the other
    python bench/defaults.py --only-town         the town and its corpus, which need the scrubber's packages
    python bench/defaults.py --base qwen3        one base
"""

import argparse
import contextlib
import io
import json
import math
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from node0.files import write_atomically
from node0.finetune.config import FineTuneConfig
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.plan.run_plan import make_plan
from node0.finetune.training.plan.training_settings import resolve_training
from node0.finetune.training.run import train

HERE = Path(__file__).parent
ROOT = HERE.parent / "build" / "bench-defaults"
TOKENIZER = HERE.parent / "examples" / "base"
ROLE = "deacon"
SESSIONS = {ROLE: 200, "witness": 100, "polecat": 50}
WORST = 1.05
"Of the best loss; and the fall from the base's loss is at least 2 - WORST of the best one's."

OURS = {"vocab_size": 2368, "max_seq_len": 2048, "init_std": 0.08}
THEIRS = {"vocab_size": 2368, "max_position_embeddings": 2048, "initializer_range": 0.08}
# fmt: off
BASES: dict[str, dict[str, Any]] = {
    "llama": {**OURS, "hidden_dim": 64, "n_heads": 4, "num_hidden_layers": 2, "ffn_dim": 192},
    "qwen3": {
        **OURS, "family": "qwen3", "qk_norm": True, "hidden_dim": 128, "n_heads": 4, "n_kv_heads": 2,
        "head_dim": 32, "num_hidden_layers": 2, "ffn_dim": 256,
    },
    "gemma3_text": {
        **THEIRS, "hidden_size": 96, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 32,
        "num_hidden_layers": 2, "intermediate_size": 256, "sliding_window": 512, "query_pre_attn_scalar": 32,
        "layer_types": ["sliding_attention", "full_attention"],
        "pad_token_id": 2305, "bos_token_id": None, "eos_token_id": 2304,
    },
}
# fmt: on
"What makes each small; the first two in the words of our own blocks, the third in those of transformers."

RATES = (1e-3, 4e-3, 8e-3, 1.6e-2)
WARMUPS = (0.0, 0.05, 0.25)
"Shares of the steps, rounded up."


@dataclass(frozen=True)
class Point:
    """One run: what it trained with, and what came of it."""

    lr: float
    warmup_steps: int
    steps: int
    before: float
    "Loss over held-out sessions of the base."

    loss: float
    "The same of what the run exports."

    seconds: float


def main() -> int:
    """Make what is missing, train, print; 1 where a default is too far from the best."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", action="append", choices=list(BASES), help="Repeatable; default: all.")
    parser.add_argument("--only-town", action="store_true")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--sessions", type=int, default=SESSIONS[ROLE], help="Of the deacon, for a new town.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not (options.root / "others").is_dir():
        _make_town(options.root, {**SESSIONS, ROLE: options.sessions})
    if options.only_town:
        return 0
    return max([_compare(name, options.root) for name in options.base or BASES])


def _make_town(root: Path, sessions: dict[str, int]) -> None:
    """A town with its corpus, and beside it the corpus without the role that is learned."""
    from node0 import run_corpus  # the scrubber's packages are needed for the corpus alone

    sys.path.insert(0, str(HERE.parent / "examples"))
    from town.generator.build import TownPlan, build_town

    town = root / "gt"
    shutil.rmtree(town, ignore_errors=True)
    build_town(town, root / "planted.json", TownPlan(seed=7, sessions=sessions))
    with contextlib.redirect_stdout(io.StringIO()):
        code = run_corpus.main(["collect", "--town", str(town), "--documents"])
    if code:
        raise SystemExit(code)
    shutil.copytree(town / ".corpus", root / "others.new", ignore=shutil.ignore_patterns(ROLE))
    (root / "others.new").rename(root / "others")


def _compare(name: str, root: Path) -> int:
    """Print the table of one base; 1 where its default is too far from the best."""
    base = _base(name, root)
    default = _point(name, root, base, {})
    print(f"\n{name}: held-out loss {default.before:.4f} before {default.steps} steps", flush=True)
    print(f"{'lr':>8} {'warm-up':>8} {'steps':>6} {'loss':>8} {'seconds':>8}")
    _print("default", default)
    swept = []
    for rate, share in product(RATES, WARMUPS):
        # In steps: a share would be rounded as the default is, which is compared with others here.
        steps = math.ceil(share * default.steps)
        swept.append(_point(name, root, base, {"lr": rate, "num_warmup_steps": steps}))
        _print(f"{share:.0%}", swept[-1])
    best = min(swept, key=lambda point: point.loss)
    above, fall = default.loss / best.loss, (default.before - default.loss) / (best.before - best.loss)
    print(
        f"{name}: default {default.loss:.4f}, best of {len(swept)} {best.loss:.4f} (lr {best.lr:g}, "
        f"{best.warmup_steps} steps of warm-up): {above:.3f} of its loss, {fall:.1%} of its fall",
        flush=True,
    )
    return int(above > WORST or fall < 2 - WORST)


def _print(name: str, point: Point) -> None:
    numbers = f"{point.warmup_steps:>6} {point.loss:>8.4f} {point.seconds:>8.0f}"
    print(f"{point.lr:>8g} {name:>8} {numbers}", flush=True)


def _point(name: str, root: Path, base: Path, flags: Mapping[str, Any]) -> Point:
    """The run with these settings, from its file where it was made before."""
    places = {"role": ROLE, "base_model": str(base), "corpus_path": str(root / "gt" / ".corpus")}
    config, sources = _settings({**places, **flags, "checkpoint_dir": str(root / name / "run")})
    plan = make_plan(config)
    key = f"lr{plan.config.lr:g}-warm{plan.warmup_steps}of{plan.total_steps}"
    file = root / name / "points" / f"{key}.json"
    if file.is_file():
        return Point(**json.loads(file.read_text()))
    run_dir = root / name / "runs" / key
    started = time.monotonic()
    with _quiet():
        train(config.model_copy(update={"checkpoint_dir": run_dir}), sources)
    before, *after = [row["val_loss"] for row in RunDirectory(run_dir).metrics() if "val_loss" in row]
    seconds = round(time.monotonic() - started, 1)
    point = Point(plan.config.lr, plan.warmup_steps, plan.total_steps, before, min(after), seconds)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(asdict(point)))
    shutil.rmtree(run_dir)
    return point


def _base(name: str, root: Path) -> Path:
    """A base of this shape that has read the other roles' sessions and the town's documents."""
    directory = root / name / "base"
    flags = {
        "role": "all",
        "corpus_path": str(root / "others"),
        "mode": "pretrain",
        "tokenizer": str(TOKENIZER),
        "checkpoint_dir": str(directory),
        "lr": 3e-3,
        "epochs": 4,
        "microbatches_per_step": 1,
        "max_length": 1024,
    }
    if name == "gemma3_text":
        origin: dict[str, Any] = {
            "base_model": str(_random_model(name, root / name / "random")),
            "lora": None,
        }
    else:
        made = {"class_name": "node0.models.llama.arguments.LlamaArguments", "init_args": BASES[name]}
        origin = {"fresh_model": made}
    # A finished run stays as it is.
    with _quiet():
        train(*_settings({**flags, **origin}))
    return directory


def _random_model(name: str, directory: Path) -> Path:
    """A model of a family that transformers computes, before it has read anything."""
    if not directory.is_dir():
        torch.manual_seed(0)
        config = AutoConfig.for_model(name, **BASES[name])
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]  # of transformers
        model.save_pretrained(directory)
    return directory


def _settings(flags: Mapping[str, Any]) -> tuple[FineTuneConfig, Mapping[str, str]]:
    resolved, _ = resolve_training(flags)
    return resolved.values, resolved.sources


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stderr(io.StringIO()):
        yield


if __name__ == "__main__":
    sys.exit(main())
