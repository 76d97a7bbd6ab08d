# SPDX-License-Identifier: Apache-2.0
import gc
import weakref
from pathlib import Path

import pytest
import torch
from tiny_chat import tiny_tokenizer

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.inference.loaded_stages import cache_block_bytes, weight_bytes
from node0.finetune.inference.loading import LoadedModel, find_source, load_model, load_runner
from node0.finetune.registry.publish import publish
from node0.finetune.registry.store import ModelRegistry
from node0.lora.adapter import apply_lora, get_lora_parameters
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.base_model import base_digest, export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.local import LocalPipeline
from node0.town import Town

ARGS = LlamaArguments(
    hidden_dim=32,
    n_heads=4,
    n_kv_heads=2,
    num_hidden_layers=2,
    vocab_size=48,
    ffn_dim=40,
    max_seq_len=64,
    init_std=0.3,
)
CONFIG = LoRAConfig(rank=4, alpha=8.0, dropout=0.0, target_modules=list(ALL_LINEAR))
PROMPT = [3, 9, 27, 5]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    export_base(build_stages(ARGS, seed=1), tmp_path / "base")
    return tmp_path / "base"


def _write_adapter(base: Path, directory: Path, *, seed: int = 2) -> LocalPipeline:
    """An adapter with a B that is not zero; the pipeline it was made in, adapter on and not merged."""
    stages = build_stages(ARGS, seed=1)
    apply_lora(stages[0], CONFIG, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in get_lora_parameters(stages[0]):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    export_peft(stages, directory, base_name=str(base), base_digest=base_digest(base))
    return LocalPipeline(stages)


def _greedy(loaded: LoadedModel) -> list[int]:
    return list(loaded.generator().generate(PROMPT, 24, temperature=0.0))


def test_an_adapter_directory_answers_as_the_pipeline_that_made_it(base: Path, tmp_path: Path) -> None:
    made_in = _write_adapter(base, tmp_path / "run")

    loaded = load_model(str(tmp_path / "run"))
    loose = LoadedModel("", None, made_in, ARGS, "", None, None)

    assert _greedy(loaded) == _greedy(loose)
    assert _greedy(loaded) != _greedy(load_model(str(base)))


def test_every_split_answers_alike(base: Path) -> None:
    assert _greedy(load_model(str(base), num_stages=2)) == _greedy(load_model(str(base)))


def test_a_loaded_model_holds_no_second_copy_of_its_weights(base: Path, tmp_path: Path) -> None:
    _write_adapter(base, tmp_path / "run")

    def size(name: Path) -> int:
        stages = load_model(str(name)).pipeline.stages
        return sum(parameter.numel() for stage in stages for parameter in stage.parameters())

    assert size(tmp_path / "run") == size(base)


def test_more_adapters_are_added_up(base: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 2), ("two", 3)):
        _write_adapter(base, tmp_path / name, seed=seed)
    one, two = str(tmp_path / "one"), str(tmp_path / "two")

    both, swapped = load_model(one, adapters=[two]), load_model(two, adapters=[one])
    on_base = load_model(str(base), adapters=[one, two])

    weights = [
        loaded.pipeline.stages[0].get_parameter("layers.1.attention.wqkv.weight")
        for loaded in (both, swapped, on_base)
    ]
    torch.testing.assert_close(weights[0], weights[1])
    torch.testing.assert_close(weights[0], weights[2])
    assert _greedy(both) != _greedy(load_model(one))


def test_an_adapter_of_another_base_is_refused(base: Path, tmp_path: Path) -> None:
    _write_adapter(base, tmp_path / "run")
    other = tmp_path / "other"
    export_base(build_stages(ARGS, seed=7), other)

    with pytest.raises(BadCheckpoint, match="adapter of another base"):
        load_model(str(other), adapters=[str(tmp_path / "run")])


def test_an_adapter_whose_base_changed_is_refused(base: Path, tmp_path: Path) -> None:
    _write_adapter(base, tmp_path / "run")
    export_base(build_stages(ARGS, seed=7), base)

    with pytest.raises(BadCheckpoint, match="adapter of another base"):
        load_model(str(tmp_path / "run"))


