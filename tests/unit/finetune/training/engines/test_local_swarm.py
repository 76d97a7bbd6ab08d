# SPDX-License-Identifier: Apache-2.0
"""A supervisor says when one of its stages has ended, starts it again, and at last gives it up."""

import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node0.finetune.training.engines import local_swarm
from node0.finetune.training.engines.local_swarm import Supervisor
from node0.swarm.peer.restart_limit import MOST_STARTS
from node0.swarm.run.swarm_run import Member, MemberConfig, SwarmRun


class ShortLived(Supervisor):
    """Its stages end at once."""

    def _start(self, member: Member) -> None:
        self.processes[member.name] = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_stage_that_ends_is_told_and_started_again_until_it_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local_swarm, "LOOK_EVERY", 0.01)
    caplog.set_level(logging.WARNING)
    config = MemberConfig(peer_id="Qm" + "a" * 44, host_maddrs=["/ip4/127.0.0.1/tcp/0"])
    supervisor = ShortLived(tmp_path, SwarmRun(stages={"solo-0": [config]}), device="cpu", threads=1)
    try:
        until = time.monotonic() + 20.0
        while "given up" not in caplog.text and time.monotonic() < until:
            time.sleep(0.02)
    finally:
        supervisor.close()

    log = tmp_path / "logs" / "solo-0.log"
    assert caplog.messages == [
        *[f"solo-0 ended with code 3 and is started again; see {log}"] * (MOST_STARTS - 1),
        f"solo-0 ended {MOST_STARTS} times in an hour and is given up; see {log}",
    ]
