# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.errors import ConfigError
from node0.models.stage_name import StageName, stage_names


def test_names_follow_the_place() -> None:
    assert [str(name) for name in stage_names(1)] == ["solo-0"]
    assert [str(name) for name in stage_names(2)] == ["head-0", "tail-1"]
    assert [str(name) for name in stage_names(4)] == ["head-0", "body-1", "body-2", "tail-3"]


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_a_name_reads_back_as_its_stage(count: int) -> None:
    names = stage_names(count)

    assert [StageName.parse(str(name), num_stages=count) for name in reversed(names)] == names[::-1]
    assert names == sorted(names, key=lambda name: name.index)
    assert names[0] <= names[-1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "head",
        "head-1",
        "solo-2",
        "body-0",
        "tail-0",
        "body-01",
        "body--1",
        "legs-1",
        "body-1\n",
        "body-¹",
    ],
)
def test_what_is_no_stage_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match="write head-0, body-N, tail-N or solo-0"):
        StageName.parse(text)


def test_a_stage_of_another_cut_is_refused_with_the_stages_there_are() -> None:
    with pytest.raises(ConfigError, match="no stage tail-2 in a model of 2 stages; it has head-0, tail-1"):
        StageName.parse("tail-2", num_stages=2)
