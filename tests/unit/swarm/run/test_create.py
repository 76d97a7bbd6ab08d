# SPDX-License-Identifier: Apache-2.0
import shlex
import subprocess
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.swarm.run import create
from node0.swarm.run.create import create_run, new_run_id, refuse_existing, start_lines
from node0.swarm.run.identity import read_identity
from node0.swarm.run.layout import lay_out
from node0.swarm.run.run_file import key_file, read_run
from node0.swarm.run.swarm_run import SwarmRun

COMMON = SwarmRun(run_id="deacon", local_mode=True, num_stages=2)
HOSTS = {"head-0": "10.0.0.5", "tail-1": "gpu-2.lan", "tail-1.2": "10.0.0.1", "trainer": "10.0.0.1"}


def make(directory: Path, *, hosts: dict[str, str] | None = None, spares: int = 1) -> SwarmRun:
    slots = lay_out(2, replicas={"tail-1": 2}, spares=spares, hosts=hosts or {})
    return create_run(directory, slots, common=COMMON, settings="lr: 1\n")


def test_each_member_has_a_key_that_makes_it_who_run_json_says(tmp_path: Path) -> None:
    run = make(tmp_path / "deep" / "run")

    assert read_run(tmp_path / "deep" / "run") == run
    assert (tmp_path / "deep" / "run" / "finetune.yaml").read_text() == "lr: 1\n"
    assert [member.name for member in run.members] == ["head-0", "tail-1", "tail-1.2", "spare-0", "trainer"]
    for member in run.members:
        key = read_identity(key_file(tmp_path / "deep" / "run", member.name))
        assert key.peer_id == member.peer_id
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "run"]


@pytest.mark.parametrize("name", ["run.json", "notes.txt", ".hidden"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")

    with pytest.raises(ConfigError, match="nothing is overwritten"):
        make(tmp_path)

    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_or_a_link_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    for name in ("file", "link"):
        with pytest.raises(ConfigError, match="is no directory"):
            refuse_existing(tmp_path / name)


def test_an_empty_directory_becomes_the_run(tmp_path: Path) -> None:
    make(tmp_path)

    assert (tmp_path / "run.json").is_file()


def test_a_run_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(create, "write_atomically", full)

    with pytest.raises(OSError, match="No space left"):
        make(tmp_path / "run")

    assert list(tmp_path.iterdir()) == []


def test_on_one_machine_each_member_is_started_by_one_line(tmp_path: Path) -> None:
    directory = tmp_path / "a run"

    lines = start_lines(directory, make(directory))

    assert [(line.member, line.machine, shlex.split(line.command)) for line in lines] == [
        ("head-0", "", ["node0", "server", "--run", str(directory), "--local-stage", "head-0"]),
        ("tail-1", "", ["node0", "server", "--run", str(directory), "--local-stage", "tail-1"]),
        ("tail-1.2", "", ["node0", "server", "--run", str(directory), "--local-stage", "tail-1",
            "--identity-path", str(directory / "identities" / "tail-1.2.key")]),
        ("spare-0", "", ["node0", "server", "--run", str(directory),
            "--identity-path", str(directory / "identities" / "spare-0.key")]),
        ("trainer", "", ["node0-finetune", "--swarm", "--run", str(directory)]),
    ]  # fmt: skip


def test_loopback_by_another_name_is_this_machine(tmp_path: Path) -> None:
    hosts = {"head-0": "localhost", "tail-1": "127.0.0.1", "spare-0": "[::1]"}

    lines = start_lines(tmp_path / "run", make(tmp_path / "run", hosts=hosts))

    assert {line.machine for line in lines} == {""}
    assert not [line for line in lines if "ssh" in line.command]


def test_another_machine_is_given_its_own_key_and_no_other(tmp_path: Path) -> None:
    directory, there = tmp_path / "a run", tmp_path / "there"
    there.mkdir()
    lines = start_lines(directory, make(directory, hosts=HOSTS, spares=0))
    copy, start = (line for line in lines if line.member == "head-0")

    # What ssh would run on the other machine, run in another directory.
    pack, _, sent = copy.command.partition(" | ssh 10.0.0.5 ")
    (unpack,) = shlex.split(sent)
    piped = f"set -o pipefail; {pack} | (cd {shlex.quote(str(there))} && {unpack})"
    subprocess.run(["bash", "-c", piped], check=True)

    assert (copy.machine, start.machine) == ("", "10.0.0.5")
    copied = [str(path.relative_to(there)) for path in there.rglob("*") if path.is_file()]
    assert sorted(copied) == ["a run/finetune.yaml", "a run/identities/head-0.key", "a run/run.json"]
    assert read_identity(key_file(there / "a run", "head-0"))
    assert shlex.split(start.command)[2:4] == ["--run", "a run"]
    assert [(line.member, line.machine) for line in lines if line.member in ("tail-1.2", "trainer")] == [
        ("tail-1.2", ""), ("trainer", ""),
    ]  # fmt: skip


def test_an_id_names_the_run_and_is_its_own() -> None:
    first, second = (new_run_id(Path("Town of/Déacon Run!")) for _ in range(2))

    assert first.startswith("d-acon-run-")
    assert first != second
    assert SwarmRun(run_id=first)
    assert SwarmRun(run_id=new_run_id(Path("日本")))
