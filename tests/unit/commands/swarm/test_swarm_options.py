# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
import yaml
from tiny_run import make_base, settings

from node0.commands.swarm.swarm_options import main
from node0.models.base_model import resolve_base
from node0.swarm.run.run_file import read_run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A training file over a base."""
    make_base(tmp_path)
    path = tmp_path / "deacon.yaml"
    path.write_text(yaml.safe_dump(settings(tmp_path)))
    return path


def test_init_writes_a_run_and_says_what_to_start(config: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "swarm"

    assert main(["init", str(run), "--stages", "2", "--config", str(config), "--set", "lr=0.5"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["# head-0, on this machine", f"node0 server --run {run} --local-stage head-0"]
    assert lines[-1] == f"node0-finetune --swarm --run {run}"
    made = read_run(run)
    assert (made.local_mode, made.num_stages, made.wire) == (True, 2, "float32")
    assert made.base_model == str(tmp_path / "base")
    assert made.base_digest == resolve_base(tmp_path / "base").digest
    written = yaml.safe_load((run / "finetune.yaml").read_text())
    assert (written["lr"], written["num_stages"]) == (0.5, 2)


@pytest.mark.parametrize(
    ("named", "words", "place"),
    [
        ({}, [], "swarm/training"),
        ({"checkpoint_dir": "kept"}, [], "kept"),
        ({"checkpoint_dir": "kept"}, ["--checkpoint-dir", "given"], "given"),
        ({}, ["--set", "checkpoint_dir=given"], "given"),
    ],
)
def test_the_trainer_writes_where_flags_or_the_file_say_or_else_into_the_run(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict, words: list[str], place: str
) -> None:
    tree = yaml.safe_load(config.read_text())
    del tree["checkpoint_dir"]
    config.write_text(yaml.safe_dump({**tree, **named}))
    monkeypatch.chdir(tmp_path)

    assert main(["init", "swarm", "--stages", "2", "--config", str(config), *words]) == 0

    written = yaml.safe_load((tmp_path / "swarm" / "finetune.yaml").read_text())
    assert written["checkpoint_dir"] == str(tmp_path / place)


def test_the_settings_it_writes_are_read_by_finetune_as_they_were(
    config: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from node0.run_finetune import main as finetune

    monkeypatch.chdir(tmp_path)
    relative = ["--set", "corpus_path=corpus", "--set", "base_model=base", "--set", "profile=profile.yaml"]
    assert main(["init", "swarm", "--stages", "2", "--config", str(config), *relative]) == 0
    capsys.readouterr()
    monkeypatch.chdir("/")

    assert (
        finetune(["--config", str(tmp_path / "swarm" / "finetune.yaml"), "--print-settings", "--json"]) == 0
    )

    rows = {row["setting"]: row["value"] for row in json.loads(capsys.readouterr().out)}
    wanted = settings(tmp_path)
    for name in ("corpus_path", "base_model", "profile", "lr", "max_steps", "seed"):
        assert rows[name] == wanted.get(name, 0)


def test_a_fresh_model_has_a_digest_too(tmp_path: Path, capsys) -> None:
    from tiny_run import FRESH

    path = tmp_path / "fresh.yaml"
    path.write_text(yaml.safe_dump(settings(tmp_path, base_model=None, lora=None, fresh_model=FRESH)))

    assert main(["init", str(tmp_path / "swarm"), "--stages", "2", "--config", str(path), "--json"]) == 0

    run = read_run(tmp_path / "swarm")
    assert run.base_model is None
    assert run.base_digest is not None
    assert [row["member"] for row in json.loads(capsys.readouterr().out)] == ["head-0", "tail-1", "trainer"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--stages", "3"], 1, "2 layers cannot fill 3 stages"),
        (["--stages", "0"], 2, "--stages"),
        (["--stages", "1000000000"], 2, "--stages"),
        (["--stages", "2", "--replicas", "tail-1=1000000000"], 2, "--replicas tail-1=1000000000 is no count"),
        (
            ["--stages", "2", "--replicas", "tail-1"],
            2,
            "cannot read --replicas tail-1; write --replicas body-1=2",
        ),
        (["--stages", "2", "--replicas", "tail-1=two"], 2, "--replicas tail-1=two is no count"),
        (["--stages", "2", "--replicas", "body-1=2"], 1, "no stage body-1"),
        (
            ["--stages", "2", "--host", "head-0=10.0.0.5", "--host", "head-0=10.0.0.6"],
            2,
            "names head-0 twice",
        ),
        (["--stages", "2", "--wire", "float8"], 1, "setting 'wire' is 'float8'"),
        (["--stages", "2", "--set", "rank=8"], 1, "unknown setting 'rank'"),
        (
            ["--stages", "2", "--set", "max_length=513"],
            1,
            "max_length 513 exceeds the model's 512 positions; --set max_length=512",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_leaves_nothing(
    config: Path, tmp_path: Path, capsys, words: list[str], code: int, message: str
) -> None:
    assert main(["init", str(tmp_path / "swarm"), "--config", str(config), *words]) == code

    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "swarm").exists()


def test_init_names_what_is_missing(tmp_path: Path, capsys) -> None:
    assert main(["init", str(tmp_path / "swarm"), "--stages", "2"]) == 2

    assert "missing --role, --corpus-path; give them, or --config FILE" in capsys.readouterr().err


def test_an_existing_run_is_refused_before_anything_else(config: Path, tmp_path: Path, capsys) -> None:
    words = ["init", str(tmp_path / "swarm"), "--stages", "2", "--config", str(config)]
    assert main(words) == 0
    before = (tmp_path / "swarm" / "run.json").read_bytes()

    assert main(words) == 1

    assert "holds a run already; nothing is overwritten" in capsys.readouterr().err
    assert (tmp_path / "swarm" / "run.json").read_bytes() == before


def test_address_prints_what_others_join_by(config: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "swarm"
    assert main(["init", str(run), "--stages", "2", "--config", str(config)]) == 0
    capsys.readouterr()

    assert main(["address", str(run), "tail-1"]) == 0

    printed = capsys.readouterr().out
    assert printed.strip() in read_run(run).seeds()
    assert f"/p2p/{read_run(run).member('tail-1').peer_id}\n" in printed
    assert main(["address", str(run), "body-1"]) == 1
    assert "its members: head-0, tail-1, trainer" in capsys.readouterr().err
