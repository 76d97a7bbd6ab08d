# SPDX-License-Identifier: Apache-2.0
"""LoRA fine-tuning in one process beside TRL's `SFTTrainer`: real tokens/s and peak memory.

Both sides train the same model on the same ids with the same supervised positions, rank and
targets, with what each does by default on a CPU: TRL 1.16 pads its rows, runs under bfloat16
autocast and recomputes activations; ours packs rows and keeps the frozen base in bfloat16 where
the processor multiplies it. Padding is not counted. Every side runs in fresh processes that take
turns; a figure is the median over their windows. Run it on an idle machine:

    python bench/train_vs_trl.py
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIDES = {
    "trl": "TRL, its defaults",
    "trl-kept": "TRL, gradient_checkpointing=False",
    "trl-float32": "TRL, bf16=False, gradient_checkpointing=False",
    "ours": "ours, its defaults",
    "ours-float32": "ours, precision=float32",
}
SHAPE = {"hidden_size": 512, "num_hidden_layers": 8, "vocab_size": 32000, "intermediate_size": 1376}
HEADS = {"num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 2048}
RANK, ALPHA, DROPOUT = 16, 32, 0.05
HF_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ROLE, MAX_LENGTH = "bench", 1024
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"Processor time compares sides fairly with one thread only: idle threads of a pool spin."
ROWS = 4
"Conversations in a batch of TRL."

BATCH_TOKENS = 2048
"Tokens in a microbatch of ours: about what a batch of TRL holds with its padding."


@dataclass(frozen=True)
class Figures:
    """What one process found."""

    speeds: list[float]
    "Real tokens per second, by window."

    peak: float
    "Highest resident memory of the process, MiB."

    losses: list[float]
    "Mean over supervised tokens, by step, with its first steps."


def main() -> int:
    """Measure the sides and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2, help="processes a side")
    parser.add_argument("--windows", type=int, default=3, help="measured windows a process")
    parser.add_argument("--steps", type=int, default=4, help="steps a window")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: processor time, for a busy machine"
    )
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=["trl", "trl-kept", "ours"])
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(_measure(options).__dict__))
        return 0
    with tempfile.TemporaryDirectory() as directory:
        _child("prepare", Path(directory), options)
        found: dict[str, list[Figures]] = {side: [] for side in options.sides}
        for number in range(options.rounds):
            for side in options.sides if number % 2 == 0 else reversed(options.sides):
                found[side].append(Figures(**_child(side, Path(directory), options)))
    _report(found, options)
    return 0


def _child(side: str, work: Path, options: argparse.Namespace) -> Any:
    if side == "prepare":
        command = [sys.executable, "-c", "import train_vs_trl as b, sys; b.prepare(sys.argv[1])", str(work)]
    else:
        command = [sys.executable, __file__, "--side", side, "--work", str(work)]
        command += [f"--{name}={getattr(options, name)}" for name in ("windows", "steps", "threads", "clock")]
    environment = os.environ | {
        "OMP_NUM_THREADS": str(options.threads),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=1800
    )
    return json.loads(done.stdout.splitlines()[-1]) if side != "prepare" else None


def _report(found: dict[str, list[Figures]], options: argparse.Namespace) -> None:
    speed = {s: statistics.median(v for f in figures for v in f.speeds) for s, figures in found.items()}
    peak = {s: statistics.median(f.peak for f in figures) for s, figures in found.items()}
    print(
        f"LoRA rank {RANK} on all linear layers, {SHAPE}, {options.threads} threads, {options.clock} clock,"
    )
    print(f"median of {options.rounds} processes x {options.windows} windows x {options.steps} steps")
    print(f"  {'':48}{'tokens/s':>10}{'peak MiB':>10}{'first loss':>12}")
    for side, figures in found.items():
        print(f"  {SIDES[side]:48}{speed[side]:10.1f}{peak[side]:10.0f}{figures[0].losses[0]:12.4f}")
    for side in found:
        for other in found:
            if side.startswith("ours") and other.startswith("trl"):
                print(
                    f"{SIDES[side]} / {SIDES[other]}: "
                    f"{speed[side] / speed[other]:.2f}x tokens/s, {peak[side] / peak[other]:.2f}x memory"
                )


