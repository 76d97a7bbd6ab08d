# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.finetune.remote_flags import RemoteFlags
from node0.errors import ConfigError

PEER = "QmNLei78zWmzUdbeRB3CiUfAizWUrbeeZh5K1rhAQKCh51"
SEED = f"/ip4/10.0.0.5/tcp/4100/p2p/{PEER}"


def test_stages_are_elsewhere_when_they_are_joined_or_started() -> None:
    assert not RemoteFlags().wanted
    assert RemoteFlags(swarm=True).wanted
    assert RemoteFlags(local_swarm=2).wanted


def test_settings_lie_with_the_run() -> None:
    assert RemoteFlags().config is None
    assert RemoteFlags(swarm=True, run=Path("run")).config == "run/finetune.yaml"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (RemoteFlags(swarm=True, local_swarm=2), "give one of the two"),
        (RemoteFlags(swarm=True), "--swarm needs the stages"),
        (RemoteFlags(run=Path("run")), "need --swarm"),
        (RemoteFlags(initial_peers=(SEED,)), "need --swarm"),
        (RemoteFlags(swarm=True, run=Path("nowhere")), "no run in nowhere"),
        (RemoteFlags(swarm=True, initial_peers=("/ip4/10.0.0.5/tcp/4100",)), "has no peer id"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(flags: RemoteFlags, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        flags.refuse_contradictions(is_torchrun=False)


def test_torchrun_and_a_swarm_exclude_each_other() -> None:
    flags = RemoteFlags(swarm=True, initial_peers=(SEED,))

    flags.refuse_contradictions(is_torchrun=False)
    RemoteFlags().refuse_contradictions(is_torchrun=True)
    with pytest.raises(ConfigError, match="start it without torchrun"):
        flags.refuse_contradictions(is_torchrun=True)
