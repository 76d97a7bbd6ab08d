# SPDX-License-Identifier: Apache-2.0
"""llama.cpp itself reads what we export: ids, logits, greedy answers and perplexities are ours."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_export import (
    FAMILIES,
    adapter_directory,
    base_directory,
    byte_tokenizer,
    sentence_tokenizer,
    source_of,
)
from torch import Tensor

from node0 import run_corpus
from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.checkpoint.exporter import export_to_gguf, sample_prompts
from node0.finetune.checkpoint.gguf.read_tokenizer import PROBES, plain_ids
from node0.finetune.checkpoint.gguf.smoke import layerwise_logits
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.rows import Row, RowMaker
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.export.export import Options, export
from node0.models.base_model import resolve_base
from town.generator.build import TownPlan, build_town

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / ".engines" / "llama-cpp" / "bin" / "python"
BASE = ROOT / "examples" / "base"
SCRIPT = Path(__file__).with_name("llama_engine.py")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not ENGINE.exists(), reason="llama.cpp is not there; run: make engines"),
]

IDS = [5, 9, 200, 3, 44, 9, 17, 301, 256, 80, 41, 7]
COUNT = 32
MATRIX = 2
"Dimensions of what an f16 file rounds; vectors stay f32."


def _ask(model: Path, *tasks: dict[str, Any], lora: Path | None = None) -> list[Any]:
    job = {"model": str(model), "lora": None if lora is None else str(lora), "tasks": tasks, "context": 1024}
    done = subprocess.run(
        [ENGINE, SCRIPT], input=json.dumps(job), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return list(json.loads(done.stdout)["answers"])


def _logits(model: Path, ids: list[int], lora: Path | None = None) -> Tensor:
    (file,) = _ask(model, {"kind": "logits", "ids": ids, "file": f"{model}.npy"}, lora=lora)
    return torch.from_numpy(np.load(file))


def _our_logits(weights: MergedWeights, ids: list[int]) -> Tensor:
    return layerwise_logits(weights.args, weights.read, torch.tensor([ids]))[0]


def _our_greedy(weights: MergedWeights, ids: list[int]) -> list[int]:
    found: list[int] = []
    for _ in range(COUNT):
        found.append(int(_our_logits(weights, [*ids, *found])[-1].argmax()))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_our_logits_and_answers_in_f32(tmp_path: Path, family: str) -> None:
    base = base_directory(tmp_path / "base", family)
    weights = MergedWeights(base)
    path = export_to_gguf(base.path, tmp_path / "a.gguf", "f32")

    (answer,) = _ask(path, {"kind": "greedy", "ids": IDS, "count": COUNT})
    logits = _logits(path, IDS)

    assert (logits - _our_logits(weights, IDS)).abs().max() < 2e-4
    assert answer == _our_greedy(weights, IDS)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_an_adapter_over_its_base_is_the_merged_model(tmp_path: Path, family: str) -> None:
    base = base_directory(tmp_path / "base", family)
    adapter = adapter_directory(tmp_path / "adapter", base)
    source = source_of(base, adapter)
    plain = export_to_gguf(base.path, tmp_path / "base.gguf", "f32")
    export(source, tmp_path / "merged.gguf", format="gguf", options=Options(quantization="f32"))
    export(source, tmp_path / "adapter.gguf", format="gguf-adapter")

    added = _logits(plain, IDS, lora=tmp_path / "adapter.gguf")
    merged = _logits(tmp_path / "merged.gguf", IDS)

    assert (added - merged).abs().max() < 2e-4
    assert (merged - _our_logits(MergedWeights(base, [adapter]), IDS)).abs().max() < 2e-4
    assert (merged - _logits(plain, IDS)).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["gpt-2", "llama-bpe", "qwen2", "sentence"])
def test_its_tokenizer_makes_our_ids(tmp_path: Path, kind: str) -> None:
    tokenizer = sentence_tokenizer() if kind == "sentence" else byte_tokenizer(kind)
    base = base_directory(tmp_path / "base", tokenizer=tokenizer)
    tokenizer = load_tokenizer(base.path)
    path = export_to_gguf(base.path, tmp_path / "a.gguf", "f16")
    texts = [*PROBES, "<|im_start|>user\nto harbor-town, please<|im_end|>\n"]

    answers = _ask(path, *({"kind": "tokenize", "text": text} for text in texts))

    assert answers == [plain_ids(tokenizer, text) for text in texts]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """Sessions of witnesses and polecats, which the sample base was trained for, but of another town."""
    town = tmp_path_factory.mktemp("town")
    plan = TownPlan(seed=77, sessions={"deacon": 0, "witness": 6, "polecat": 6}, secrets=0, people=0)
    build_town(town / "gt", town / "planted.json", plan)
    assert run_corpus.main(["collect", "--town", str(town / "gt")]) == 0
    tokenizer = load_tokenizer(BASE)
    return list(_rows(CorpusStore(town / "gt" / ".corpus"), tokenizer))


def _rows(store: CorpusStore, tokenizer: Any) -> Iterator[Row]:
    for entry in store.list():
        maker = RowMaker(
            Renderer(tokenizer, load_profile(entry.role)), mode="sft", max_length=640, over_length="drop"
        )
        yield from (row for row in maker.rows(entry).rows if isinstance(row, Row))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The demo's base in every format that is promised."""
    folder = tmp_path_factory.mktemp("files")
    names = ("f32", "f16", "bf16", "q8_0", "q4_k_m", "q5_k_m", "q6_k")
    return {name: export_to_gguf(BASE, folder / f"{name}.gguf", name, engine=ENGINE) for name in names}


