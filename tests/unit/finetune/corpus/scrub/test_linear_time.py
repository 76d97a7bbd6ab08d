# SPDX-License-Identifier: Apache-2.0
"""Hostile texts for each reading and family of rules: of four times the text, four times is looked through.

How long that takes, `bench/scrub.py` prints.
"""

from collections.abc import Iterator

import pytest

from node0.finetune.corpus.scrub.finding import Finding
from node0.finetune.corpus.scrub.matcher import Matcher
from node0.finetune.corpus.scrub.stand_ins import OwnValues
from node0.finetune.corpus.scrub.surrogates import Surrogates

WHOLE = 200_000
PART = WHOLE // 4
READINGS = (
    "70 61 ",
    "70:",
    "0x70, ",
    "112, 97, ",
    "00000000: 7061 7373  pass\n",
    "000000",
    "YWJjZGVm\n",
    "YWJj" * 15 + "\n",
    "%41+",
    "%u0041",
    "\\U00000041",
    "\\e[1m",
    "\0a",
    "a b c d ",
    "'a' + ",
    '""a',
    "\uff41",
)
RULES = (
    " --password ",
    " -e a=",
    "<<<",
    "AUTH ",
    "htpasswd -b ",
    "openssl pass:",
    "a:b@",
    "identified by ",
    "attach ",
    "crypt('a',",
    "'password', ",
    "insert into a (password) values ('a'),",
    ":5432:a:a:",
    "password.",
    "password value='",
    "secret:{ value:",
    "the password for ",
    "密码",
    "a is the password ",
    "login as a/",
    "owner=",
    "a at b dot c ",
    "Ab Cd <",
    "12 34 ",
    "login('a', '1",
    '"a" .tochararray(',
    "'1', key: ",
    "'a|password_hash",
    "a_key','a! ",
    "key = {0x12, ",
    "seed aaa bbb ",
    "password is generated for a ",
)


class CountingMatcher(Matcher):
    """Counts the characters of every text and view that it looks through."""

    characters = 0

    def _everything(self, text: str, depth: int, *, wide: bool) -> Iterator[Finding]:
        self.characters += len(text)
        return super()._everything(text, depth, wide=wide)


def looked_through(piece: str, size: int) -> int:
    """Characters of the text and of all its views."""
    matcher = CountingMatcher(ours=OwnValues(Surrogates(b"a town's key")))
    matcher.findings(piece * (size // len(piece)))
    return matcher.characters


@pytest.mark.parametrize("piece", [*READINGS, *RULES])
def test_four_times_the_text_is_four_times_the_work(piece: str) -> None:
    assert looked_through(piece, WHOLE) <= 5 * looked_through(piece, PART)
