# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.collect.add_examples import add_examples
from node0.errors import BadCorpus
from node0.finetune.corpus.store import CorpusStore

TURNS = [{"role": "user", "content": "ask zeppelin"}, {"role": "assistant", "content": "asked"}]


def test_examples_without_a_role_take_the_one_that_is_given_and_lose_denied_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "one", "messages": TURNS}))

    add_examples([tmp_path / "in.jsonl"], tmp_path, role="mayor", deny=["zeppelin"], as_json=True)

    assert json.loads(capsys.readouterr().out) == [{"id": "one", "role": "mayor", "did": "new"}]
    assert "zeppelin" not in CorpusStore(tmp_path / ".corpus").get("one").model_dump_json()


def test_a_bad_file_adds_nothing_of_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "good.jsonl").write_text(json.dumps({"id": "one", "role": "mayor", "messages": TURNS}))
    (tmp_path / "bad.jsonl").write_text("{")

    with pytest.raises(BadCorpus):
        add_examples(
            [tmp_path / "good.jsonl", tmp_path / "bad.jsonl"], tmp_path, role=None, deny=[], as_json=True
        )

    assert CorpusStore(tmp_path / ".corpus").list() == []