def _perplexity(path: Path, rows: list[Row]) -> float:
    """Of the answers: of what comes from a harness the base has learnt nothing."""
    learnt = [[place for start, end in row.spans for place in range(start, end)] for row in rows]
    texts = [[row.ids.tolist(), places] for row, places in zip(rows, learnt, strict=True)]
    (loss,) = _ask(path, {"kind": "nll", "rows": texts})
    return float(np.exp(loss))


def test_the_demos_base_answers_alike_in_f32(files: dict[str, Path]) -> None:
    weights = MergedWeights(resolve_base(BASE))
    tokenizer = load_tokenizer(BASE)
    for prompt in sample_prompts(Renderer(tokenizer, load_profile("witness"))):
        ids, answer = _ask(
            files["f32"],
            {"kind": "tokenize", "text": prompt.text},
            {"kind": "greedy", "ids": prompt.ids, "count": COUNT},
        )

        assert ids == prompt.ids
        assert answer == _our_greedy(weights, prompt.ids)


def test_the_demos_base_has_our_logits_in_f16(files: dict[str, Path]) -> None:
    prompt = sample_prompts(Renderer(load_tokenizer(BASE), load_profile("witness")))[1]
    wanted = _our_logits(MergedWeights(resolve_base(BASE)), prompt.ids)

    found = _logits(files["f16"], prompt.ids)

    difference = (found - wanted).abs()
    assert difference.square().mean().sqrt() <= 1e-2
    assert difference.max() <= 1e-2 * wanted.abs().max()


def test_it_computes_with_f16_weights_what_we_compute_with_them(files: dict[str, Path]) -> None:
    weights = MergedWeights(resolve_base(BASE))

    def read(name: str, shape: Sequence[int]) -> Tensor:
        whole = weights.read(name, shape)
        return whole.half().float() if whole.dim() == MATRIX else whole

    for prompt in sample_prompts(Renderer(load_tokenizer(BASE), load_profile("witness"))):
        wanted = layerwise_logits(weights.args, read, torch.tensor([prompt.ids]))[0]

        torch.testing.assert_close(_logits(files["f16"], prompt.ids), wanted, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    ("numbers", "bound"),
    [("f16", 0.001), ("bf16", 0.01), ("q8_0", 0.01), ("q6_k", 0.05), ("q5_k_m", 0.05), ("q4_k_m", 0.05)],
)
def test_perplexity_stays_near_that_of_f32(
    files: dict[str, Path], rows: list[Row], numbers: str, bound: float
) -> None:
    plain, narrow = _perplexity(files["f32"], rows), _perplexity(files[numbers], rows)

    assert len(rows) > 10
    assert abs(narrow / plain - 1) <= bound
