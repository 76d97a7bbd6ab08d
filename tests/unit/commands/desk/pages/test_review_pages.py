# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from desk_town import WAITING, desk_town, entry

from node0.commands.corpus.open_scrubber import make_scrubber
from node0.commands.corpus.review.decide_entries import open_queue
from node0.commands.desk.pages.desk_page import Asked, Desk
from node0.commands.desk.pages.review_pages import CARDS, LONGEST, VALUES, decide, waiting
from node0.errors import BadCorpus, ConfigError, NotFound
from node0.finetune.corpus.store import CorpusStore


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(desk_town(tmp_path / "gt"))


def _decide(desk: Desk, name: str, decision: str) -> dict[str, object]:
    return dict(decide(desk, Asked(form={"entry": name, "decision": decision})).content)


def test_each_entry_that_waits_has_a_card_with_its_values(desk: Desk) -> None:
    cards = waiting(desk, Asked()).content["cards"]

    assert {card["entry"].id: card["items"][0].value for card in cards} == WAITING


def test_a_decision_is_what_the_command_shows_and_says_what_it_settled(desk: Desk) -> None:
    page = _decide(desk, "waits-1", "accept")

    assert page["said"] == "waits-1: accepted, waits-3: settled too"
    assert [one.entry_id for one in open_queue(desk.town.root).waiting()] == ["waits-2"]
    assert "dolphinswim" in str(CorpusStore(desk.town).get("waits-3").messages)


def test_a_redacted_value_is_gone_and_a_dropped_entry_too(desk: Desk) -> None:
    _decide(desk, "waits-1", "redact")
    _decide(desk, "waits-2", "drop")

    store = CorpusStore(desk.town)
    assert "dolphinswim" not in str(store.get("waits-1").messages)
    assert "waits-2" in store.retracted().entries
    assert waiting(desk, Asked()).content["cards"] == []


def test_what_cannot_be_decided_is_told(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="no decision 'burn'"):
        _decide(desk, "waits-1", "burn")
    with pytest.raises(BadCorpus, match="plain-01 is not in quarantine"):
        _decide(desk, "plain-01", "accept")
    with pytest.raises(NotFound, match="nothing"):
        _decide(desk, "nothing", "drop")


def test_a_long_value_is_shown_by_its_beginning(desk: Desk) -> None:
    rule = "{kind: berth, pattern: 'berth [a-z ]+', tier: quarantine}"
    desk.town.model_settings_file.write_text(f"scrub: {{rules: [{rule}]}}")
    store, scrubber = CorpusStore(desk.town), make_scrubber((), town=desk.town)
    store.add(scrubber.scrub_entry(entry("aa-long", f"the berth {'oak tree ' * 400}")).entry)

    (first, *_) = waiting(desk, Asked()).content["cards"]

    assert first["entry"].id == "aa-long"
    assert first["items"][0].value == ("berth " + "oak tree " * 400)[:LONGEST] + "…"


def test_the_queue_is_bounded_in_entries_and_in_values(desk: Desk) -> None:
    store, scrubber = CorpusStore(desk.town), make_scrubber((), town=desk.town)
    lines = "\n".join(f'password: "otter{letter}climb"' for letter in "abcdefghijklmnopqrstuvwxyz")
    for number in range(CARDS):
        store.add(scrubber.scrub_entry(entry(f"many-{number}", lines)).entry)

    content = waiting(desk, Asked()).content

    assert len(content["cards"]) == CARDS
    assert content["slice"].last == 2
    first = content["cards"][0]
    assert len(first["items"]) == VALUES and first["more"] == 26 - VALUES
