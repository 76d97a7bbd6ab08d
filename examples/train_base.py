# SPDX-License-Identifier: Apache-2.0
"""Train the sample base that `examples/base` ships: `make base`.

A larger town of the same generator, without any session of a deacon, is collected and scrubbed by
`node0-corpus`. Its texts give the tokenizer; `node0-finetune` trains a fresh model, first on the
documents, then on the sessions, all weights each time.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from node0 import run_corpus, run_finetune
from node0.finetune.chat.messages import blocks
from node0.finetune.chat.profile import load_profile
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.models.digest import base_digest
from town.generator.build import TownPlan, build_town
from vocabulary import save_tokenizer, train_tokenizer

HERE = Path(__file__).parent
CONFIGS = HERE / "configs"
BASE = HERE / "base"
"What is shipped."

ROOT = HERE.parent / "build" / "base"
"Where it is made."

PLAN = TownPlan(
    seed=11,
    sessions={"deacon": 0, "witness": 1500, "polecat": 500},
    secrets=62,
    people=16,
    rolls=3000,
    long_patrols=True,
)
VOCABULARY = 2304
"Tokens that are aimed at; a few names may come on top."

KEPT = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def main() -> None:
    """Make the town, the tokenizer and the weights; replace `examples/base`."""
    parser = argparse.ArgumentParser(description="Train the sample base again.")
    parser.add_argument("--set", action="append", default=[], help="setting of the second half, as KEY=VALUE")
    options = parser.parse_args()
    started = time.monotonic()
    # The sample's matrices are so small that a second thread costs more than it gives.
    torch.set_num_threads(1)
    town = ROOT / "gt"
    if not (town / ".corpus").is_dir():
        made = build_town(town, ROOT / "planted.json", PLAN)
        print(f"made a town of {made.sessions} sessions and {made.documents} documents")
        _run(run_corpus.main, "collect", "--town", town, "--documents")
    tokenizer = ROOT / "tokenizer"
    if not tokenizer.is_dir():
        save_tokenizer(train_tokenizer(_texts(town), vocab_size=VOCABULARY), tokenizer, max_length=2048)
    documents, sessions = ROOT / "documents", ROOT / "sessions"
    shared = ("--corpus-path", town / ".corpus", "--set", f"tokenizer={tokenizer}")
    _run(run_finetune.main, *_config("base_documents"), *shared, "--checkpoint-dir", documents)
    extra = [part for setting in options.set for part in ("--set", setting)]
    first = ("--base-model", documents)
    _run(run_finetune.main, *_config("base_sessions"), *first, *shared, *extra, "--checkpoint-dir", sessions)
    _ship(sessions)
    print(f"{BASE}: {base_digest(BASE)} in {time.monotonic() - started:.0f} s")


def _config(name: str) -> tuple[str, Path]:
    return "--config", CONFIGS / f"{name}.yaml"


def _run(command: Callable[[Sequence[str]], int], *arguments: object) -> None:
    code = command([str(argument) for argument in arguments])
    if code:
        raise SystemExit(code)


def _texts(town: Path) -> list[str]:
    """What the tokenizer learns from: documents most, then sessions and what every prompt holds."""
    texts: list[str] = []
    rolls = 0
    for entry in CorpusStore(town / ".corpus").list():
        if entry.source == "document":
            is_roll = "called " in str(entry.messages)
            rolls += is_roll
            texts += _words(entry) * (10 if not is_roll else int(rolls <= 50))
        else:
            texts += _words(entry)[2:]
    for role in ("deacon", "witness", "polecat"):
        profile = load_profile(role)
        tools = [json.dumps(tool, separators=(",", ":")) for tool in profile.tool_list()]
        marker = f"# Reduced prime: fine-tuned model active for role {role}"
        beacon = f"[GAS TOWN] {role} <- daemon • 2026-01-05T10:20 • patrol\nRun `gt prime --hook` and begin."
        texts += [profile.card or "", *tools, marker, beacon] * 40
    return texts


def _words(entry: CorpusEntry) -> list[str]:
    """Texts, results and commands of an entry, in the form in which they are rendered."""
    found: list[str] = []
    for message in entry.messages:
        for block in blocks(message):  # type: ignore[arg-type]  # checked when it was stored
            match block["type"]:
                case "text":
                    found.append(block["text"])
                case "tool_result":
                    found.append(str(block["content"]))
                case "tool_use":
                    found.append(json.dumps(block["input"].get("command", ""))[1:-1])
    return found


def _ship(run: Path) -> None:
    BASE.mkdir(exist_ok=True)
    for name in KEPT:
        shutil.copyfile(run / name, BASE / name)
    (BASE / "DIGEST").write_text(base_digest(BASE) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
