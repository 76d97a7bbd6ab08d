# SPDX-License-Identifier: Apache-2.0
import io
import json
from pathlib import Path

import pytest

from node0.commands.corpus.scrub.scrub_text import scrub_text
from node0.errors import NotFound

Printed = pytest.CaptureFixture[str]


def test_a_text_needs_no_town_and_a_town_that_is_named_must_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("plain\n"))

    scrub_text(None, None, deny=(), jsonl=False, as_json=False)

    assert capsys.readouterr() == ("plain\n", "")
    with pytest.raises(NotFound):
        scrub_text(None, tmp_path / "nowhere", deny=(), jsonl=False, as_json=False)


def test_the_settings_of_the_town_count(town_root: Path, tmp_path: Path, capsys: Printed) -> None:
    (town_root / ".models").mkdir(exist_ok=True)
    (town_root / ".models" / "settings.yaml").write_text("scrub: {deny: [dolphinswim]}\n")
    (tmp_path / "text").write_text("say dolphinswim and zeppelin\n")

    scrub_text(tmp_path / "text", town_root, deny=["zeppelin"], jsonl=False, as_json=False)

    out, err = capsys.readouterr()
    assert "dolphinswim" not in out and "zeppelin" not in out
    assert err == "redact: deny-list: 2\n"


def test_findings_are_shown_instead_of_the_text(tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "text").write_text("mail jane@harbor-yard.net\n")

    scrub_text(tmp_path / "text", None, deny=(), jsonl=False, as_json=True)

    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["kind"], finding["start"]) == ("email", 5)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="name one, or pipe the text in"):
        scrub_text(tmp_path / "none", None, deny=(), jsonl=False, as_json=False)
