# SPDX-License-Identifier: Apache-2.0
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node0.commands.server.hold_stage import HoldRequest, hold_stage
from node0.commands.server.stop_signal import StopSignal
from node0.errors import ConfigError, NotFound
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import lay_out
from node0.swarm.run.run_file import key_file
from node0.swarm.run.swarm_run import SwarmRun


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    before = signal.getsignal(signal.SIGTERM)
    yield StopSignal()
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def head(tmp_path: Path) -> HoldRequest:
    """The first of two stages of a run."""
    common = SwarmRun(num_stages=2, local_mode=True)
    create_run(tmp_path / "run", lay_out(2, replicas={}, spares=0, hosts={}), common=common, settings="")
    return HoldRequest(
        directory=tmp_path / "run",
        run_file=tmp_path / "run",
        local_mode=False,
        stage="head-0",
        base_model=None,
        initial_peers=(),
        host_maddrs=(),
        announce_maddrs=(),
        identity_path=None,
        finetune_config=None,
        allow_peers=(),
        bead_id=None,
        device="cpu",
        threads=None,
        metrics_port=None,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stage": "body-7"}, "body-7"),
        ({"stage": "tail"}, "'tail'"),
        ({"allow_peers": ("anyone",)}, "'anyone' is no peer id"),
        ({"initial_peers": ("/ip4/127.0.0.1/tcp/1",)}, "has no peer id"),
        ({"device": "tpu"}, "device 'tpu' is not available"),
        ({"finetune_config": "nothing"}, "no configuration nothing"),
    ],
)
def test_what_does_not_fit_the_run_is_refused_before_a_peer_starts(
    head: HoldRequest, stop: StopSignal, change: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        hold_stage(replace(head, **change), stop)  # type: ignore[arg-type]  # fields of the request

    assert not (head.directory / "checkpoints").exists()


def test_a_key_of_another_member_is_refused(head: HoldRequest, stop: StopSignal) -> None:
    other = key_file(head.directory, "tail-1")

    with pytest.raises(ConfigError, match="is of tail-1 in this run, not of head-0"):
        hold_stage(replace(head, identity_path=other), stop)
    with pytest.raises(NotFound):
        hold_stage(replace(head, identity_path=head.directory / "none.key"), stop)


def test_a_run_in_local_mode_is_warned_of(
    head: HoldRequest, stop: StopSignal, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError):
        hold_stage(replace(head, stage="body-7"), stop)

    assert "NOT for production" in capsys.readouterr().err
