# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from dpo_registry import fill, session

from node0.commands.dpo.dpo_options import main
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

Output = pytest.CaptureFixture[str]


@pytest.fixture
def at(tmp_path: Path) -> list[str]:
    """Options: of a town with two versions, and two collected sessions of one bead."""
    town = Town(tmp_path)
    registry = ModelRegistry(town)
    fill(registry)
    registry.close()
    for name, answer in {"one": "I kick it.", "two": "I oil it."}.items():
        CorpusStore(town).add(session(name, answer))
    return ["--town", str(tmp_path)]


def test_a_comparison_from_beginning_to_pairs(at: list[str], tmp_path: Path, capsys: Output) -> None:
    output = tmp_path / "pairs.jsonl"
    assert main(["compare", "gt-abc12", "pc:1", "pc:2", *at]) == 0
    assert "this store has no branches" in capsys.readouterr().err
    assert main(["show", "gt-abc12", *at]) == 0
    assert "nothing to compare yet" in capsys.readouterr().err
    assert main(["attach", "gt-abc12", "one", "--side", "a", *at]) == 0
    assert main(["attach", "gt-abc12", "two", "--side", "b", *at]) == 0
    assert "two is what pc:2 did" in capsys.readouterr().err
    assert main(["show", "gt-abc12", *at]) == 0
    shown = capsys.readouterr()
    assert "I kick it." in shown.out and "I oil it." in shown.out and "Fix the gate." not in shown.out
    assert "3 turns before these are the same; better is: not decided" in shown.err
    assert main(["record", "gt-abc12", "--winner", "b", *at]) == 0
    assert "pc:2 did better than pc:1" in capsys.readouterr().err
    assert main(["export", "polecat", str(output), *at]) == 0
    assert "1 pairs of polecat" in capsys.readouterr().err
    (row,) = [json.loads(line) for line in output.read_text().splitlines()]
    assert row["chosen"][0]["content"] == "I oil it."
    assert main(["export", "polecat", str(output), "--unpaired", *at]) == 0
    assert [json.loads(line)["label"] for line in output.read_text().splitlines()] == [False, True]


def test_what_was_compared_is_listed(at: list[str], capsys: Output) -> None:
    assert main(["list", *at]) == 0
    assert "nothing was compared" in capsys.readouterr().err
    main(["compare", "gt-abc12", "pc:1", "pc:2", *at])
    main(["record", "gt-abc12", "--winner", "a", *at])
    capsys.readouterr()
    assert main(["list", *at]) == 0
    table = capsys.readouterr().out
    assert main(["list", "--role", "polecat", "--json", *at]) == 0
    (row,) = json.loads(capsys.readouterr().out)

    assert "gt-abc12" in table and "pc:1" in table
    assert (row["chosen_branch"], row["task_bead_id"]) == ("dpo-gt-abc12-a", "gt-abc12")


def test_what_is_unknown_is_refused_in_one_line(at: list[str], tmp_path: Path, capsys: Output) -> None:
    for arguments, line in {
        ("attach", "gt-none", "one", "--side", "a"): "no comparison on 'gt-none'",
        ("attach", "gt-none", "nobody", "--side", "a"): "nobody",
        ("show", "gt-none"): "no comparison on 'gt-none'",
        ("export", "Pole Cat", str(tmp_path / "x")): "no role 'Pole Cat'",
    }.items():
        assert main([*arguments, *at]) == 1
        (told,) = capsys.readouterr().err.splitlines()
        assert line in told
