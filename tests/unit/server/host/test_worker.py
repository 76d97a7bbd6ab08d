# SPDX-License-Identifier: Apache-2.0
"""A stage's part of a step: each frame of the attempt is used once, and no other."""

import pytest
import torch
from torch import Tensor

from node0.errors import FrameRefused, RetriableError
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.host.worker import Attempt, Neighbours, StageWorker
from node0.server.module_collab import ModuleCollab
from node0.server.stage.gradient_sums import Share
from node0.swarm.transport.frames import Frame

ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, num_hidden_layers=3, vocab_size=29, ffn_dim=24, max_seq_len=32, init_std=0.2
)
POSITIONS = torch.arange(5, dtype=torch.int32)[None]


class Stage:
    """A worker of one stage of three, in an attempt, and what it sent."""

    def __init__(self, index: int, *, loss: str = "sft", share: Share | None = None) -> None:
        stage = build_stages(ARGS, 3, seed=1)[index].requires_grad_(requires_grad=True)
        self.pushed: list[tuple[str, Frame]] = []
        self.reported: list[Frame] = []
        self.worker = StageWorker(
            ModuleCollab(stage, finetune_mode=True),
            push=lambda remote, frame: self.pushed.append((remote, frame)),
            report=self.reported.append,
        )
        self.loss, self.share = loss, share or Share()
        self.begin("a")

    def begin(self, token: str) -> None:
        """Take part in another attempt."""
        neighbours = Neighbours(("below-0", "below-1"), ("above-0", "above-1"))
        self.worker.begin(Attempt(token, 0, 0, self.loss, neighbours), self.share)

    def take(self, kind: str, microbatch: int, *tensors: Tensor, token: str = "a") -> None:
        """Handle a frame."""
        self.worker.handle(Frame(kind, {"attempt": token, "mb": microbatch}, tensors))

    @property
    def sums(self) -> dict[str, Tensor]:
        """Copies of the gradients."""
        return {
            name: value.clone() for name, value in self.worker.executor.trained.gradients.by_name().items()
        }


def _ids(microbatch: int = 0) -> Tensor:
    return torch.randint(0, 29, (1, 5), generator=torch.Generator().manual_seed(microbatch))


def _hidden(microbatch: int = 0) -> Tensor:
    return torch.randn(1, 5, 16, generator=torch.Generator().manual_seed(microbatch))


def test_a_microbatch_passes_the_head() -> None:
    head = Stage(0)

    head.take("input", 1, _ids(), POSITIONS)
    head.take("gradient", 1, _hidden())

    ((remote, frame),) = head.pushed
    assert (remote, frame.kind, frame["mb"], frame["attempt"]) == ("above-1", "activation", 1, "a")
    assert frame.tensors[0].shape == (1, 5, 16)
    assert torch.equal(frame.tensors[1], POSITIONS)
    assert [(frame.kind, frame["mb"]) for frame in head.reported] == [("done", 1)]
    assert (head.worker.microbatches, head.worker.tokens) == (1, 5)


def test_a_microbatch_passes_the_body_up_and_down() -> None:
    body = Stage(1)

    body.take("activation", 2, _hidden(), POSITIONS)
    body.take("gradient", 2, _hidden(1))

    assert [(remote, frame.kind) for remote, frame in body.pushed] == [
        ("above-0", "activation"),
        ("below-0", "gradient"),
    ]
    assert body.pushed[1][1].tensors[0].shape == (1, 5, 16)
    assert body.reported == []


@pytest.mark.parametrize("kinds", [("labels", "activation"), ("activation", "labels")])
def test_labels_may_come_before_the_activation_or_after_it(kinds: tuple[str, str]) -> None:
    tail, expected = Stage(2), Stage(2)
    given = {"labels": (_ids(),), "activation": (_hidden(), POSITIONS)}

    tail.take(kinds[0], 0, *given[kinds[0]])
    assert tail.pushed == tail.reported == []
    tail.take(kinds[1], 0, *given[kinds[1]])

    expected.take("labels", 0, *given["labels"])
    expected.take("activation", 0, *given["activation"])
    assert [frame.kind for frame in tail.reported] == ["loss"]
    assert tail.reported[0].fields == expected.reported[0].fields
    assert tail.reported[0]["n_tokens"] == 5
    assert [(remote, frame.kind) for remote, frame in tail.pushed] == [("below-0", "gradient")]
    assert torch.equal(tail.pushed[0][1].tensors[0], expected.pushed[0][1].tensors[0])
    assert tail.worker.prepare("a", 1)["finite"]


