# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_chat import BASH, calls, entry, recorded, result, system, user

from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.calls import dialogue_pair
from node0.finetune.dpo.mined_pair import MinedPair, MinedSide, Verdict, digest_of_turns, pair_entry

START = [user("Mend the gate."), calls("gt look"), result("It is shut.")]


def good(**changes: object) -> CorpusEntry:
    return recorded([*START, calls("gt oil")], id="good", session_id="s1", bead_id="gt-1", **changes)


def bad(**changes: object) -> CorpusEntry:
    return recorded([*START, calls("gt kick")], id="bad", session_id="s2", outcome="failure", **changes)


def side(one: CorpusEntry, command: str) -> MinedSide:
    digest = digest_of_turns(one, 3)
    return MinedSide(entry_id=one.id, turn=3, digest=digest, answer=calls(command), successes=1, failures=0)


def pair(winner: CorpusEntry, loser: CorpusEntry, *, verdict: Verdict = "accepted") -> MinedPair:
    return MinedPair(
        id="mined-1", role="deacon", situation="s", chosen=side(winner, "gt oil"),
        rejected=side(loser, "gt kick"), verdict=verdict, actor="rosa", found_at="2026-01-01",
        decided_at="2026-01-02",
    )  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusStore:
    store = CorpusStore(tmp_path)
    store.add_all([good(), bad()])
    return store


def test_a_pair_has_its_prompt_its_tools_and_where_it_comes_from(corpus: CorpusStore) -> None:
    found = pair_entry(pair(good(), bad()), corpus)

    assert found.messages == [system("You are Claude Code."), *START]
    assert (found.chosen, found.rejected) == ([calls("gt oil")], [calls("gt kick")])
    assert (found.id, found.tools, found.requests, found.bead_id) == ("dpo-mined-1", [BASH], [], "gt-1")
    assert found.origin is not None
    assert found.origin.model_dump() == {
        "how": "mined",
        "entries": ["good", "bad"],
        "decided_by": "rosa",
        "decided_at": "2026-01-02",
    }
    sides = dialogue_pair(found, None, one_answer=False)
    assert sides is not None
    assert [side.answers for side in (sides.chosen, sides.rejected)] == [[3], [3]]


def test_a_pair_that_was_swapped_prefers_the_other_answer(corpus: CorpusStore) -> None:
    found = pair_entry(pair(good(), bad(), verdict="swapped"), corpus)

    assert (found.chosen, found.rejected) == ([calls("gt kick")], [calls("gt oil")])


def test_a_session_whose_prompt_is_its_first_turn_gives_the_same_pair(tmp_path: Path) -> None:
    prompt = system("You are Claude Code.")
    plain = [entry([prompt, *one.messages], tools=[BASH], id=one.id) for one in (good(), bad())]
    store = CorpusStore(tmp_path)
    store.add_all(plain)
    found = pair_entry(pair(*plain), store)

    assert found.messages == [system("You are Claude Code."), *START]
    assert found.tools == [BASH]


def test_a_session_that_went_on_gives_the_same_pair(corpus: CorpusStore) -> None:
    mined, before = pair(good(), bad()), pair_entry(pair(good(), bad()), corpus)
    longer = [*good().messages, result("Oiled."), calls("gt done")]
    corpus.add(recorded(longer, id="good", session_id="s1", bead_id="gt-1"))

    assert pair_entry(mined, corpus) == before


def test_a_pair_goes_with_the_sessions_that_it_was_made_of(corpus: CorpusStore) -> None:
    mined = pair(good(), bad())
    corpus.add(recorded([user("Mend the door."), *bad().messages[1:]], id="bad"))
    with pytest.raises(BadCorpus, match="entry bad has changed since; mine again"):
        pair_entry(mined, corpus)
    corpus.add(bad(quarantined=True))
    with pytest.raises(NotFound, match="entry bad was retracted or waits"):
        pair_entry(mined, corpus)
    corpus.add(bad())
    corpus.retracted().add([good()])
    with pytest.raises(NotFound, match="entry good was retracted"):
        pair_entry(mined, corpus)
    corpus.delete("good")
    with pytest.raises(NotFound, match="no entry 'good'"):
        pair_entry(mined, corpus)
