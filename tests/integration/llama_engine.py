# SPDX-License-Identifier: Apache-2.0
"""What llama.cpp makes of a model file. Run by the Python of its own environment: JSON in, JSON out.

A job is `{model, lora, tasks}`; a task is `{kind, ...}` with kind tokenize, greedy, logits or nll.
"""

import json
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

FLOAT32 = 0
"Of the cache: half precision would hide what is compared."


def main() -> None:
    """Answer the job on stdin."""
    job = json.load(sys.stdin)
    model = llama_cpp.Llama(
        model_path=job["model"],
        lora_path=job.get("lora"),
        n_ctx=job.get("context", 512),
        n_batch=512,
        n_threads=1,
        n_threads_batch=1,
        logits_all=True,
        type_k=FLOAT32,
        type_v=FLOAT32,
        flash_attn=False,
        verbose=False,
    )
    answers = [TASKS[task["kind"]](model, task) for task in job["tasks"]]
    json.dump({"version": llama_cpp.__version__, "answers": answers}, sys.stdout)


def tokenize(model: llama_cpp.Llama, task: dict[str, Any]) -> list[int]:
    """Ids of a text, special tokens found in it and none added."""
    return list(model.tokenize(task["text"].encode(), add_bos=False, special=True))


def greedy(model: llama_cpp.Llama, task: dict[str, Any]) -> list[int]:
    """The likeliest next ids, one by one."""
    model.reset()
    model.eval(task["ids"])
    found: list[int] = []
    for _ in range(task["count"]):
        found.append(int(model.scores[model.n_tokens - 1].argmax()))
        model.eval(found[-1:])
    return found


def logits(model: llama_cpp.Llama, task: dict[str, Any]) -> str:
    """Logits behind each id, in a file of numpy's."""
    model.reset()
    model.eval(task["ids"])
    np.save(task["file"], model.scores[: model.n_tokens])
    return str(Path(task["file"]))


def nll(model: llama_cpp.Llama, task: dict[str, Any]) -> float:
    """Mean negative log likelihood of the ids at the given places of each row, none of them its first."""
    losses: list[float] = []
    for ids, places in task["rows"]:
        model.reset()
        model.eval(ids)
        scores = model.scores[: len(ids) - 1].astype(np.float64)
        shifted = scores - scores.max(-1, keepdims=True)
        logps = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
        losses += [-float(logps[place - 1, ids[place]]) for place in places]
    return sum(losses) / len(losses)


TASKS = {"tokenize": tokenize, "greedy": greedy, "logits": logits, "nll": nll}

if __name__ == "__main__":
    main()
