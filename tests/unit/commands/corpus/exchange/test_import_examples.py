# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.exchange.import_examples import import_examples
from node0.finetune.corpus.store import CorpusStore


@pytest.mark.parametrize(
    "line",
    [
        {"messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": "zeppelin gone"}]},
        {"conversations": [{"from": "human", "value": "go"}, {"from": "gpt", "value": "zeppelin gone"}]},
        {"instruction": "go", "input": "", "output": "zeppelin gone"},
    ],
)
def test_every_format_becomes_the_same_turns(
    tmp_path: Path, line: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(line))

    import_examples([tmp_path / "in.jsonl"], tmp_path, role="mayor", deny=["zeppelin"], as_json=True)

    (row,) = json.loads(capsys.readouterr().out)
    entry = CorpusStore(tmp_path / ".corpus").get(row["id"])
    assert (entry.task_type, entry.role) == ("imported", "mayor")
    assert [turn["role"] for turn in entry.messages] == ["user", "assistant"]
    assert "zeppelin" not in str(entry.messages)
