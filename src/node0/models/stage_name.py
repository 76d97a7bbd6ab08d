# SPDX-License-Identifier: Apache-2.0
"""Names of stages: solo-0, or head-0, body-1, ..., tail-N."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from node0.errors import ConfigError

StageKind = Literal["solo", "head", "body", "tail"]

_KINDS: tuple[StageKind, ...] = get_args(StageKind)
_NAME = re.compile(r"(solo|head)-0|(body|tail)-[1-9][0-9]{0,3}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class StageName:
    """A stage by its place in the model; ordered as the stages are."""

    index: int
    kind: StageKind

    def __str__(self) -> str:
        return f"{self.kind}-{self.index}"

    @classmethod
    def of(cls, index: int, num_stages: int) -> "StageName":
        """The name of stage `index` of `num_stages`."""
        return cls(index, stage_kind(index, num_stages))

    @classmethod
    def parse(cls, text: str, *, num_stages: int | None = None) -> "StageName":
        """Read `body-1`; with `num_stages`, only a stage of a model cut into so many.

        Raises:
            ConfigError: the text names no stage, or none of this model.
        """
        if not _NAME.fullmatch(text):
            raise ConfigError(f"{text!r} is no stage; write head-0, body-N, tail-N or solo-0")
        kind, _, number = text.partition("-")
        name = next(cls(int(number), known) for known in _KINDS if known == kind)
        if num_stages is not None and name not in stage_names(num_stages):
            known = ", ".join(map(str, stage_names(num_stages)))
            raise ConfigError(f"no stage {text} in a model of {num_stages} stages; it has {known}")
        return name


def stage_kind(stage: int, num_stages: int) -> StageKind:
    """What a stage is by its place."""
    if num_stages == 1:
        return "solo"
    return "head" if stage == 0 else "tail" if stage == num_stages - 1 else "body"


def stage_names(num_stages: int) -> list[StageName]:
    """Every stage of a model, in order."""
    return [StageName.of(index, num_stages) for index in range(num_stages)]
