# SPDX-License-Identifier: Apache-2.0
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from node0.errors import BadCheckpoint, ConfigError
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import IGNORE, Microbatch, Preference, StepResult, TrainStep

MakePipeline = Callable[..., LocalPipeline]
MakeMicrobatch = Callable[..., Microbatch]

SHARES = (0.9, 0.1, 0.4)
"Of supervised tokens, by microbatch."

MIDDLE_NORM = 1.3
"Between the smallest and the largest gradient norm of the first twenty steps."


def _weights(pipeline: LocalPipeline) -> dict[str, Tensor]:
    return {
        name: weight.detach().clone()
        for executor in pipeline.executors
        for name, weight in executor.trained.weights.items()
    }


def _gradients(pipeline: LocalPipeline) -> dict[str, Tensor]:
    return {
        name: gradient.clone()
        for executor in pipeline.executors
        for name, gradient in executor.trained.gradients.by_name().items()
    }


def _batch(make_microbatch: MakeMicrobatch, step: int) -> list[Microbatch]:
    return [make_microbatch(10 * step + index, share=share) for index, share in enumerate(SHARES)]


def _run(pipeline: LocalPipeline, make_microbatch: MakeMicrobatch, steps: range) -> list[StepResult]:
    return [
        pipeline.train_step(_batch(make_microbatch, step), TrainStep(step=step, lr=1e-3, seed=3))
        for step in steps
    ]


