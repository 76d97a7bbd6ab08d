# SPDX-License-Identifier: Apache-2.0
"""Sequences of one stage: rolled back, replayed, bounded, freed."""

from collections.abc import Callable

import pytest
import torch

from node0.errors import ConfigError, FrameRefused, RetriableError
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.host.decoding import Decoder
from node0.server.stage.executor import StageExecutor
from node0.swarm.transport.frames import Frame

ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, num_hidden_layers=2, vocab_size=29, ffn_dim=24, max_seq_len=32, init_std=0.2
)
SAMPLING = {"temperature": 0.9, "top_p": 1.0, "top_k": 0, "seed": 3}


class Stage:
    """A decoder of one stage, and what it sent."""

    def __init__(self, index: int = 0, *, num_stages: int = 1, budget: int | None = None) -> None:
        self.now = 0.0
        self.pushed: list[tuple[str, Frame]] = []
        self.reported: list[Frame] = []
        self.decoder = Decoder(
            StageExecutor(build_stages(ARGS, num_stages, seed=1)[index]),
            push=lambda remote, frame: self.pushed.append((remote, frame)),
            budget=budget,
            clock=lambda: self.now,
        )

    def hear(self, frame: Frame) -> None:
        """Whom the stage reports to."""
        self.reported.append(frame)

    def open(self, name: str = "s", *, length: int = 16, above: str | None = None) -> None:
        """Make room for a sequence."""
        fields = {"session": name, "max_length": length, "adapter": True, "above": above}
        self.decoder.open(Frame("open", {**fields, "sampling": SAMPLING}), self.hear)

    def extend(self, turn: int, keep: int, ids: list[int], *, name: str = "s") -> int | None:
        """One turn; the token that was drawn, where one was."""
        before = len(self.reported)
        fields = {"session": name, "turn": turn, "keep": keep}
        self.decoder.handle(Frame("decode", fields, [torch.tensor([ids])]))
        return self.reported[-1]["token"] if len(self.reported) > before else None


def test_tokens_go_up_and_the_last_stage_draws() -> None:
    head, tail = Stage(0, num_stages=2), Stage(1, num_stages=2)
    head.open(above="tail")
    tail.open()

    assert head.extend(1, 0, [1, 2, 3]) is None
    ((remote, frame),) = head.pushed
    tail.decoder.handle(frame)

    assert (remote, frame.kind, frame.tensors[0].shape) == ("tail", "decode", (1, 3, 16))
    assert [(report.kind, report["session"], report["turn"]) for report in tail.reported] == [
        ("token", "s", 1)
    ]


def test_a_sequence_rolled_back_or_replayed_draws_the_same() -> None:
    stage, again = Stage(), Stage()
    stage.open()
    again.open()
    first = stage.extend(1, 0, [1, 2, 3])
    second = stage.extend(2, 3, [4])
    stage.extend(3, 4, [5, 6])

    assert stage.extend(4, 3, [4]) == second
    assert stage.extend(5, 0, [1, 2, 3]) == first
    assert again.extend(1, 0, [1, 2, 3, 4]) == second


def test_a_turn_that_comes_twice_is_done_once() -> None:
    stage = Stage()
    stage.open()

    assert stage.extend(1, 0, [1, 2]) is not None
    assert stage.extend(1, 0, [1, 2]) is None
    assert stage.extend(0, 0, [1, 2]) is None


def test_a_turn_that_builds_on_tokens_that_are_not_here_is_refused() -> None:
    stage = Stage()
    stage.open()

    with pytest.raises(RetriableError, match="has 0 tokens, not 3; replay it"):
        stage.extend(1, 3, [4])


def test_a_turn_that_failed_may_come_again() -> None:
    stage = Stage()
    stage.open(length=4)

    with pytest.raises(ConfigError, match="does not fit"):
        stage.extend(1, 0, [1] * 5)
    assert stage.extend(1, 0, [1] * 4) is not None


def test_a_sequence_that_is_not_open_is_refused() -> None:
    with pytest.raises(RetriableError, match="session s is not open here"):
        Stage().extend(1, 0, [1])


def test_a_frame_without_its_tensor_is_refused() -> None:
    stage = Stage()
    stage.open()

    with pytest.raises(FrameRefused, match="one tensor"):
        stage.decoder.handle(Frame("decode", {"session": "s", "turn": 1, "keep": 0}))


def test_caches_stay_within_their_budget() -> None:
    free = Stage()
    free.open(length=10)
    stage = Stage(budget=2 * free.decoder.nbytes)

    stage.open("a", length=10)
    stage.open("b", length=10)
    with pytest.raises(RetriableError, match="close a session"):
        stage.open("c", length=1)
    assert stage.decoder.nbytes == 2 * free.decoder.nbytes

    stage.decoder.close("a")
    stage.open("c", length=10)


def test_a_cache_beyond_all_memory_is_refused_before_it_is_taken() -> None:
    with pytest.raises(ConfigError, match="bytes and all caches together have"):
        Stage(budget=1 << 30).open(length=10**15)


def test_a_cache_that_never_fits_is_refused_for_good() -> None:
    one = Stage()
    one.open(length=1)
    stage = Stage(budget=10 * one.decoder.nbytes)

    with pytest.raises(ConfigError, match=r"11 tokens needs .*; shorten prompt and answer"):
        stage.open(length=11)
    stage.open(length=10)


@pytest.mark.parametrize("length", [0, -4])
def test_a_sequence_that_could_hold_nothing_is_refused(length: int) -> None:
    with pytest.raises(ConfigError):
        Stage().open(length=length)


def test_a_name_that_is_taken_is_refused() -> None:
    stage = Stage()
    stage.open("a")

    with pytest.raises(ConfigError, match="session a"):
        stage.open("a")


def test_a_sequence_that_nobody_extends_is_freed_and_asks_to_be_replayed() -> None:
    stage = Stage()
    stage.open("idle")
    stage.open("used")
    held = stage.decoder.nbytes
    stage.now = 5.0
    stage.extend(1, 0, [1, 2], name="used")
    stage.now = 10.0

    stage.decoder.expire(10.5)
    assert stage.decoder.nbytes == held
    stage.decoder.expire(10.0)

    assert stage.decoder.nbytes == held // 2
    assert stage.extend(2, 2, [3], name="used") is not None
    with pytest.raises(RetriableError, match="session idle is not open here; replay it"):
        stage.extend(1, 0, [1], name="idle")


def test_sequences_of_a_client_that_is_gone_are_freed_and_no_others() -> None:
    class Client:
        def report(self, frame: Frame) -> None:
            """As a host's client does."""

    gone, other = Client(), Client()
    stage = Stage()
    for number, client in enumerate((gone, other, gone)):
        fields = {"session": str(number), "max_length": 4, "adapter": True, "above": None, "sampling": {}}
        stage.decoder.open(Frame("open", fields), client.report)
    held = stage.decoder.nbytes

    # A method is another object each time it is named.
    report: Callable[[Frame], None] = gone.report
    stage.decoder.close_all_of(report)

    assert stage.decoder.nbytes == held // 3
    assert stage.decoder.reporter("1") == other.report
    assert stage.decoder.reporter("0") is None
    assert stage.decoder.reporter(["0"]) is None
