# SPDX-License-Identifier: Apache-2.0
import inspect

import pytest

from node0.pipeline.local import LocalPipeline
from node0.pipeline.local_session import LocalSession
from node0.pipeline.parallel import DataParallelPipeline
from node0.pipeline.protocol import DecodingSession, Pipeline
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_session import SwarmSession


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        (LocalPipeline, Pipeline),
        (DataParallelPipeline, Pipeline),
        (SwarmPipeline, Pipeline),
        (LocalSession, DecodingSession),
        (SwarmSession, DecodingSession),
    ],
)
def test_every_method_takes_what_the_protocol_gives(made: type, asked: type) -> None:
    names = [name for name, value in vars(asked).items() if inspect.isfunction(value) and name != "__init__"]
    names = [name for name in names if name not in ("_no_init_or_replace_init", "__subclasshook__")]

    assert len(names) >= 4
    for name in names:
        wanted = inspect.signature(getattr(asked, name)).parameters.values()
        given = inspect.signature(getattr(made, name)).parameters.values()
        assert [(each.name, each.kind, each.default) for each in given] == [
            (each.name, each.kind, each.default) for each in wanted
        ], name
