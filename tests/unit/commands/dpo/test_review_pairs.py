# SPDX-License-Identifier: Apache-2.0
import io
import json
from pathlib import Path
from typing import Any

import pytest
from tiny_chat import calls, recorded, result, user

from node0.commands.dpo.dpo_options import main
from node0.finetune.corpus.store import CorpusStore
from node0.town import Town

Output = pytest.CaptureFixture[str]
GATES = ("iron", "brass", "zinc")


@pytest.fixture
def at(tmp_path: Path) -> list[str]:
    """Options: of a town in which three gates were mended well and badly."""
    for gate in GATES:
        for outcome, did in {"success": "oil", "failure": "kick"}.items():
            turns = [user(f"Mend the {gate} gate."), calls("gt look"), result("shut"), calls(f"gt {did}")]
            name = f"{gate}-{outcome}"
            CorpusStore(Town(tmp_path)).add(recorded(turns, id=name, session_id=name, outcome=outcome))
    return ["--town", str(tmp_path)]


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))


def waiting(at: list[str], capsys: Output) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["review", "--json", *at]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def exported(at: list[str], path: Path) -> list[dict[str, Any]]:
    assert main(["export", "deacon", str(path), *at]) == 0
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_corpus_is_mined_and_nothing_goes_out_before_somebody_has_looked(
    at: list[str], tmp_path: Path, capsys: Output
) -> None:
    assert main(["review", *at]) == 0
    assert "no mined pair waits" in capsys.readouterr().err
    assert main(["mine", "--json", *at]) == 0
    (row,) = json.loads(capsys.readouterr().out)

    assert row == {
        "sessions": 6, "shared_situations": 6, "new": 3, "waiting": 0, "decided": 0, "gone": 0,
    }  # fmt: skip
    assert exported(at, tmp_path / "pairs.jsonl") == []
    found = waiting(at, capsys)
    assert {one["chosen"]["entry_id"] for one in found} == {f"{gate}-success" for gate in GATES}
    assert found[0]["prompt"][0] == {"role": "system", "content": "You are Claude Code."}
    assert main(["mine", *at]) == 0
    assert "3 pairs are of no use before somebody looks" in capsys.readouterr().err


def test_a_person_decides_pair_by_pair_and_only_what_was_taken_goes_out(
    at: list[str], tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["mine", *at])
    first, second, third = waiting(at, capsys)
    typed(monkeypatch, "what\na it looked first\nswap\nd\n")
    assert main(["review", *at]) == 0
    shown = capsys.readouterr()
    pairs = exported(at, tmp_path / "pairs.jsonl")

    assert "Mend the" in shown.out and "→ Bash gt oil" in shown.out and "→ Bash gt kick" in shown.out
    assert "1 of 1 sessions succeeded" in shown.out and "0 of 1 sessions succeeded" in shown.out
    assert "'what' is none of" in shown.err
    assert "0 pairs wait" in shown.err
    assert {pair["id"] for pair in pairs} == {f"dpo-{first['id']}", f"dpo-{second['id']}"}
    told = {pair["id"]: pair["chosen"][0]["content"][0]["input"]["command"] for pair in pairs}
    assert told == {f"dpo-{first['id']}": "gt oil", f"dpo-{second['id']}": "gt kick"}
    assert all(pair["origin"]["how"] == "mined" and len(pair["origin"]["entries"]) == 2 for pair in pairs)
    assert waiting(at, capsys) == []
    assert third["id"] not in {pair["id"] for pair in pairs}


def test_who_leaves_finds_the_rest_later(
    at: list[str], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["mine", *at])
    first, second, third = waiting(at, capsys)
    typed(monkeypatch, "later\ndrop\nquit\n")
    assert main(["review", *at]) == 0

    assert "2 pairs wait" in capsys.readouterr().err
    assert [one["id"] for one in waiting(at, capsys)] == [first["id"], third["id"]]
    assert second["id"] not in {first["id"], third["id"]}


def test_several_pairs_are_decided_at_once_or_none(at: list[str], tmp_path: Path, capsys: Output) -> None:
    main(["mine", *at])
    ids = [one["id"] for one in waiting(at, capsys)]
    assert main(["decide", "accept", ids[0], "mined-nothing", *at]) == 1
    assert "so nothing was decided" in capsys.readouterr().err
    assert len(waiting(at, capsys)) == 3
    assert main(["decide", "accept", *ids, "--reason", "seen", *at]) == 0
    assert main(["decide", "drop", ids[1], *at]) == 0

    assert {pair["id"] for pair in exported(at, tmp_path / "out.jsonl")} == {f"dpo-{ids[0]}", f"dpo-{ids[2]}"}


def test_a_pair_whose_session_is_gone_is_passed_over_and_told(
    at: list[str], tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["mine", *at])
    gone, *_ = waiting(at, capsys)
    CorpusStore(Town(tmp_path)).delete(gone["rejected"]["entry_id"])
    typed(monkeypatch, "later\nlater\n")
    assert main(["review", *at]) == 0
    told = capsys.readouterr().err
    main(["decide", "accept", gone["id"], *at])

    assert f"{gone['id']}: no entry" in told
    assert exported(at, tmp_path / "out.jsonl") == []
    assert f"{gone['id']}: no entry" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["decide", "keep", "x"], "no verdict 'keep'; there are accept, swap, drop"),
        (["decide", "drop", "x"], "no mined pair 'x'"),
        (["mine", "--role", "Pole Cat"], "no role 'Pole Cat'"),
        (["mine", "--role", "decon"], "no role 'decon'; did you mean 'deacon'"),
        (["review", "--role", "decon"], "no role 'decon'; did you mean 'deacon'"),
        (["choose", "--role", "decon"], "no role 'decon'; did you mean 'deacon'"),
        (["mine", "--profile", "nowhere.yaml"], "nowhere.yaml does not exist"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    at: list[str], arguments: list[str], line: str, capsys: Output
) -> None:
    assert main([*arguments, *at]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert line in told