def _same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _largest_difference(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def _relative(first: Tensor, second: Tensor) -> float:
    return float((first - second).norm() / second.norm().clamp(min=1e-30))


@pytest.mark.parametrize("dropout", [0.0, 0.05])
def test_one_and_three_stages_agree_at_every_step(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch, dropout: float
) -> None:
    one = make_pipeline(1, dropout=dropout, max_grad_norm=MIDDLE_NORM)
    three = make_pipeline(3, dropout=dropout, max_grad_norm=MIDDLE_NORM)
    clipped: list[bool] = []
    norms: list[float] = []
    for number in range(20):
        step = TrainStep(step=number, lr=1e-3, seed=3)
        totals = [p.accumulate(_batch(make_microbatch, number), step) for p in (one, three)]
        expected = _gradients(one)
        for name, gradient in _gradients(three).items():
            assert _relative(gradient, expected[name]) < 1e-5, (number, name)
        first, second = one.commit(totals[0], step), three.commit(totals[1], step)
        assert second.loss_sum == pytest.approx(first.loss_sum, rel=1e-5)
        assert second.grad_norm == pytest.approx(first.grad_norm, rel=1e-5)
        assert sum(norm**2 for norm in second.stage_norms) == pytest.approx(first.grad_norm**2, rel=1e-5)
        assert len(second.stage_norms) == 3 and all(norm > 0 for norm in second.stage_norms)
        assert second.n_tokens == first.n_tokens
        clipped.append(first.grad_norm > MIDDLE_NORM)
        norms.append(first.grad_norm)

    assert _largest_difference(_weights(one), _weights(three)) < 1e-6
    assert any(clipped) and not all(clipped), norms
    assert one.version == three.version == 20


def test_frozen_stages_below_the_adapter_are_left_out_of_the_backward_pass(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch
) -> None:
    everywhere, top_only = make_pipeline(3), make_pipeline(3)
    for stage in top_only.stages[:2]:
        stage.requires_grad_(False)
    top_only = LocalPipeline(top_only.stages)
    step = TrainStep(step=0, lr=1e-3)

    for pipeline in (everywhere, top_only):
        pipeline.accumulate(_batch(make_microbatch, 0), step)

    at_top = everywhere.executors[2].trained.gradients.by_name()
    assert _same(_gradients(top_only), at_top) and at_top
    assert [executor.trained.prepare().microbatches for executor in top_only.executors] == [3, 3, 3]


@pytest.mark.parametrize("num_stages", [1, 2])
def test_packed_rows_equal_unpacked_rows(make_pipeline: MakePipeline, num_stages: int) -> None:
    lengths = (11, 1, 7, 20)
    generator = torch.Generator().manual_seed(0)
    documents = [torch.randint(0, 61, (1, length + 1), generator=generator) for length in lengths]
    parts = [
        Microbatch(ids[:, :-1], torch.arange(ids.shape[1] - 1)[None], _odd_only(ids[:, 1:]))
        for ids in documents
    ]
    packed = Microbatch(*(torch.cat([getattr(p, f) for p in parts], dim=1) for f in Microbatch.__slots__))
    step = TrainStep(step=0, lr=0.0)
    together, alone = make_pipeline(num_stages), make_pipeline(num_stages)

    totals, expected = together.accumulate([packed], step), alone.accumulate(parts, step)

    assert totals.count == expected.count > 10
    assert totals.loss_sum == pytest.approx(expected.loss_sum, rel=1e-5)
    gradients, wanted = _gradients(together), _gradients(alone)
    assert gradients.keys() == wanted.keys() and len(gradients) == 4 * 7 * 2
    assert max(float((gradients[name] - wanted[name]).abs().max()) for name in wanted) < 1e-5
    scores = alone.score(packed)
    assert torch.allclose(scores, torch.cat([alone.score(part) for part in parts], dim=1), atol=1e-5)


def _odd_only(labels: Tensor) -> Tensor:
    return torch.where(labels % 2 == 1, labels, torch.tensor(IGNORE))


@pytest.mark.parametrize("stages_after", [1, 3])
def test_ten_steps_saved_and_ten_more_equal_twenty(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch, tmp_path: Path, stages_after: int
) -> None:
    straight = make_pipeline(1, dropout=0.05)
    _run(straight, make_microbatch, range(20))
    first = make_pipeline(1, dropout=0.05)
    _run(first, make_microbatch, range(10))
    first.save(tmp_path / "at-10")

    second = make_pipeline(stages_after, dropout=0.05)
    second.load(tmp_path / "at-10")
    assert second.version == 10
    _run(second, make_microbatch, range(10, 20))

    if stages_after == 1:
        straight.save(tmp_path / "straight")
        second.save(tmp_path / "resumed")
        files = [
            directory / "state-000.safetensors" for directory in (tmp_path / "straight", tmp_path / "resumed")
        ]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert _largest_difference(_weights(straight), _weights(second)) < (1e-6 if stages_after > 1 else 1e-30)


def test_full_training_of_a_tied_base_is_the_same_in_three_stages(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch, tmp_path: Path
) -> None:
    one = make_pipeline(1, dropout=None, tied=True, max_grad_norm=1.0)
    three = make_pipeline(3, dropout=None, tied=True, max_grad_norm=1.0)

    for number in range(20):
        step = TrainStep(step=number, lr=1e-3)
        totals = [p.accumulate(_batch(make_microbatch, number), step) for p in (one, three)]
        expected = _gradients(one)
        for name, gradient in _gradients(three).items():
            assert _relative(gradient, expected[_table(name)]) < 1e-5, (number, name)
        first, second = one.commit(totals[0], step), three.commit(totals[1], step)
        assert second.grad_norm == pytest.approx(first.grad_norm, rel=1e-5)
        assert second.loss_sum == pytest.approx(first.loss_sum, rel=1e-5)

    weights = _weights(three)
    assert torch.equal(weights["tok_embeddings.weight"], weights.pop("output.weight"))
    assert _largest_difference(_weights(one), weights) < 1e-6
    one.save(tmp_path)
    three.load(tmp_path)
    assert torch.equal(three.stages[2].output.weight, one.stages[0].tok_embeddings.weight)  # type: ignore[arg-type,union-attr]  # torch types submodules loosely


def _table(name: str) -> str:
    return "tok_embeddings.weight" if name == "output.weight" else name


@pytest.mark.parametrize("num_stages", [1, 3])
@pytest.mark.parametrize("dropout", [None, 0.1])
@pytest.mark.parametrize("budget", [0, 60_000])
def test_recomputed_layers_give_the_same_gradients(
    make_pipeline: MakePipeline,
    make_microbatch: MakeMicrobatch,
    num_stages: int,
    dropout: float | None,
    budget: int,
) -> None:
    step = TrainStep(step=4, lr=1e-3)
    kept = make_pipeline(num_stages, dropout=dropout)
    recomputed = make_pipeline(num_stages, dropout=dropout, graph_budget=budget)

    totals = [p.accumulate(_batch(make_microbatch, 0), step) for p in (kept, recomputed)]

    assert totals[0] == totals[1]
    assert _same(_gradients(kept), _gradients(recomputed))
    assert len(_gradients(kept)) > 20


def test_a_loss_that_is_not_finite_moves_nothing(
    make_pipeline: MakePipeline,
    make_microbatch: MakeMicrobatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    pipeline = make_pipeline(3)
    _run(pipeline, make_microbatch, range(2))
    pipeline.save(tmp_path / "before")
    norm = pipeline.stages[1].layers["2"].attention_norm.weight  # type: ignore[union-attr]  # torch types submodules loosely
    healthy = norm.detach().clone()  # type: ignore[operator,union-attr]  # torch types submodules loosely

    norm.data.fill_(float("nan"))  # type: ignore[operator,union-attr]  # torch types submodules loosely
    with caplog.at_level(logging.WARNING):
        result = _run(pipeline, make_microbatch, range(2, 3))[0]
    norm.data.copy_(healthy)  # type: ignore[operator,union-attr]  # torch types submodules loosely
    pipeline.save(tmp_path / "after")

    assert result.skipped
    assert "step 2 skipped, no weight moved: the loss is nan" in caplog.text
    for file in (tmp_path / "before").iterdir():
        assert file.read_bytes() == (tmp_path / "after" / file.name).read_bytes()
    assert not _run(pipeline, make_microbatch, range(3, 4))[0].skipped
    assert pipeline.version == 3


def test_one_infinite_gradient_stops_every_stage(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = make_pipeline(3)
    before = _weights(pipeline)
    step = TrainStep(step=7, lr=1e-3)

    totals = pipeline.accumulate(_batch(make_microbatch, 0), step)
    next(iter(pipeline.executors[1].trained.gradients.by_name().values()))[0, 0] = float("inf")
    result = pipeline.commit(totals, step)

    assert result.skipped and "gradients of stage 1 are not finite" in caplog.text
    assert _same(before, _weights(pipeline))
    assert _gradients(pipeline) == {}


def test_a_batch_without_supervised_tokens_is_skipped(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch
) -> None:
    pipeline = make_pipeline(2)
    before = _weights(pipeline)

    result = pipeline.train_step([make_microbatch(0, share=0.0)], TrainStep(step=0, lr=1e-3))

    assert result.skipped and result.n_tokens == 0
    assert _same(before, _weights(pipeline))


def test_the_gradient_is_the_mean_over_the_tokens_of_the_whole_batch(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch
) -> None:
    cut, whole = make_pipeline(1), make_pipeline(1)
    parts = [make_microbatch(seed, share=share) for seed, share in enumerate((0.9, 0.1))]
    joined = Microbatch(*(torch.cat([getattr(p, f) for p in parts]) for f in Microbatch.__slots__))
    step = TrainStep(step=0, lr=1e-3)

    results = [cut.train_step(parts, step), whole.train_step([joined], step)]

    assert results[0].grad_norm == pytest.approx(results[1].grad_norm, rel=1e-5)
    assert results[0].loss_sum == pytest.approx(results[1].loss_sum, rel=1e-6)


def test_a_failure_in_a_step_leaves_no_gradient(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch
) -> None:
    pipeline = make_pipeline(3)
    bad = Microbatch(torch.full((1, 4), 10**6), torch.arange(4)[None], torch.full((1, 4), 1))

    with pytest.raises(IndexError):
        pipeline.accumulate([make_microbatch(0), bad], TrainStep(step=0, lr=1e-3))

    assert _gradients(pipeline) == {}
    _run(pipeline, make_microbatch, range(1))


def _pairs(make_microbatch: MakeMicrobatch, seed: int) -> Microbatch:
    return make_microbatch(seed, rows=4, documents=(18,))


@pytest.mark.parametrize("reference_free", [False, True])
def test_preferences_are_the_same_in_three_stages(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch, reference_free: bool
) -> None:
    one, three = make_pipeline(1, dropout=0.05), make_pipeline(3, dropout=0.05)
    preference = Preference(beta=0.5, reference_free=reference_free)

    for number in range(5):
        batch = [_pairs(make_microbatch, 2 * number), _pairs(make_microbatch, 2 * number + 1)]
        step = TrainStep(step=number, lr=1e-2, loss="dpo", preference=preference)
        first, second = one.train_step(batch, step), three.train_step(batch, step)
        assert first.n_tokens == second.n_tokens == 4
        assert second.loss_sum == pytest.approx(first.loss_sum, rel=1e-5)
        assert second.grad_norm == pytest.approx(first.grad_norm, rel=1e-5)

    assert _largest_difference(_weights(one), _weights(three)) < 1e-6


def test_preference_training_prefers_the_chosen_rows(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch
) -> None:
    pipeline, batch = make_pipeline(2), _pairs(make_microbatch, 1)
    reference = pipeline.score(batch, adapter=False).sum(dim=1)
    step = TrainStep(step=0, lr=1e-2, loss="dpo", reference_logps=reference)

    losses = [pipeline.train_step([batch], step).loss_sum / 2 for _ in range(10)]

    assert losses[0] == pytest.approx(0.6931, abs=1e-4)
    assert losses[-1] < 0.3
    assert torch.equal(pipeline.score(batch, adapter=False).sum(dim=1), reference)


def test_preferences_without_adapter_need_reference_logps(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch
) -> None:
    pipeline = make_pipeline(1, dropout=None)

    with pytest.raises(ConfigError, match="give reference_logps"):
        pipeline.train_step([_pairs(make_microbatch, 1)], TrainStep(step=0, lr=1e-3, loss="dpo"))


def test_scores_are_the_log_probabilities_of_the_labels(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch
) -> None:
    pipeline = make_pipeline(1)
    batch = make_microbatch(3, documents=(12,))
    hidden = pipeline.stages[0].forward_hidden(batch.input_ids, batch.positions)
    logps = pipeline.stages[0].logits(hidden).log_softmax(-1)  # type: ignore[operator]  # torch types submodules loosely

    scores = pipeline.score(batch)

    supervised = batch.labels != IGNORE
    expected = logps.gather(-1, batch.labels.clamp(min=0)[..., None])[..., 0]
    assert torch.allclose(scores[supervised], expected[supervised], atol=1e-5)
    assert torch.all(scores[~supervised] == 0) and not scores.requires_grad


def test_state_of_another_model_is_refused_and_nothing_changes(
    make_pipeline: MakePipeline, make_microbatch: MakeMicrobatch, tmp_path: Path
) -> None:
    full, lora = make_pipeline(1, dropout=None), make_pipeline(1)
    full.save(tmp_path)
    before = _weights(lora)

    with pytest.raises(BadCheckpoint, match="lacks weight:"):
        lora.load(tmp_path)
    with pytest.raises(BadCheckpoint, match="no state"):
        lora.load(tmp_path / "nothing")

    assert _same(before, _weights(lora))


def test_truncated_state_is_refused(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    pipeline = make_pipeline(1)
    pipeline.save(tmp_path)
    file = tmp_path / "state-000.safetensors"
    file.write_bytes(file.read_bytes()[:-100])

    with pytest.raises(BadCheckpoint, match="cannot read training state"):
        pipeline.load(tmp_path)


def test_saving_fewer_stages_removes_the_files_of_more(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    make_pipeline(3).save(tmp_path)
    make_pipeline(1).save(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["state-000.safetensors"]


def test_stages_in_the_wrong_order_are_refused(make_pipeline: MakePipeline) -> None:
    stages = make_pipeline(3).stages

    with pytest.raises(ConfigError, match="stages must run"):
        LocalPipeline(stages[::-1])
