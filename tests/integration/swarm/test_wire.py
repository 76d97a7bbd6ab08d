# SPDX-License-Identifier: Apache-2.0
"""Scores and texts over each wire: those of one process that rounds between its stages as the codec does."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from integration.swarm.in_process import ARGS, Recipe, Swarm, batch, local, swarm
from integration.swarm.processes import wait_until
from torch import Tensor

from node0.models.llama.layers import LlamaStage
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import Pipeline, SamplingParams
from node0.swarm.transport.codec import Codec, pack, unpack

pytestmark = pytest.mark.integration

PROMPT = [(7 * number) % ARGS.vocab_size for number in range(40)]
DRAWN = 12
IDS, HEADER = 8, 256
"Bytes of a token's position and label, and those that a frame's header stays below."

# Measured of a log probability: 0, 8e-3, 1.2e-3 and 0.04.
MOST: dict[Codec, float] = {"float32": 0.0, "bfloat16": 0.03, "float16": 0.005, "int8": 0.15}
BYTES: dict[Codec, float] = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1 + 4 / ARGS.hidden_dim}
"A value's, of a row as wide as the model."


@pytest.fixture(params=MOST)
def codec(request: pytest.FixtureRequest) -> Codec:
    return request.param


@pytest.fixture
def many(codec: Codec, tmp_path: Path) -> Iterator[Swarm]:
    """Three stages at peers that send with the codec."""
    with swarm(tmp_path / "s", Recipe(), codec=codec) as running:
        yield running


def test_scores_are_rounded_between_stages_and_nowhere_else(codec: Codec, many: Swarm) -> None:
    given = batch(1)[0]

    found = many.pipeline.score(given)

    errors = (found - local(Recipe()).score(given)).abs()
    torch.testing.assert_close(found, rounding(codec).score(given), rtol=0, atol=1e-6)
    assert (codec == "float32") == (float(errors.max()) == 0)
    assert float(errors.max()) <= MOST[codec]
    travelled(codec, many, tokens=given.input_ids.numel(), frames=1)


def test_a_text_is_drawn_from_what_the_wire_brings(codec: Codec, many: Swarm) -> None:
    found = text(many.pipeline)

    assert found == text(rounding(codec))
    travelled(codec, many, tokens=len(PROMPT) + DRAWN, frames=1 + DRAWN)


def rounding(codec: Codec) -> LocalPipeline:
    """One process whose stages hand on what the codec would bring."""
    pipeline = local(Recipe())
    for stage in pipeline.stages[:-1]:
        stage.forward_hidden = _rounded(stage, codec)  # type: ignore[method-assign]  # what travels is rounded
    return pipeline


def _rounded(stage: LlamaStage, codec: Codec) -> Callable[..., Tensor]:
    forward = stage.forward_hidden

    def brought(*given: object, **options: object) -> Tensor:
        packed = pack(forward(*given, **options), codec)  # type: ignore[arg-type]  # one of the codecs' words
        return unpack(packed, bytearray(b"".join(packed.pieces)), 0)

    return brought


def text(pipeline: Pipeline) -> list[int]:
    session = pipeline.session(SamplingParams(temperature=1.0, seed=5), max_length=len(PROMPT) + DRAWN)
    tokens = [session.extend(PROMPT)]
    for _ in range(DRAWN):
        tokens.append(session.extend(tokens[-1:]))
    session.close()
    return tokens


def travelled(codec: Codec, many: Swarm, *, tokens: int, frames: int) -> None:
    """Each stage below another has sent it the hidden states of these tokens in the codec's bytes."""
    hidden = tokens * ARGS.hidden_dim * BYTES[codec]
    most = hidden + tokens * IDS + frames * HEADER
    for host in many.hosts[:-1]:
        # It counts when a frame is away; the answer may be here before.
        assert wait_until(lambda links=host.links: links.sent_bytes > hidden, 60.0)
        assert host.links.sent_bytes < most
