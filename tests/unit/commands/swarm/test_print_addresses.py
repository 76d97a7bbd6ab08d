# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.swarm.print_addresses import print_addresses
from node0.errors import ConfigError, NotFound
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import lay_out
from node0.swarm.run.run_file import read_run, write_run
from node0.swarm.run.swarm_run import SwarmRun


@pytest.fixture
def run(tmp_path: Path) -> Path:
    slots = lay_out(
        2, replicas={}, spares=0, hosts={"head-0": "10.0.0.5", "tail-1": "10.0.0.6", "trainer": "10.0.0.7"}
    )
    create_run(tmp_path / "run", slots, common=SwarmRun(num_stages=2), settings="")
    return tmp_path / "run"


def test_each_address_names_the_host_and_the_peer(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_addresses(run, "tail-1")

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("/ip4/10.0.0.6/tcp/")
    assert line in read_run(run).seeds()


def test_a_member_that_is_not_in_the_run_is_refused(run: Path) -> None:
    with pytest.raises(NotFound, match="body-9"):
        print_addresses(run, "body-9")


def test_a_member_whose_port_is_not_known_yet_is_refused(run: Path) -> None:
    described = read_run(run)
    (run / "run.json").unlink()
    trainer = described.trainer.model_copy(
        update={"announce_maddrs": [], "host_maddrs": ["/ip4/127.0.0.1/tcp/0"]}
    )
    write_run(run, described.model_copy(update={"trainer": trainer}))

    with pytest.raises(ConfigError, match="trainer listens on a port that the system chooses"):
        print_addresses(run, "trainer")
