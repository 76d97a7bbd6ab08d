# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node0.bounded.patterns import find_all, finds
from node0.errors import ConfigError

PATTERNS = st.sampled_from(
    ["a", "(a)|(b)", "(?i)A+", r"\bword\b", r"(?P<secret>\d{2,})x?", "^b", "b$", "(?s).b", ""]
)
TEXTS = st.text(st.sampled_from("abA b1\n\ud800é"), max_size=40)
EXPLODING = ["(a+)+$", "(a|aa)+$", "(a|a?)+$", r"(\w*)*$", "(.*a){25}$", r"^(([a-z])+.)+[A-Z]([a-z])+$"]


@settings(deadline=None)
@given(pattern=PATTERNS, text=TEXTS, flags=st.sampled_from([0, re.IGNORECASE, re.MULTILINE]))
def test_it_finds_what_re_finds(pattern: str, text: str, flags: int) -> None:
    compiled = re.compile(pattern, flags)
    expected = [[list(span) for span in match.regs] for match in compiled.finditer(text)]

    assert find_all(compiled, text, where="x") == expected
    assert finds(pattern, text, flags=flags) == bool(compiled.search(text))
    assert finds(pattern, text, flags=flags, at_start=True) == bool(compiled.match(text))


@pytest.mark.parametrize("pattern", EXPLODING)
def test_a_pattern_that_backtracks_without_end_is_named_and_the_next_is_searched(pattern: str) -> None:
    text = "a" * 60 + "!"

    with pytest.raises(ConfigError, match="takes too long on a text of 61 characters"):
        finds(pattern, text)
    with pytest.raises(ConfigError, match=r"^rule 'x' takes too long"):
        find_all(re.compile(pattern), text, where="rule 'x'")
    assert finds("a!", text)


@pytest.mark.parametrize("pattern", ["(", "(" * 20_000, "a{99999999999999999999}"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        finds(pattern, "a")

    assert len(str(caught.value)) < 300