def test_a_registered_adapter_is_found_by_name_and_needs_its_base(base: Path, tmp_path: Path) -> None:
    town, run = Town(tmp_path), tmp_path / "run"
    _write_adapter(base, run)
    publish(ModelRegistry(town), run, name="deacon", role="deacon", models=town.models)

    loaded = load_model("deacon", town=tmp_path)
    assert (loaded.name, loaded.role) == ("deacon:1", "deacon")
    assert _greedy(loaded) == _greedy(load_model(str(run)))
    added = load_model(str(base), adapters=["deacon:1"], town=tmp_path)
    assert _greedy(added) == _greedy(loaded)

    export_base(build_stages(ARGS, seed=7), base)
    with pytest.raises(BadCheckpoint, match="deacon:1 needs base"):
        load_model("deacon", town=tmp_path)


def test_a_run_says_its_role_and_a_person_may_say_another(base: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    _write_adapter(base, run)
    (run / "config.resolved.yaml").write_text("role: witness\n")

    assert load_model(str(run)).role == "witness"
    assert load_model(str(run), role="deacon").role == "deacon"


def test_the_profile_of_the_training_is_used_for_its_own_role_only(tmp_path: Path) -> None:
    run = tmp_path / "run"
    export_base(build_stages(ARGS.model_copy(update={"vocab_size": 272}), seed=1), run)
    tiny_tokenizer().save_pretrained(run)
    (run / "config.resolved.yaml").write_text("role: deacon\n")
    (run / "profile.yaml").write_text("role: deacon\ncard: Card of the run.\n")

    trained, other = load_model(str(run)), load_model(str(run), role="witness")

    assert "Card of the run." in trained.decode(trained.encode_chat("hello"))
    assert "Card of the run." not in other.decode(other.encode_chat("hello"))


@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_a_block_of_the_cache_takes_what_is_reckoned(base: Path, dtype: str) -> None:
    source = find_source(str(base))

    assert load_runner(source, 7, device="cpu", dtype=dtype).nbytes == 7 * cache_block_bytes(
        source, device="cpu", dtype=dtype
    )


@pytest.mark.parametrize("tied", [False, True])
def test_weights_take_what_is_reckoned(tmp_path: Path, tied: bool) -> None:
    args = ARGS.model_copy(update={"hidden_dim": 256, "vocab_size": 600, "tie_embeddings": tied})
    export_base(build_stages(args, seed=1), tmp_path / "base")
    source = find_source(str(tmp_path / "base"))

    (stage,) = load_runner(source, 1, device="cpu", dtype="float32")._stages

    kept = {
        parameter.data_ptr() if not parameter.is_mkldnn else name: parameter.nbytes
        for name, parameter in stage.named_parameters()
    }
    assert sum(kept.values()) == weight_bytes(source, device="cpu", dtype="float32")


def test_what_loads_adapters_keeps_no_weights_alive(base: Path) -> None:
    runner = load_runner(find_source(str(base)), 1, adapters={})
    load, weights = runner._load_adapter, weakref.ref(runner._stages[0])

    runner.close()
    gc.collect()

    assert load is not None and weights() is None


def test_a_model_without_a_tokenizer_generates_ids_but_no_text(base: Path) -> None:
    loaded = load_model(str(base))

    assert len(_greedy(loaded)) == 24
    for ask in (loaded.encode_chat, loaded.encode_text):
        with pytest.raises(NotFound, match="has no tokenizer"):
            ask("hello")


def test_a_prompt_longer_than_the_context_is_refused(base: Path) -> None:
    with pytest.raises(ConfigError, match="64 tokens and the model's context is 64"):
        load_model(str(base)).generator().generate([1] * 64)


@pytest.mark.parametrize(("flag", "value"), [("device", "tpu"), ("dtype", "float8")])
def test_an_unknown_device_or_type_is_refused(base: Path, flag: str, value: str) -> None:
    with pytest.raises(ConfigError, match=value):
        load_model(str(base), **{flag: value})


def test_bfloat16_is_what_was_asked_for(base: Path) -> None:
    stage = load_model(str(base), dtype="bfloat16").pipeline.stages[0]

    assert stage.get_parameter("layers.0.attention.wo.weight").dtype == torch.bfloat16
    assert load_model(str(base), device="cpu").pipeline.stages[0].dtype == torch.float32
