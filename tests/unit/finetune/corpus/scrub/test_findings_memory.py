# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.findings_memory import BYTES_EACH, FindingsMemory


class Letters:
    """Finds every letter x, and counts how often it looked; may be told to find y too."""

    def __init__(self) -> None:
        self.sought = ["x"]
        self.looked = 0

    def __call__(self, text: str, wide: bool) -> Sequence[Finding]:
        self.looked += 1
        kind = "wide" if wide else "narrow"
        return [Finding(kind, Tier.REDACT, at, at + 1) for at, sign in enumerate(text) if sign in self.sought]

    def state(self) -> int:
        return len(self.sought)


def memory(letters: Letters, most_bytes: int = 64 * BYTES_EACH) -> FindingsMemory:
    return FindingsMemory(letters, letters.state, most_bytes=most_bytes)


def test_a_text_is_looked_through_once_for_each_way_to_look() -> None:
    letters = Letters()
    known = memory(letters)

    first = [known.findings("axbx", wide=wide) for wide in (True, False)]
    again = [known.findings("axbx", wide=wide) for wide in (True, False)]

    assert again == first
    assert first[0] != first[1]
    assert letters.looked == 2


def test_everything_is_looked_through_anew_when_more_is_looked_for() -> None:
    letters = Letters()
    known = memory(letters)
    assert known.findings("xy", wide=True) == [Finding("wide", Tier.REDACT, 0, 1)]

    letters.sought.append("y")

    assert len(known.findings("xy", wide=True)) == 2


def test_the_longest_unused_is_forgotten_first() -> None:
    letters = Letters()
    known = memory(letters, 3 * BYTES_EACH)
    for text in ("a", "b", "c", "a", "d"):
        known.findings(text, wide=True)
    assert letters.looked == 4

    known.findings("a", wide=True)
    assert letters.looked == 4
    known.findings("b", wide=True)
    assert letters.looked == 5


@given(st.lists(st.tuples(st.text("axé\ud800", max_size=30), st.booleans()), max_size=60))
def test_what_is_kept_is_bounded_and_changes_nothing(asked: list[tuple[str, bool]]) -> None:
    letters = Letters()
    known = memory(letters, 12 * BYTES_EACH)

    for text, wide in asked:
        assert known.findings(text, wide=wide) == letters(text, wide)
        assert known.bytes_kept <= 12 * BYTES_EACH
        assert known.bytes_kept == BYTES_EACH * sum(1 + len(found) for found in known._found.values())
