# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0 import run_corpus

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def town(tmp_path: Path, capsys: Printed) -> Path:
    root = tmp_path / "gt"
    root.mkdir()
    turns = [{"role": "user", "content": "sling it in lantern"}, {"role": "assistant", "content": "done"}]
    line = {"id": "one", "role": "mayor", "rig": "lantern", "messages": turns}
    (tmp_path / "examples.jsonl").write_text(json.dumps(line))
    assert run_corpus.main(["add", str(tmp_path / "examples.jsonl"), "--town", str(root)]) == 0
    capsys.readouterr()
    return root


def test_sharing_is_refused_until_it_is_switched_on(town: Path, capsys: Printed) -> None:
    share = ["share", "--role", "mayor", "--output", str(town.parent / "out"), "--town", str(town)]

    assert run_corpus.main(share) == 1

    assert "corpus_sharing.enabled is false" in capsys.readouterr().err
    assert not (town.parent / "out").exists()


def test_entries_are_staged_read_and_approved(town: Path, capsys: Printed) -> None:
    (town / ".models").mkdir(exist_ok=True)
    (town / ".models" / "settings.yaml").write_text("corpus_sharing: {enabled: true}\n")
    staged = town.parent / "out" / "mayor.jsonl"
    where = ["--town", str(town)]

    assert (
        run_corpus.main(["share", "--role", "mayor", "--output", str(town.parent / "out"), "--json", *where])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["entries"], told["redacted"]) == (str(staged), 1, {"rig": 1})

    assert run_corpus.main(["share", "review", str(staged)]) == 0
    assert "sling it in [RIG_1]" in capsys.readouterr().out

    assert run_corpus.main(["share", "approve", str(staged), "--reviewer", "ada", "--json", *where]) == 0
    (approval,) = json.loads(capsys.readouterr().out)
    assert approval["sha256"] == told["sha256"]

    staged.write_text(staged.read_text().replace("[RIG_1]", "lantern"))
    assert run_corpus.main(["share", "approve", str(staged), "--reviewer", "ada", *where]) == 3


def test_sharing_needs_a_role_and_a_place(town: Path, capsys: Printed) -> None:
    assert run_corpus.main(["share", "--town", str(town)]) == 2
    assert "--role and --output" in capsys.readouterr().err
