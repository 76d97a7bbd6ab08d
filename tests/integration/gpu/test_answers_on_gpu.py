# SPDX-License-Identifier: Apache-2.0
"""Answers computed on a GPU beside those of the processor, alone and together, in pieces and from caches."""

from pathlib import Path

import pytest
import torch
from batch_parts import ARGS, answers, greedy_request, random_ids, write_adapter
from tiny_run import make_base

from node0.finetune.inference.loading import load_model, load_runner
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.engines.batching.batch_engine import BatchEngine
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.models.base_model import resolve_base
from node0.models.factory import build_stages
from node0.models.llama.layers import LlamaStage
from node0.pipeline.batch_runner import BatchRunner
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import SamplingParams

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA"),
]

LENGTHS = (3, 31, 32, 33, 64, 100, 200, 411)
WINDOWED = ARGS.model_copy(update={"sliding_window": 40})
NORMED = ARGS.model_copy(update={"qk_norm": True, "head_dim": 16, "tie_embeddings": True})


def joined(device: str, dtype: torch.dtype = torch.float32, args: object = ARGS) -> list[LlamaStage]:
    stages = [stage.eval() for stage in build_stages(args, device=device, dtype=dtype, seed=3)]
    for stage in stages:
        stage.requires_grad_(requires_grad=False)
        stage.join_projections()
    return stages


def engine(device: str, dtype: torch.dtype = torch.float32, args: object = ARGS, **more: int) -> BatchEngine:
    blocks = more.pop("blocks", 200)
    return BatchEngine(BatchRunner(joined(device, dtype, args), blocks), **more)


def requests(count: int = 30) -> list[GenerationRequest]:
    prompts = [random_ids(length, length) for length in LENGTHS[:4]]
    prompts += [tuple(random_ids(8, length) * 60)[:length] for length in LENGTHS[4:]]
    return [greedy_request(prompt, count) for prompt in prompts]


@pytest.mark.parametrize("args", [ARGS, WINDOWED, NORMED], ids=["plain", "window", "normed"])
def test_greedy_ids_are_the_processors_alone_and_together(args: object) -> None:
    expected = answers(engine("cpu", args=args), requests())
    shared = BatchRunner(joined("cuda", args=args), 200)

    assert answers(BatchEngine(shared), requests()) == expected
    assert [answers(BatchEngine(shared), [each])[0] for each in requests()] == expected


def test_pieces_known_beginnings_and_guesses_change_no_id() -> None:
    expected = answers(engine("cpu"), requests())
    knowing, scarce = engine("cuda"), engine("cuda", blocks=18)

    assert answers(engine("cuda", step_ids=16), requests()) == expected
    assert answers(knowing, requests()) == answers(knowing, requests()) == expected
    assert knowing.counts.reused == sum(LENGTHS) - len(LENGTHS)
    assert knowing.counts.taken > 0
    assert answers(scarce, requests()) == expected


def test_a_plain_session_gives_the_same_ids() -> None:
    expected = answers(engine("cpu"), requests())
    pipeline = LocalPipeline(joined("cuda"))

    for request, wanted in zip(requests(), expected, strict=True):
        session = pipeline.session(request.sampling, max_length=2048)
        ids = [session.extend(request.prompt)]
        while len(ids) < request.max_tokens:
            ids.append(session.extend([ids[-1]]))

        assert ids == wanted


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_answer_repeats_and_draws_by_its_seed(dtype: torch.dtype) -> None:
    shared = BatchRunner(joined("cuda", dtype), 200)
    drawn = [
        GenerationRequest("m", random_ids(40, seed), 20, sampling=SamplingParams(1.0, 0.9, 5, seed))
        for seed in range(4)
    ]

    assert answers(BatchEngine(shared), drawn) == answers(BatchEngine(shared), drawn)
    assert answers(BatchEngine(shared), requests()) == answers(BatchEngine(shared), requests())


def test_adapters_apart_and_merged_answer_as_on_the_processor(tmp_path: Path) -> None:
    base = make_base(tmp_path, max_seq_len=1024)
    found = resolve_base(base)
    adapters = {name: write_adapter(base, tmp_path / name, seed=seed) for seed, name in enumerate("ab")}
    names = [None, "a", "b", "a", "b", None, "a", "b"]

    def told(device: str) -> list[list[int]]:
        source = ModelSource("base", found)
        runner = load_runner(source, 200, device=device, dtype="float32", adapters=adapters)
        return answers(BatchEngine(runner), requests(), names)

    merged = load_model(str(base), adapters=[str(adapters["a"])], device="cuda", dtype="float32")
    ids = list(merged.generator(stop_ids=()).generate(requests()[1].prompt, 30, temperature=0.0))

    assert told("cuda") == told("cpu")
    assert ids == told("cpu")[1]
