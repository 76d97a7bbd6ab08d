# SPDX-License-Identifier: Apache-2.0
"""A corpus, a profile and a base so small that a run takes a second."""

from pathlib import Path
from typing import Any

from tiny_chat import calls, entry, result, says, tiny_tokenizer, user

from node0.finetune.config import FineTuneConfig
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.models.base_model import export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments

ROLE = "deacon"
PROFILE = "role: deacon\ncard: You patrol.\ntools: [Bash]\n"
RIGS = ("rust", "brass", "iron", "chrome", "zinc")
WHOLE = {
    "hidden_dim": 16,
    "n_heads": 2,
    "n_kv_heads": 1,
    "num_hidden_layers": 2,
    "ffn_dim": 32,
    "vocab_size": 288,
}
FRESH: dict[str, Any] = {
    "class_name": "node0.models.llama.arguments.LlamaArguments",
    "init_args": {**WHOLE, "max_seq_len": 512, "init_std": 0.1},
}


def make_corpus(root: Path, *, sessions: int = 12, kind: str = "sft", uneven: bool = False) -> Path:
    """Entries of a deacon who answers what the rig's number asks for; `uneven` in one to four sentences."""
    store = CorpusStore(root)
    for number in range(sessions):
        sentences = 1 + number % 4 if uneven else 1
        store.add(_pair(number, sentences) if kind == "dpo" else _session(number, sentences))
    return root


def make_base(directory: Path, *, seed: int = 7, **shape: int) -> Path:
    """A random Hugging Face base with a tokenizer of one token a byte; `shape` in place of FRESH's."""
    tokenizer_dir = directory / "tokenizer"
    tiny_tokenizer().save_pretrained(str(tokenizer_dir))
    export_base(build_stages(fresh_arguments(**shape), 1, seed=seed), directory / "base", tokenizer_dir)
    return directory / "base"


def fresh_arguments(**shape: int) -> LlamaArguments:
    return LlamaArguments(**{**FRESH["init_args"], **shape})


def settings(directory: Path, **changes: Any) -> dict[str, Any]:
    """A run over `directory/corpus` on `directory/base`, into `directory/run`."""
    profile = directory / "profile.yaml"
    profile.write_text(PROFILE)
    return {
        "role": ROLE,
        "corpus_path": str(directory / "corpus"),
        "checkpoint_dir": str(directory / "run"),
        "base_model": str(directory / "base"),
        "profile": str(profile),
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.05, "target_modules": ["wq", "wv", "w1", "w2"]},
        "max_length": 512,
        "tokens_per_microbatch": 1024,
        "microbatches_per_step": 2,
        "max_steps": 6,
        "num_warmup_steps": 2,
        "lr": 0.01,
        "val_split": 0.25,
        "eval_every_n_steps": 3,
        "checkpoint_every_n_steps": 3,
        "device": "cpu",
        "precision": "float32",
        **changes,
    }


def configure(directory: Path, **changes: Any) -> FineTuneConfig:
    return FineTuneConfig.model_validate(settings(directory, **changes))


def _session(number: int, sentences: int) -> CorpusEntry:
    rig = RIGS[number % len(RIGS)]
    answer = says(" ".join([f"Nudged {rig}."] * sentences))
    turns = [user(f"Look at {rig}."), calls(f"gt peek {rig}", 1), result("stale", 1), answer]
    return entry(turns, **_names(number))


def _pair(number: int, sentences: int) -> CorpusEntry:
    rig = RIGS[number % len(RIGS)]
    prompt = [user(f"Look at {rig}.")]
    return entry(
        prompt,
        chosen=[*prompt, says(" ".join([f"Nudged {rig}."] * sentences))],
        rejected=[*prompt, says("Nothing.")],
        **_names(number),
    )


def _names(number: int) -> dict[str, Any]:
    return {
        "id": f"e{number:03}",
        "role": ROLE,
        "session_id": f"s{number:03}",
        "scrub_version": "1",
        "created_at": f"2026-02-01T00:00:{number % 60:02}Z",
    }
