# SPDX-License-Identifier: Apache-2.0
"""A pipeline whose next id is one more than the last, to test what is built over pipelines."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from node0.pipeline.protocol import SamplingParams


@dataclass
class CountingSession:
    params: SamplingParams
    max_length: int
    adapter: str | None
    ids: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    closed: bool = False

    def extend(self, ids: Sequence[int]) -> int:
        assert not self.closed
        self.ids.extend(ids)
        self.calls.append(len(ids))
        assert len(self.ids) <= self.max_length
        return self.ids[-1] + 1

    def rollback(self, length: int) -> None:
        del self.ids[length:]

    def __len__(self) -> int:
        return len(self.ids)

    def close(self) -> None:
        self.closed = True


class CountingPipeline:
    """Stands in for the pipeline's generating half."""

    def __init__(self) -> None:
        self.sessions: list[CountingSession] = []

    def session(
        self, params: SamplingParams, *, max_length: int, adapter: str | None = None
    ) -> CountingSession:
        self.sessions.append(CountingSession(params, max_length, adapter))
        return self.sessions[-1]


@pytest.fixture
def pipeline() -> CountingPipeline:
    return CountingPipeline()
