# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.models.base_model import export_base, resolve_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.host.stage_spec import StagePlace
from node0.server.server_settings import ServerSettings, WantedBase

ARGS = LlamaArguments(hidden_dim=16, n_heads=2, num_hidden_layers=2, vocab_size=29, ffn_dim=24)


def test_a_stage_is_found_by_its_name() -> None:
    spec = ServerSettings("run", "tail-1", 2, layers_per_stage=[1, 1], wire="bfloat16").host_spec()

    assert (spec.name, spec.place, spec.codec) == ("tail-1", StagePlace(1, 2, (1, 1)), "bfloat16")


def test_a_spare_has_no_place() -> None:
    spec = ServerSettings("run", None, 2).host_spec()

    assert (spec.name, spec.place, spec.base) == ("spare", None, None)


def test_a_stage_of_another_cut_is_refused() -> None:
    with pytest.raises(ConfigError, match="no stage body-1 in a model of 2 stages"):
        ServerSettings("run", "body-1", 2).host_spec()


def test_only_the_base_of_the_run_is_taken(tmp_path: Path) -> None:
    export_base(build_stages(ARGS), tmp_path)
    digest = resolve_base(tmp_path).digest

    assert WantedBase(str(tmp_path), digest=digest).resolve().digest == digest
    with pytest.raises(ConfigError, match="the run is made for 000000000000"):
        WantedBase(str(tmp_path), digest="0" * 64).resolve()