def prepare(directory: str) -> None:
    """Write the model with its tokenizer, the corpus, and the ids and labels that both sides train on."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from node0.finetune.corpus.store import CorpusStore

    work = Path(directory)
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig.from_dict(SHAPE | HEADS)).save_pretrained(work / "model")
    _tokenizer().save_pretrained(work / "model")
    store = CorpusStore(work / "corpus")
    for entry in _conversations(random.Random(0), 400):
        store.add(entry)
    dataset = _plan(work, "auto").data.steps.dataset
    rows = [
        {name: dataset[i][name].tolist() for name in ("input_ids", "labels")} for i in range(len(dataset))
    ]
    random.Random(1).shuffle(rows)
    # TRL shifts labels itself.
    for row in rows:
        row["labels"] = [-100, *row["labels"][:-1]]
    (work / "rows.json").write_text(json.dumps(rows))


def _tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<pad>", "<s>", "</s>"]
    words = special + [f"w{index}" for index in range(SHAPE["vocab_size"] - 64 - len(special))]
    model = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    model.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers'
        tokenizer_object=model, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )


def _conversations(draw: random.Random, count: int) -> list[Any]:
    """Chats of 120 to 900 words, 416 on average, in 1 to 4 exchanges; answers are two fifths of the words."""
    from node0.finetune.corpus.schema import CorpusEntry

    def words(number: int) -> str:
        return " ".join(f"w{draw.randrange(30000)}" for _ in range(max(1, number)))

    entries = []
    for index in range(count):
        length = round(draw.triangular(120, 900, 228))
        exchanges = draw.randint(1, 4)
        messages: list[dict[str, Any]] = []
        for _ in range(exchanges):
            messages.append({"role": "user", "content": words(round(0.6 * length / exchanges))})
            messages.append({"role": "assistant", "content": words(round(0.4 * length / exchanges))})
        entries.append(
            CorpusEntry(
                id=f"chat-{index}",
                role=ROLE,
                rig="bench",
                task_type="chat",
                outcome="success",
                created_at="2026-01-01T00:00:00Z",
                messages=messages,
                session_id=f"session-{index}",
            )
        )
    return entries


def _plan(work: Path, precision: str) -> Any:
    from node0.finetune.config import FineTuneConfig
    from node0.finetune.training.plan.run_plan import make_plan
    from node0.lora.lora_config import ALL_LINEAR, LoRAConfig

    config = FineTuneConfig(
        role=ROLE,
        corpus_path=work / "corpus",
        checkpoint_dir=work / "run",
        base_model=str(work / "model"),
        lora=LoRAConfig(rank=RANK, alpha=ALPHA, dropout=DROPOUT, target_modules=list(ALL_LINEAR)),
        max_length=MAX_LENGTH,
        tokens_per_microbatch=BATCH_TOKENS,
        microbatches_per_step=1,
        val_split=0.0,
        lr=1e-4,
        precision=precision,  # type: ignore[arg-type]  # one of its three words
    )
    return make_plan(config)


def _measure(options: argparse.Namespace) -> Figures:
    import torch

    torch.set_num_threads(options.threads)
    run = _trl if options.side.startswith("trl") else _ours
    ends, tokens, losses = run(options, 1 + options.windows * options.steps)
    speeds = []
    # The first step warms up: lazy state, and a thread pool that starts.
    for first in range(1, len(tokens), options.steps):
        last = first + options.steps - 1
        speeds.append(sum(tokens[first : last + 1]) / (ends[last] - ends[first - 1]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Figures(speeds, peak, losses)


def _ours(options: argparse.Namespace, steps: int) -> tuple[list[float], list[int], list[float]]:
    from node0.finetune.training.engines.run_engine import build_engine
    from node0.pipeline.protocol import TrainStep

    plan = _plan(options.work, "float32" if options.side == "ours-float32" else "auto")
    pipeline, source = build_engine(plan).pipeline, plan.data.steps
    ends, tokens, losses = [], [], []
    for number in range(steps):
        batch = next(source)
        result = pipeline.train_step(batch, TrainStep(step=number, lr=1e-4))
        ends.append(CLOCKS[options.clock]())
        tokens.append(sum(source.dataset.lengths[unit] for units in source.units(number) for unit in units))
        losses.append(result.loss_sum / result.n_tokens)
    return ends, tokens, losses


def _trl(options: argparse.Namespace, steps: int) -> tuple[list[float], list[int], list[float]]:
    import transformers
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    rows = json.loads((options.work / "rows.json").read_text())[: steps * ROWS]
    ends: list[float] = []

    class Clock(transformers.TrainerCallback):
        """Notes when each step ended."""

        def on_step_end(self, *_args: Any, **_more: Any) -> None:
            """After the optimizer."""
            ends.append(CLOCKS[options.clock]())

    changed: dict[str, Any] = {} if options.side == "trl" else {"gradient_checkpointing": False}
    if options.side == "trl-float32":
        changed["bf16"] = False
    config = SFTConfig(
        output_dir=str(options.work / "trl"),
        use_cpu=True,
        max_steps=steps,
        per_device_train_batch_size=ROWS,
        learning_rate=1e-4,
        max_length=MAX_LENGTH,
        # The rows are shuffled; in this order each step's real tokens are known.
        train_sampling_strategy="sequential",
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        log_level="error",
        **changed,
    )
    trainer = SFTTrainer(
        model=str(options.work / "model"),
        args=config,
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=RANK, lora_alpha=ALPHA, lora_dropout=DROPOUT, target_modules=HF_LINEAR, task_type="CAUSAL_LM"
        ),
        callbacks=[Clock()],
    )
    trainer.train()
    tokens = [sum(len(row["input_ids"]) for row in rows[n * ROWS : (n + 1) * ROWS]) for n in range(steps)]
    return ends, tokens, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


if __name__ == "__main__":
    sys.exit(main())
