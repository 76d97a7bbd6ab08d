# SPDX-License-Identifier: Apache-2.0
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mined_corpus import ACTIONS, Told, draw_corpus
from tiny_chat import calls, entry, result, says, user

from node0.finetune.chat.profile import DeploymentProfile, load_profile
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.dpo.mined_pair import MinedPair
from node0.finetune.dpo.mining import Mined, mine


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> DeploymentProfile:
    path = tmp_path_factory.mktemp("profile") / "deacon.yaml"
    path.write_text("role: deacon\ncard: You patrol.\ntools: [Bash]\n")
    return load_profile("deacon", path)


def _mined(entries: Sequence[CorpusEntry], profile: DeploymentProfile) -> Mined:
    with TemporaryDirectory() as place:
        store = CorpusStore(Path(place))
        for one in entries:
            store.add(one)
        return mine(store, profile_for=lambda _: profile)


def _truth(corpus: Sequence[Told]) -> dict[tuple[object, ...], dict[str, tuple[int, int]]]:
    """Situation -> action -> sessions that took it and succeeded, and that failed: as the world knows."""
    found: dict[tuple[object, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for told in corpus:
        if told.entry.outcome in ("success", "failure"):
            for step, (action, _) in enumerate(told.steps):
                found[told.situation(step)][action][told.entry.outcome == "failure"] += 1
    return {
        name: {action: (good, bad) for action, (good, bad) in taken.items()} for name, taken in found.items()
    }


def _share(counts: tuple[int, int]) -> float:
    return counts[0] / sum(counts)


def _wanted(corpus: Sequence[Told]) -> dict[tuple[object, ...], set[str]]:
    """(situation, action that failed) -> the actions that are best among those that are better."""
    wanted = {}
    for situation, taken in _truth(corpus).items():
        for worse, counts in taken.items():
            better = {
                action: (_share(other), other[0])
                for action, other in taken.items()
                if _share(other) > _share(counts) and (action or worse)
            }
            if counts[1] and better:
                best = max(better.values())
                wanted[situation, worse] = {action for action, value in better.items() if value == best}
    return wanted


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_what_is_mined_is_what_the_world_says(profile: DeploymentProfile, seed: int) -> None:
    corpus = draw_corpus(seed)
    told = {one.entry.id: one for one in corpus}
    truth, wanted = _truth(corpus), _wanted(corpus)
    found = {}
    for pair in _mined([one.entry for one in corpus], profile).pairs:
        good, bad = told[pair.chosen.entry_id], told[pair.rejected.entry_id]
        step = good.turns.index(pair.chosen.turn)
        situation, better, worse = good.situation(step), good.steps[step][0], bad.steps[step][0]
        assert bad.turns[step] == pair.rejected.turn
        assert bad.situation(step) == situation
        assert (good.entry.outcome, bad.entry.outcome) == ("success", "failure")
        assert (pair.chosen.successes, pair.chosen.failures) == truth[situation][better]
        assert (pair.rejected.successes, pair.rejected.failures) == truth[situation][worse]
        assert _command(pair) == worse.format(**good.names)
        found[situation, worse] = better

    assert found.keys() == wanted.keys()
    assert all(found[key] in wanted[key] for key in found)


def test_the_drawn_corpora_hold_pairs_and_situations_without_one() -> None:
    wanted = [_wanted(draw_corpus(seed)) for seed in range(40)]
    shared = [sum(len(taken) > 1 for taken in _truth(draw_corpus(seed)).values()) for seed in range(40)]

    assert sum(map(bool, wanted)) > 20
    assert sum(shared) > sum(map(len, wanted)) / 2
    assert len({worse for found in wanted for _, worse in found}) == len(ACTIONS)


def _command(pair: MinedPair) -> str:
    uses = [block for block in pair.rejected.answer["content"] if block["type"] == "tool_use"]
    return uses[0]["input"]["command"] if uses else ""


PROMPT = [user("Mend the gate.")]


def _two(*, good: CorpusEntry | None = None, bad: CorpusEntry | None = None) -> list[CorpusEntry]:
    return [
        good or entry([*PROMPT, calls("gt oil")], id="good", session_id="s1"),
        bad or entry([*PROMPT, calls("gt kick")], id="bad", session_id="s2", outcome="failure"),
    ]


def test_two_sessions_that_part_are_a_pair(profile: DeploymentProfile) -> None:
    (pair,) = _mined(_two(), profile).pairs

    assert (pair.chosen.entry_id, pair.rejected.entry_id) == ("good", "bad")
    assert (pair.chosen.turn, pair.rejected.turn) == (1, 1)


def test_the_order_of_entries_and_a_second_look_give_the_same_pairs(profile: DeploymentProfile) -> None:
    entries = [one.entry for one in draw_corpus(3)]
    first, again = _mined(entries, profile), _mined(entries[::-1], profile)

    assert first.pairs
    assert [one.model_copy(update={"found_at": ""}) for one in first.pairs] == [
        one.model_copy(update={"found_at": ""}) for one in again.pairs
    ]


SEEN = [calls("gt look"), result("It is shut.")]


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        pytest.param(
            entry([*PROMPT, *SEEN, calls("gt oil")], id="good", session_id="s1"),
            entry(
                [*PROMPT, calls("gt look"), result("It is open."), calls("gt kick")],
                id="bad", session_id="s2", outcome="failure",
            ),
            id="a tool said something else",
        ),
        pytest.param(
            None,
            entry(
                [*PROMPT, calls("gt look"), calls("gt kick")], id="bad", session_id="s2", outcome="failure",
                role="witness",
            ),
            id="another role",
        ),
        pytest.param(
            entry([*PROMPT, says("Done.")], id="good", session_id="s1"),
            entry([*PROMPT, says("I give up.")], id="bad", session_id="s2", outcome="failure"),
            id="only words differ",
        ),
        pytest.param(
            None,
            entry([*PROMPT, calls("gt kick")], id="bad", session_id="s1", outcome="failure"),
            id="one session, cut in two",
        ),
        pytest.param(
            None,
            entry([*PROMPT, calls("gt kick")], id="bad", session_id="s2", outcome="abandoned"),
            id="nobody failed",
        ),
        pytest.param(
            None,
            entry(
                [*PROMPT, calls("gt kick")], id="bad", session_id="s2", outcome="failure", quarantined=True
            ),
            id="in quarantine",
        ),
        pytest.param(
            None,
            entry([*PROMPT, calls("'gt'   oil")], id="bad", session_id="s2", outcome="failure"),
            id="the same call written otherwise",
        ),
        pytest.param(
            entry([user("Between x/polecats/onyx and x/polecats/onyx."), calls("gt oil")], id="good"),
            entry(
                [user("Between x/polecats/onyx and x/polecats/jade."), calls("gt kick")],
                id="bad", outcome="failure",
            ),
            id="two workers where the other session has one",
        ),
    ],
)  # fmt: skip
def test_these_are_no_pair(
    profile: DeploymentProfile, good: CorpusEntry | None, bad: CorpusEntry | None
) -> None:
    assert _mined(_two(good=good, bad=bad), profile).pairs == []


def test_what_was_retracted_is_no_pair(profile: DeploymentProfile, tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    good, bad = _two()
    for one in (good, bad):
        store.add(one)
    store.retracted().add([bad])

    assert mine(store, profile_for=lambda _: profile).pairs == []


def test_an_answer_that_mostly_succeeds_is_not_rejected_for_one_that_does_so_less(
    profile: DeploymentProfile,
) -> None:
    def took(command: str, outcome: str, number: int) -> CorpusEntry:
        return entry([*PROMPT, calls(command)], id=f"e{number}", session_id=f"s{number}", outcome=outcome)

    endings = {"gt oil": ("success", "success", "failure"), "gt kick": ("success", "failure", "failure")}
    corpus = [
        took(command, outcome, len(endings) * index + place)
        for place, (command, outcomes) in enumerate(endings.items())
        for index, outcome in enumerate(outcomes)
    ]
    (pair,) = _mined(corpus, profile).pairs

    assert pair.rejected.answer["content"][0]["input"] == {"command": "gt kick"}
    assert (pair.chosen.successes, pair.chosen.failures) == (2, 1)
    assert (pair.rejected.successes, pair.rejected.failures) == (1, 2)
