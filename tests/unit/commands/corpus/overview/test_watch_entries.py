# SPDX-License-Identifier: Apache-2.0
import json
import time
from pathlib import Path

import pytest

from node0.commands.corpus.overview.watch_entries import watch_entries
from node0.finetune.corpus.store import CorpusStore


@pytest.mark.parametrize("as_json", [True, False])
def test_an_entry_is_shown_when_it_arrives(
    town: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    store = CorpusStore(town / ".corpus")
    looks = iter([lambda: store.add(store.get("one").model_copy(update={"id": "three", "role": "mayor"}))])

    def wait(seconds: float) -> None:
        assert seconds == 0.5
        look = next(looks, None)
        if look is None:
            raise KeyboardInterrupt
        look()

    monkeypatch.setattr(time, "sleep", wait)
    with pytest.raises(KeyboardInterrupt):
        watch_entries(town, role="mayor", interval=0.5, as_json=as_json)

    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    assert (json.loads(line)["id"] if as_json else line.split("  ")[2]) == "three"
    assert f"watching {store.root}, 2 entries so far" in err
