# SPDX-License-Identifier: Apache-2.0
"""What surrogates cost a model: the demo's held-out exact calls with them, beside placeholders for all.

The demo's town is collected twice, as it is shipped and with `stand_ins: placeholders`, under one key. On
each corpus the demo's adapter is trained, once a seed, and asked for the calls of the sessions held out: the
same ones on both sides, for a session's side follows from its id. Printed are loss and exact calls of each
run; then, session by session over all seeds, how many went better and worse with surrogates, the chance of
so large a fall where nothing differs (exact, paired), and 95 % bounds of the mean difference. Exit 1 where
that chance is below one in twenty. Both are of these runs: what another seed would change, only more seeds
show, and they move the share by several points.

    PYTHONPATH=examples python bench/surrogates.py [--seed SEED ...]
"""

import argparse
import contextlib
import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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

Tallies = Mapping[str, Tally]
"Session -> exact calls of the turns measured in it."


@dataclass(frozen=True)
class Answered:
    """What a trained adapter did with the sessions that its run held out."""

    loss: float
    sessions: Tallies

    @property
    def exact(self) -> int:
        """Turns answered exactly."""
        return sum(tally.passes for tally in self.sessions.values())

    @property
    def turns(self) -> int:
        """Turns measured."""
        return sum(tally.trials for tally in self.sessions.values())


def main() -> int:
    """Collect, train and ask on both sides; 1 where exact calls fell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2], help="of training; 0 is the demo's")
    options = parser.parse_args()
    # As in the demo: its matrices are small.
    torch.set_num_threads(1)
    sides: dict[str, list[Answered]] = {NEW: [], OLD: []}
    with temporary_place("surrogates") as place:
        for name in sides:
            _collect(place / name, name)
        _print_difference(place)
        for seed in options.seed:
            for name, answered in sides.items():
                answered.append(_trained(place / name, name, seed))
    return compare(together(sides[OLD]), together(sides[NEW]))


def compare(old: Tallies, new: Tallies) -> int:
    """Print the difference over the sessions of both; 1 where it is a fall that chance does not explain."""
    common = sorted(old.keys() & new.keys())
    pairs = [old[session] for session in common], [new[session] for session in common]
    changes = differences(*pairs)
    better, worse = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    gained = sum(tally.passes for tally in pairs[1]) - sum(tally.passes for tally in pairs[0])
    tails, (low, high) = sign_flips(changes), bootstrap(*pairs)
    turns, sessions = sum(tally.trials for tally in pairs[0]), len(common)
    print(f"{NEW} less {OLD}: {gained:+d} of {turns} exact calls")
    print(f"{sessions} sessions, {better} better, {worse} worse: chance of such a fall {tails.worse:.2f}")
    print(f"mean difference over sessions: {100 * low:+.1f} to {100 * high:+.1f} points")
    return int(tails.worse < CHANCE)


def together(answered: Sequence[Answered]) -> Tallies:
    """Every session with what all runs did in it."""
    passes: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    for one in answered:
        for session, tally in one.sessions.items():
            passes[session] += tally.passes
            trials[session] += tally.trials
    return {session: Tally(passes[session], trials[session]) for session in trials}


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


def _trained(town: Path, name: str, seed: int) -> Answered:
    """Train the demo's adapter in this town, and ask it."""
    run, begun = town / ".checkpoints" / str(seed), time.monotonic()
    _quietly(
        run_finetune.main,
        *("--config", CONFIG, "--base-model", BASE, "--corpus-path", town / ".corpus"),
        *("--checkpoint-dir", run, "--town", town, "--set", f"seed={seed}"),
    )
    answered = _asked(run, town)
    low, high = wilson(answered.exact, answered.turns)
    share = f"{answered.exact / answered.turns:.1%} ({100 * low:.0f} to {100 * high:.0f} %)"
    print(
        f"{name:12} seed {seed}: loss {answered.loss:.4f}, exact calls {answered.exact} of {answered.turns}, "
        f"{share}, {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    return answered


def _asked(run: Path, town: Path) -> Answered:
    """Loss and exact calls on what the run held out, as `node0 measure` finds them, by session."""
    entries = held_out_of(RunDirectory(run))
    loaded = load_model(str(run), town=town, role=ROLE, device="cpu", dtype="float32")
    passes: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    with contextlib.closing(loaded.pipeline):
        model = MeasuredModel(loaded)
        loss = model.answer_loss(entries)[0]
        for entry in entries:
            for turn in measured_turns(entry, reduce=model.reduce):
                answer = model.answer(turn.request, max_tokens=LONGEST_ANSWER)
                trials[str(entry.session_id)] += 1
                passes[str(entry.session_id)] += calls_of(answer) == turn.calls
    return Answered(loss, {session: Tally(passes[session], trials[session]) for session in trials})


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
