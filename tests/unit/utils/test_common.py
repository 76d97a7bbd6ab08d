# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from node0.errors import ConfigError
from node0.models.llama.arguments import LlamaArguments
from node0.utils.common import build_cls


def test_a_class_of_the_project_is_built_from_its_name():
    built = build_cls("node0.models.llama.arguments.LlamaArguments", {"hidden_dim": 64})

    assert built == LlamaArguments(hidden_dim=64)


def test_a_partial_class_is_called_later():
    weight = torch.nn.Parameter(torch.zeros(2))
    make = build_cls("torch.optim.AdamW", {"lr": 0.5}, partial_init=True)

    assert make([weight]).defaults["lr"] == 0.5


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "torch.load",
        "node0",
        "node0.settings.Path",
        "node0.settings.resolve",
        "node0.console.Console",
        "node0.nowhere.Thing",
        "torch.optim.AdamX",
        "torch.optim.lr_scheduler.partial",
    ],
)
def test_no_other_name_is_resolved(name):
    with pytest.raises(ConfigError, match="class_name"):
        build_cls(name, {})


@pytest.mark.parametrize("arguments", [{"hidden_dimm": 1}, {"hidden_dim": "wide"}])
def test_arguments_that_the_class_refuses_are_one_line(arguments):
    with pytest.raises(ConfigError, match="cannot build node0") as caught:
        build_cls("node0.models.llama.arguments.LlamaArguments", arguments)

    assert "\n" not in str(caught.value)
