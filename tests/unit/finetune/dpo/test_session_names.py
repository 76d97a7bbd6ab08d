# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_chat import calls, entry, result, user

from node0.finetune.dpo.session_names import SessionNames, each_text, with_texts

SESSION = entry(
    [user("Work in /gt/lantern/polecats/onyx.")], bead_id="gt-abc12", session_id="s-77", rig="lantern"
)
NAMES = {
    "bead": ("gt-abc12", "gt-xyz9.1"),
    "worker": ("onyx", "lantern"),
    "uuid": ("0b0e7a52-1c5d-4f0e-9a54-0f5a1e2d3c4b", "11111111-2222-3333-4444-555555555555"),
    "commit": ("3f9c2ab", "0123456789abcdef0123456789abcdef01234567"),
    "place": ("/tmp/work.x1", "/tmp/other"),
    "wisp": ("hq-wisp-8k2", "a1-wisp-zz"),
    "date": ("2026-01-05", "2025-12-31"),
    "own": ("s-77", "lantern"),
}
EVERY = sorted({name for names in NAMES.values() for name in names})
TEXTS = st.lists(st.sampled_from([*EVERY, "see", "Mend the gate,", "ok", "and"]), max_size=12)


def told(text: str) -> str:
    return SessionNames(SESSION).canonical(text)


@pytest.mark.parametrize("kind", NAMES)
def test_two_names_of_a_kind_are_alike_and_told_apart(kind: str) -> None:
    first, second = NAMES[kind]

    assert told(f"see {first}") == told(f"see {second}") != f"see {first}"
    assert told(f"see {first} and {first}") != told(f"see {first} and {second}")
    assert told(f"see {first} and {second}") == told(f"see {second} and {first}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at 2026-01-05T10:00:00Z", "at 2026-02-11 23:59:59.125+01:00"),
        ("took 0.12s", "took 13.4 s"),
        ("3 minutes ago", "2 h ago"),
        ("10:00:01 and 10:00:02", "11:30:00 and 11:30:00"),
        ("done   \nbye\n", "done\nbye"),
    ],
)
def test_moments_durations_and_trailing_blanks_are_nobodys_name(one: str, other: str) -> None:
    assert told(one) == told(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("raise the limit to 20000", "raise the limit to 30000"),
        ("sleep 5s", "sleep 30s"),
        ("decade", "facade"),
        ("gt nudge", "gt prime"),
        ("lanterns", "windows"),
        ("3 tests failed", "4 tests failed"),
    ],
)
def test_what_a_task_says_is_no_name(one: str, other: str) -> None:
    assert told(one) == one
    assert told(one) != told(other)


@given(words=TEXTS, data=st.data())
def test_texts_are_alike_exactly_where_one_becomes_the_other_by_renaming(
    words: list[str], data: st.DataObject
) -> None:
    used = [word for word in words if word in EVERY]
    kinds = {name: told(name) for name in EVERY}
    others = {
        name: data.draw(st.sampled_from([other for other in EVERY if kinds[other] == kinds[name]]))
        for name in dict.fromkeys(used)
    }
    renamed = [others.get(word, word) for word in words]
    is_renaming = len(set(others.values())) == len(others)

    assert (told(" ".join(words)) == told(" ".join(renamed))) is is_renaming


@given(words=TEXTS)
def test_renaming_forth_and_back_changes_nothing(words: list[str]) -> None:
    names, text = SessionNames(SESSION), " ".join(words)
    names.canonical(text)
    forth = dict(zip(names, reversed(list(names)), strict=True))
    back = {new: old for old, new in forth.items()}

    assert names.renamed(names.renamed(text, forth), back) == text
    assert len(names) == len(list(names))


def test_only_words_and_inputs_of_a_turn_are_changed() -> None:
    call = calls("text onyx", text="Bash it")

    assert with_texts(call, str.upper)["content"] == [
        {"type": "text", "text": "BASH IT"},
        {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "TEXT ONYX"}},
    ]
    assert with_texts(user("go"), str.upper) == {"role": "user", "content": "GO"}
    assert with_texts(result("shut"), str.upper) == result("shut")


def test_every_text_of_a_value_is_changed_and_no_key() -> None:
    assert each_text({"a": ["b", {"c": "d"}], "n": 1, "x": None}, str.upper) == {
        "a": ["B", {"c": "D"}],
        "n": 1,
        "x": None,
    }
