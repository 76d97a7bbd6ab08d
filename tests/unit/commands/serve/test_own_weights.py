# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from any_base import any_source, make_any_base, write_any_adapter
from batch_parts import answers, greedy_request, random_ids, write_adapter
from tiny_run import make_base

from node0.commands.serve.model_offers import Offer, SourceChoice
from node0.commands.serve.own_weights import OwnWeights, default_cache_bytes
from node0.errors import DoesNotFit
from node0.finetune.inference.loaded_stages import cache_block_bytes, weight_bytes
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.engines.local_engine import LocalEngine
from node0.finetune.serving.engines.model_pool import ModelPool
from node0.models.base_model import resolve_base
from node0.models.block_cache import BLOCK

CHOICE = SourceChoice((), None, None, "cpu", "float32", None)


@pytest.fixture
def offered(tmp_path: Path) -> list[Offer]:
    """Two adapters of one base."""
    base = make_base(tmp_path)
    found = resolve_base(base)
    return [
        Offer(ModelSource(name, found, (write_adapter(base, tmp_path / name, seed=seed),)), [name], name)
        for seed, name in enumerate("ab")
    ]


def weights(*offers: Offer, cache_bytes: int = 1 << 24) -> OwnWeights:
    made = OwnWeights(CHOICE, 4, cache_bytes)
    made.start(offers)
    return made


def test_one_adapter_alone_is_inside_its_weights_and_two_share_a_base(offered: list[Offer]) -> None:
    alone, both = weights(offered[0]), weights(*offered)
    placed = both.placements

    assert (list(alone.loaders), alone.placements["a"].adapter) == (["a"], None)
    assert len(both.loaders) == 1 and placed["a"].weights == placed["b"].weights
    assert (placed["a"].adapter, placed["b"].adapter) == ("a", "b")


def test_shared_and_own_weights_answer_alike(offered: list[Offer]) -> None:
    request = greedy_request(random_ids(40), 20)
    alone, both = weights(offered[0]), weights(*offered)
    (own,), (shared,) = alone.loaders.values(), both.loaders.values()

    ids = answers(own.load(), [request])
    assert answers(shared.load(), [request] * 2, ["a", "b"])[:1] == ids
    assert answers(shared.load(), [request], ["b"]) != ids


def test_a_later_version_joins_the_base_that_is_shared(offered: list[Offer]) -> None:
    alone, both = weights(offered[0]), weights(*offered)
    source = offered[0].source

    assert [both.place(Offer(source, ["c"], "c"))] == list(both.loaders.values())
    assert both.placements["c"].adapter == "c"
    assert alone.place(Offer(source, ["c"], "c")) is alone.loaders["c"]
    assert list(alone.loaders) == ["a", "c"]


def test_a_later_version_over_the_budget_is_refused_each_time(offered: list[Offer]) -> None:
    made = weights(offered[0])
    engine = LocalEngine(ModelPool({}, max_bytes=100), {})

    for _ in range(2):
        loader = made.place(offered[1])
        with pytest.raises(DoesNotFit, match="the budget is 100"):
            engine.offer("b", made.placements["b"], loader)


def test_a_model_may_have_no_more_context_than_its_cache_holds(offered: list[Offer]) -> None:
    source = offered[0].source
    block = cache_block_bytes(source)

    assert weights(offered[0]).context(source) == source.base.args.max_seq_len
    assert weights(offered[0], cache_bytes=3 * block).context(source) == 3 * BLOCK
    with pytest.raises(DoesNotFit, match="free memory; node0 serve also takes a larger --cache-gib"):
        weights(offered[0], cache_bytes=block - 1).context(source)


def test_the_cache_stays_within_its_bytes(offered: list[Offer]) -> None:
    budget = 10 * cache_block_bytes(offered[0].source) + 5
    (loader,) = weights(offered[0], cache_bytes=budget).loaders.values()

    assert budget - 2 * cache_block_bytes(offered[0].source) < loader.load().figures().cache_bytes <= budget


def test_the_default_leaves_room_for_the_weights_and_divides_the_rest(
    offered: list[Offer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node0.commands.serve.own_weights.free_bytes", lambda device: 10_000_000)
    each = weight_bytes(offered[0].source, dtype="float32")
    shared = [loader.nbytes for loader in weights(*offered).loaders.values()]

    assert default_cache_bytes(shared, "cpu", 1) == (10_000_000 - each) // 2
    assert default_cache_bytes([each, 3 * each], "cpu", 1) == (10_000_000 - 3 * each) // 2
    assert default_cache_bytes([each, each], "cpu", 2) == (10_000_000 - 2 * each) // 4


def test_a_base_of_another_family_has_weights_for_each_adapter_and_its_own_context(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_any_base(tmp_path, "granite")
    sources = [
        any_source(base, write_any_adapter(base, tmp_path / name, seed=len(name))) for name in ("a", "bb")
    ]
    made = weights(*(Offer(source, [source.name], source.name) for source in sources), cache_bytes=1)
    request = greedy_request(random_ids(40), 12)

    told = [answers(loader.load(), [request]) for loader in made.loaders.values()]

    assert len(made.loaders) == 2 and told[0] != told[1]
    assert {placement.adapter for placement in made.placements.values()} == {None}
    assert made.context(sources[0]) == 512
    said = [line for line in capsys.readouterr().err.splitlines() if "transformers computes it" in line]
    assert [line.endswith(each.line_for_vllm()) for line, each in zip(said, sources, strict=True)] == [
        True
    ] * 2