def test_pairs_wait_for_the_trainer_between_forward_and_backward() -> None:
    tail = Stage(2, loss="dpo")

    tail.take("labels", 0, _ids())
    tail.take("activation", 0, _hidden(), POSITIONS)
    assert tail.pushed == []
    tail.take("preference", 0, torch.ones(1))

    assert [frame.kind for frame in tail.reported] == ["logps"]
    assert [frame.kind for _, frame in tail.pushed] == ["gradient"]


def test_a_frame_that_comes_twice_counts_once() -> None:
    once, twice = Stage(1), Stage(1)
    for stage, times in ((once, 1), (twice, 2)):
        for _ in range(times):
            stage.take("activation", 0, _hidden(), POSITIONS)
        for _ in range(times):
            stage.take("gradient", 0, _hidden(1))

    assert len(twice.pushed) == 2
    assert once.sums
    assert all(torch.equal(twice.sums[name], value) for name, value in once.sums.items())
    assert twice.worker.prepare("a", 1) == once.worker.prepare("a", 1)


def test_frames_of_another_attempt_are_dropped() -> None:
    head = Stage(0)
    head.take("input", 0, _ids(), POSITIONS, token="before")
    assert head.pushed == []

    head.take("input", 0, _ids(), POSITIONS)
    head.begin("b")
    head.take("gradient", 0, _hidden(), token="a")
    assert head.reported == []

    head.worker.abort()
    head.take("input", 0, _ids(), POSITIONS, token="b")
    assert len(head.pushed) == 1
    assert head.sums == {}


def test_a_step_begun_again_gives_the_same_sums() -> None:
    disturbed, calm = Stage(1), Stage(1)
    for microbatch in (0, 1):
        disturbed.take("activation", microbatch, _hidden(microbatch), POSITIONS)
    disturbed.take("gradient", 0, _hidden(5))
    disturbed.begin("b")
    calm.begin("b")

    for stage, order in ((disturbed, (1, 0)), (calm, (0, 1))):
        for kind, first in (("activation", 0), ("gradient", 5)):
            for microbatch in order:
                rest = (POSITIONS,) if kind == "activation" else ()
                stage.take(kind, microbatch, _hidden(first + microbatch), *rest, token="b")

    assert calm.sums
    assert all(torch.equal(disturbed.sums[name], value) for name, value in calm.sums.items())


def test_a_step_is_not_prepared_before_all_of_its_microbatches_are_in() -> None:
    body = Stage(1)
    body.take("activation", 1, _hidden(), POSITIONS)
    body.take("gradient", 1, _hidden(1))

    with pytest.raises(RetriableError, match="0 of 2 microbatches"):
        body.worker.prepare("a", 2)
    with pytest.raises(RetriableError, match="the attempt is over here"):
        body.worker.prepare("b", 0)


def test_a_gradient_without_its_forward_pass_is_refused() -> None:
    with pytest.raises(RetriableError, match="no forward pass"):
        Stage(1).take("gradient", 0, _hidden())


def test_a_microbatch_of_another_replica_is_refused() -> None:
    body = Stage(1, share=Share(0, 2))
    body.take("activation", 1, _hidden(), POSITIONS)

    with pytest.raises(RetriableError, match="another replica's"):
        body.take("gradient", 1, _hidden(1))


def test_what_is_not_finite_is_told_to_the_trainer() -> None:
    body = Stage(1)
    body.take("activation", 0, _hidden(), POSITIONS)
    body.take("gradient", 0, torch.full((1, 5, 16), torch.nan))

    assert body.worker.prepare("a", 1)["finite"] is False


@pytest.mark.parametrize(
    "frame",
    [
        Frame("activation", {"attempt": "a"}),
        Frame("activation", {"mb": 0}),
        Frame("destroy", {"attempt": "a", "mb": 0}),
    ],
)
def test_a_frame_that_no_peer_of_this_version_sends_is_refused(frame: Frame) -> None:
    with pytest.raises(FrameRefused, match="one version on all peers"):
        Stage(1).worker.handle(frame)


def test_a_step_is_applied_only_in_the_attempt_that_prepared_it() -> None:
    stage = Stage(0)
    stage.worker.require("a")

    # As when a trainer connects again, or the stage is made anew.
    stage.worker.abort()
    with pytest.raises(RetriableError, match="the attempt is over here"):
        stage.worker.require("a")
    stage.begin("b")
    with pytest.raises(RetriableError, match="the attempt is over here"):
        stage.worker.require("a")


@pytest.mark.parametrize("token", ["a", None])
def test_nothing_is_prepared_or_applied_where_no_attempt_runs(token: str | None) -> None:
    body = Stage(1)
    body.worker.require("a")
    body.worker.abort()

    with pytest.raises(RetriableError, match="attempt is over"):
        body.worker.require(token)
