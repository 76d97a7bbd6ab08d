# SPDX-License-Identifier: Apache-2.0
"""LoRA fine-tuning in one process beside TRL's `SFTTrainer`: real tokens/s and peak memory.

Both sides train the same model on the same ids with the same supervised positions, rank and
targets, with what each does by default: TRL 1.16 pads its rows, runs under bfloat16 autocast and
recomputes activations; ours packs rows and keeps the frozen base in bfloat16 where the hardware
multiplies it. Padding is not counted. Every side runs in fresh processes that take turns; a figure
is the median over their windows. Memory is resident, or on a GPU what tensors took there. Run it on
an idle machine, on a GPU with more to do:

    python bench/train_vs_trl.py
    python bench/train_vs_trl.py --device cuda --size qwen3-0.6b --batch-tokens 8192 --rows 16 \\
        --steps 10 --sides trl trl-kept trl-packed ours
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_sizes import SIZES, write_model
from temporary import temporary_place

SIDES = {
    "trl": "TRL, its defaults",
    "trl-kept": "TRL, gradient_checkpointing=False",
    "trl-packed": "TRL, gradient_checkpointing=False, packing=True",
    "trl-float32": "TRL, bf16=False, gradient_checkpointing=False",
    "ours": "ours, its defaults",
    "ours-float32": "ours, precision=float32",
}
RANK, ALPHA, DROPOUT = 16, 32, 0.05
HF_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ROLE, MAX_LENGTH = "bench", 1024
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"Processor time compares sides fairly with one thread only: idle threads of a pool spin."
HANDED_ON = ("windows", "steps", "threads", "clock", "device", "size", "rows", "batch-tokens")
WARM_UP = {"cpu": 1, "cuda": 3}
"Steps that are not measured: lazy state, and a pool of threads or memory that fills."


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
    parser.add_argument("--device", choices=WARM_UP, default="cpu")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rows", type=int, default=4, help="conversations in a batch of TRL's")
    parser.add_argument(
        "--batch-tokens",
        type=int,
        default=2048,
        help="tokens in a microbatch of ours: about what a batch of TRL's holds with its padding",
    )
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: processor time, for a busy machine"
    )
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=["trl", "trl-kept", "ours"])
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", dest="prepared", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(_measure(options).__dict__))
        return 0
    if options.prepared:
        prepare(options.prepared, options)
        return 0
    with temporary_place("train") as directory:
        _child("prepare", directory, options)
        found: dict[str, list[Figures]] = {side: [] for side in options.sides}
        for number in range(options.rounds):
            for side in options.sides if number % 2 == 0 else reversed(options.sides):
                found[side].append(Figures(**_child(side, directory, options)))
    _report(found, options)
    return 0


def _child(side: str, work: Path, options: argparse.Namespace) -> Any:
    given = ["--prepare", str(work)] if side == "prepare" else ["--side", side, "--work", str(work)]
    for name in HANDED_ON:
        given.append(f"--{name}={getattr(options, name.replace('-', '_'))}")
    command = [sys.executable, __file__, *given]
    environment = os.environ | {
        "OMP_NUM_THREADS": str(options.threads),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=1800
    )
    return json.loads(done.stdout.splitlines()[-1]) if side != "prepare" else None


def _report(found: dict[str, list[Figures]], options: argparse.Namespace) -> None:
    speed = {s: statistics.median(v for f in figures for v in f.speeds) for s, figures in found.items()}
    peak = {s: statistics.median(f.peak for f in figures) for s, figures in found.items()}
    print(f"LoRA rank {RANK} on all linear layers, {SIZES[options.size]}, {options.batch_tokens} tokens,")
    print(f"on {_machine(options)}, {options.clock} clock,")
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


def _machine(options: argparse.Namespace) -> str:
    if options.device == "cpu":
        return f"{options.threads} threads"
    import torch

    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"


def prepare(work: Path, options: argparse.Namespace) -> None:
    """Write the model with its tokenizer, the corpus, and the ids and labels that both sides train on."""
    from node0.finetune.corpus.store import CorpusStore

    dtype = "float32" if options.device == "cpu" else "bfloat16"
    write_model(options.size, str(work / "model"), dtype=dtype, device=options.device)
    _tokenizer(SIZES[options.size]["vocab_size"]).save_pretrained(work / "model")
    store = CorpusStore(work / "corpus")
    steps = WARM_UP[options.device] + options.windows * options.steps
    for entry in _conversations(random.Random(0), max(400, steps * options.rows)):
        store.add(entry)
    dataset = _plan(work, "auto", options).data.steps.dataset
    rows = [
        {name: dataset[i][name].tolist() for name in ("input_ids", "labels")} for i in range(len(dataset))
    ]
    random.Random(1).shuffle(rows)
    # TRL shifts labels itself.
    for row in rows:
        row["labels"] = [-100, *row["labels"][:-1]]
    (work / "rows.json").write_text(json.dumps(rows))


def _tokenizer(vocab: int) -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<pad>", "<s>", "</s>"]
    words = special + [f"w{index}" for index in range(vocab - 64 - len(special))]
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


def _plan(work: Path, precision: str, options: argparse.Namespace) -> Any:
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
        tokens_per_microbatch=options.batch_tokens,
        microbatches_per_step=1,
        val_split=0.0,
        lr=1e-4,
        device=options.device,
        precision=precision,  # type: ignore[arg-type]  # one of its three words
    )
    return make_plan(config)


def _measure(options: argparse.Namespace) -> Figures:
    import torch

    torch.set_num_threads(options.threads)
    run = _trl if options.side.startswith("trl") else _ours
    warm_up = WARM_UP[options.device]
    ends, tokens, losses = run(options, warm_up + options.windows * options.steps)
    speeds = []
    for first in range(warm_up, len(tokens), options.steps):
        last = first + options.steps - 1
        speeds.append(sum(tokens[first : last + 1]) / (ends[last] - ends[first - 1]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.device == "cuda":
        peak = torch.cuda.max_memory_allocated() / (1 << 20)
    return Figures(speeds, peak, losses)


def _ours(options: argparse.Namespace, steps: int) -> tuple[list[float], list[int], list[float]]:
    from node0.finetune.training.engines.run_engine import build_engine
    from node0.pipeline.protocol import TrainStep

    plan = _plan(options.work, "float32" if options.side == "ours-float32" else "auto", options)
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

    rows = json.loads((options.work / "rows.json").read_text())[: steps * options.rows]
    packed = options.side == "trl-packed"
    at_once = options.batch_tokens // MAX_LENGTH if packed else options.rows
    ends: list[float] = []

    class Clock(transformers.TrainerCallback):
        """Notes when each step ended."""

        def on_step_end(self, *_args: Any, **_more: Any) -> None:
            """After the optimizer."""
            ends.append(CLOCKS[options.clock]())

    changed: dict[str, Any] = {} if options.side == "trl" else {"gradient_checkpointing": False}
    if options.side == "trl-float32":
        changed["bf16"] = False
    if packed:
        # Fewer rows hold as many conversations: there would not be enough for all steps.
        rows = rows * 2
        changed["packing"] = True
    config = SFTConfig(
        output_dir=str(options.work / "trl"),
        use_cpu=options.device == "cpu",
        max_steps=steps,
        per_device_train_batch_size=at_once,
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
    prepared: Any = trainer.train_dataset
    lengths = [len(ids) for ids in prepared["input_ids"]]
    trainer.train()
    tokens = [sum(lengths[n * at_once : (n + 1) * at_once]) for n in range(steps)]
    return ends, tokens, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


if __name__ == "__main__":
    sys.exit(main())
