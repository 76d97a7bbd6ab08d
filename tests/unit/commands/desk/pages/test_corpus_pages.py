# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from desk_town import HOSTILE, desk_town
from tiny_chat import tiny_tokenizer

from node0.commands.desk.pages.corpus_pages import entries, entry
from node0.commands.desk.pages.desk_page import Asked, Desk
from node0.errors import ConfigError, NotFound


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(desk_town(tmp_path / "gt"))


def test_entries_come_in_pages_newest_first(desk: Desk) -> None:
    pages = [entries(desk, Asked(query={"page": number})).content for number in ("1", "2")]

    assert [len(page["rows"]) for page in pages] == [50, 15]
    created = [row["created"] for page in pages for row in page["rows"]]
    assert created == sorted(created, reverse=True)
    assert {row["id"] for row in pages[0]["rows"] if row["left out"]} == {"waits-1", "waits-2", "waits-3"}


def test_an_unknown_role_and_an_unknown_entry_are_told(desk: Desk) -> None:
    with pytest.raises(NotFound, match="wizard"):
        entries(desk, Asked(query={"role": "wizard"}))
    with pytest.raises(NotFound, match="nothing"):
        entry(desk, Asked(path={"entry_id": "nothing"}))


def test_an_entry_shows_its_turns_with_what_is_uncertain(desk: Desk) -> None:
    page = entry(desk, Asked(path={"entry_id": "waits-1"})).content

    marked = [span for piece in page["pieces"] for span in piece["spans"] if span.kind]
    assert [piece["title"] for piece in page["pieces"]] == ["system prompt", "user", "assistant"]
    assert marked == [("dolphinswim", "uncertain")]
    assert not page["has_tokenizer"]


def test_an_entry_shows_which_tokens_are_trained_on(desk: Desk, tmp_path: Path) -> None:
    tiny_tokenizer().save_pretrained(tmp_path / "tokenizer")
    with_tokenizer = desk._replace(tokenizer=str(tmp_path / "tokenizer"))

    page = entry(with_tokenizer, Asked(path={"entry_id": "hostile"}, query={"view": "tokens"})).content

    texts = dict.fromkeys((True, False), "")
    for piece in page["pieces"]:
        texts[piece["trained"]] += "".join(span.text for span in piece["spans"])
    assert "Done." in texts[True] and "Done." not in texts[False]
    assert HOSTILE.split()[0] in texts[False]


def test_without_a_tokenizer_no_mask_is_invented(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="--tokenizer"):
        entry(desk, Asked(path={"entry_id": "hostile"}, query={"view": "tokens"}))
    with pytest.raises(ConfigError, match="no view 'raw'"):
        entry(desk, Asked(path={"entry_id": "hostile"}, query={"view": "raw"}))
