# SPDX-License-Identifier: Apache-2.0
"""What surrogates cost a model: the demo's held-out exact calls with them, beside placeholders for all.

The demo's town is collected twice, as it is shipped and with `stand_ins: placeholders`, under one key. On
each corpus the demo's adapter is trained, once a seed, and asked for the calls of the sessions held out: the
same ones on both sides, for a session's side follows from its id. Printed are loss and exact calls of each
run. A run's share moves by several points with its seed, so runs are what is compared, in pairs of one seed:
the mean difference with 95 % bounds, and the chance of so large a fall where nothing differs (exact,
paired). Exit 1 where that chance is below one in twenty. Runs have one thread each, and as many are under
way as there are cores.

    PYTHONPATH=examples python bench/surrogates.py [--seeds COUNT] [--jobs COUNT]
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from demo import BASE, CONFIG
from node0 import run_corpus, run_finetune
from node0.files import private_directory, write_atomically
from node0.finetune.chat.same_calls import calls_of
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.eval.held_out import held_out_of
from node0.finetune.eval.tool_calls import measured_turns
from node0.finetune.inference.loading import load_model
from node0.finetune.inference.measured_model import MeasuredModel
from node0.finetune.run_dir import RunDirectory
from node0.finetune.statistics.paired import bootstrap, differences, sign_flips
from node0.finetune.statistics.tallies import Tally
from node0.finetune.statistics.wilson import wilson
from node0.town import Town
from story import call
from temporary import temporary_place
from town.generator.build import TownPlan, build_town

NEW, OLD = "surrogates", "placeholders"
ROLE = "deacon"
KEY = "5e" * 32
"Of both towns, so that a bench that runs again trains on the same surrogates."

LONGEST_ANSWER = 96
"As `node0 measure` has it."

CHANCE = 0.05


@dataclass(frozen=True)
class Run:
    """A training of the demo's adapter, and what it did with the sessions that it held out."""

    side: str
    seed: int
    loss: float
    exact: Tally
    "Of the turns measured in them."

    seconds: float


def main() -> int:
    """Collect, train and ask on both sides; 1 where exact calls fell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seeds", type=int, default=8, help="trainings on each side, from seed 0, the demo's"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trainings at once")
    options = parser.parse_args()
    if options.seeds < 1 or options.jobs < 1:
        parser.error(f"--seeds is {options.seeds} and --jobs is {options.jobs}; give 1 or more of each")
    with temporary_place("surrogates") as place:
        for name in (NEW, OLD):
            _collect(place / name, name)
        _print_difference(place)
        return compare(_trained_all(place, range(options.seeds), options.jobs))


def compare(runs: Sequence[Run]) -> int:
    """Print the difference over pairs of one seed; 1 where it is a fall that chance does not explain."""
    old, new = (
        [run.exact for run in sorted(runs, key=lambda run: run.seed) if run.side == side]
        for side in (OLD, NEW)
    )
    changes = differences(old, new)
    better, worse = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    tails, (low, high) = sign_flips(changes), bootstrap(old, new)
    gained = sum(one.share for one in new) / len(new) - sum(one.share for one in old) / len(old)
    print(f"{len(changes)} seeds, {better} better and {worse} worse: chance of such a fall {tails.worse:.2f}")
    print(f"{NEW} less {OLD}: {100 * gained:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})")
    return int(tails.worse < CHANCE)


def _trained_all(place: Path, seeds: Sequence[int], jobs: int) -> list[Run]:
    """A run of each side for each seed."""
    found = []
    # A new process each: a fork would inherit torch's threads, which it cannot use.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        begun = [pool.submit(_trained, place / name, name, seed) for seed in seeds for name in (NEW, OLD)]
        for coming in begun:
            found.append(coming.result())
            _print(found[-1])
    return found


def _print(run: Run) -> None:
    low, high = wilson(run.exact.passes, run.exact.trials)
    share = f"{run.exact.share:.1%} ({100 * low:.0f} to {100 * high:.0f} %)"
    print(
        f"{run.side:12} seed {run.seed}: loss {run.loss:.4f}, "
        f"exact calls {run.exact.passes} of {run.exact.trials}, {share}, {run.seconds:.0f} s",
        flush=True,
    )


def _collect(town: Path, stand_ins: str) -> None:
    """The demo's town and its corpus, with this in place of secrets."""
    build_town(town, town.with_suffix(".json"), TownPlan())
    models = Town(town).models
    private_directory(models)
    (models / "scrub.key").touch(mode=0o600)
    (models / "scrub.key").write_text(KEY + "\n", encoding="utf-8")
    write_atomically(Town(town).model_settings_file, f"scrub: {{stand_ins: {stand_ins}}}\n")
    _quietly(run_corpus.main, "collect", "--town", town, "--documents")


def _print_difference(place: Path) -> None:
    """How many of the sessions that are learned differ at all."""
    stored = [
        {entry.session_id: entry.messages for entry in CorpusStore(place / name / ".corpus").list(role=ROLE)}
        for name in (NEW, OLD)
    ]
    differ = sum(stored[1].get(session) != messages for session, messages in stored[0].items())
    print(f"{len(stored[0])} sessions of the {ROLE}, {differ} of them differ between the corpora", flush=True)


def _trained(town: Path, name: str, seed: int) -> Run:
    """Train the demo's adapter in this town, and ask it."""
    # As in the demo: its matrices are small.
    torch.set_num_threads(1)
    run, begun = town / ".checkpoints" / str(seed), time.monotonic()
    _quietly(
        run_finetune.main,
        *("--config", CONFIG, "--base-model", BASE, "--corpus-path", town / ".corpus"),
        *("--checkpoint-dir", run, "--town", town, "--set", f"seed={seed}"),
    )
    return Run(name, seed, *_asked(run, town), time.monotonic() - begun)


def _asked(run: Path, town: Path) -> tuple[float, Tally]:
    """Loss and exact calls on what the run held out, as `node0 measure` finds them."""
    entries = held_out_of(RunDirectory(run))
    loaded = load_model(str(run), town=town, role=ROLE, device="cpu", dtype="float32")
    found = []
    with contextlib.closing(loaded.pipeline):
        model = MeasuredModel(loaded)
        loss = model.answer_loss(entries)[0]
        for entry in entries:
            for turn in measured_turns(entry, reduce=model.reduce):
                answer = model.answer(turn.request, max_tokens=LONGEST_ANSWER)
                found.append(calls_of(answer) == turn.calls)
    return loss, Tally(sum(found), len(found))


def _quietly(command: Callable[[Sequence[str]], int], *arguments: object) -> None:
    """Run a command of node0; it ends the bench where it fails, and then says why."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            call(command, *arguments)
    except SystemExit:
        sys.stderr.write(said.getvalue())
        raise


if __name__ == "__main__":
    sys.exit(main())
