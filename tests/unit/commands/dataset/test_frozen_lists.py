# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from tiny_run import make_corpus

from node0.commands.dataset.dataset_options import main
from node0.finetune.corpus.store import CorpusStore
from node0.town import Town

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def town(town_root: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    make_corpus(town_root / ".corpus")
    monkeypatch.chdir(town_root)
    return Town(town_root)


def _rows(capsys: Printed, *arguments: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return list(json.loads(capsys.readouterr().out))


def test_what_a_training_would_take_is_frozen_shown_and_compared(town: Town, capsys: Printed) -> None:
    freeze = ("freeze", "--role", "deacon", "--set", "val_split=0.25")
    (made,) = _rows(capsys, *freeze, "march.jsonl")
    make_corpus(town.corpus, sessions=14)
    _rows(capsys, *freeze, "april.jsonl")
    store = CorpusStore(town)
    store.retracted().add([store.get("e002")])
    (shown,) = _rows(capsys, "show", "march.jsonl")

    assert made["entries"] == 12
    assert made["train"] + made["held out"] == 12  # type: ignore[operator]  # counts
    # e007 says the same as e002, so it is retracted too.
    assert (shown["unchanged"], shown["retracted"]) == (10, 2)
    assert _rows(capsys, "diff", "march.jsonl", "april.jsonl") == [
        {"id": "e012", "what": "added"},
        {"id": "e013", "what": "added"},
    ]
    assert main(["diff", "march.jsonl", "march.jsonl"]) == 0
    assert "are the same entries" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["freeze", "there.jsonl", "--role", "deacon"], "there.jsonl is there already"),
        (["freeze", "new.jsonl", "--role", "mayor"], "no entry of role mayor is chosen (it is empty)"),
        (["freeze", "new.jsonl", "--role", "deakon"], "did you mean 'deacon'?"),
        (["show", "nothing.jsonl"], "no list of entries nothing.jsonl"),
        (["diff", "there.jsonl", "nothing.jsonl"], "no list of entries nothing.jsonl"),
    ],
)
def test_what_cannot_be_frozen_or_read_is_one_line(
    town: Town, arguments: list[str], said: str, capsys: Printed
) -> None:
    (town.root / "there.jsonl").write_text("")

    assert main(arguments) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (town.root / "new.jsonl").exists()


def test_without_a_role_it_is_asked_for(town: Town, capsys: Printed) -> None:
    assert main(["freeze", "new.jsonl"]) == 2

    assert "missing --role;" in capsys.readouterr().err
