# SPDX-License-Identifier: Apache-2.0
"""Find secrets in the results that a database shell prints: below a column of that name."""

import re
from collections.abc import Iterator

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.rules.handed_over import is_odd
from node0.finetune.corpus.scrub.rules.secret_values import stands_for_a_value

RULE = "-+-"
"Stands in the line below a header of psql and of mysql."

RULED = re.compile(r"[ \t]{0,4}\+?-[-+]{1,2000}[ \t]{0,4}")
COLUMN = re.compile(r"[\w .\"`]{1,64}")
HEADER = re.compile(r"(?:^|\n)(?P<header>[\w\"]{1,48}(?:,[\w\"]{1,48}){1,40})\r?\n")
SECRET = re.compile(
    r"(?:\w{0,24}_)?(?:passw(?:or)?d|pwd|pass|pw|passphrase|passcode|secret|token|api_?key|private_key)(?:_(?:plain\w{0,4}|clear\w{0,4}|key))?",
    re.IGNORECASE,
)
PASSWORD = re.compile(r"pass|pwd|pw", re.IGNORECASE)
NO_VALUE = re.compile(
    r"(?:yes|no|null|none|true|false|n/a|on|off|set|unset|empty|required|optional|\\N|[-*.]*)", re.IGNORECASE
)
NAMED = (",pass", ',"pass', ",pwd", ",secret", ",token", "password,")
"What a line of CSV with such a header holds."

SHORTEST = 4
ROWS = 10_000


def table_values(text: str) -> Iterator[Finding]:
    """What stands in cells below a header that names a secret."""
    at = text.find(RULE)
    while at >= 0:
        end = _line_end(text, at)
        start = text.rfind("\n", 0, at) + 1
        if RULED.fullmatch(text, start, end):
            yield from _below(text, start, end, apart="|")
        at = text.find(RULE, end)
    for match in HEADER.finditer(text) if "," in text and _may_name_one(text) else ():
        yield from _below(text, match.end(), match.end() - 1, apart=",")


def _may_name_one(text: str) -> bool:
    return any(name in text for name in NAMED)


def _below(text: str, start: int, end: int, *, apart: str) -> Iterator[Finding]:
    """The cells of rows below a header, which ends before `start`; the rows begin behind `end`."""
    top = text.rfind("\n", 0, max(0, start - 1)) + 1
    columns = [name.strip(' \t\r"`') for name in text[top : max(top, start - 1)].split(apart)]
    wanted = {number: name for number, name in enumerate(columns) if SECRET.fullmatch(name)}
    if not wanted or not all(COLUMN.fullmatch(name) for name in columns if name):
        return
    for _ in range(ROWS):
        at, end = end + 1, _line_end(text, end + 1)
        cells = text[at:end].split(apart)
        if len(cells) != len(columns):
            return
        for number, cell in enumerate(cells):
            value = cell.strip(' \t\r"')
            if number in wanted and _is_secret(wanted[number], value):
                begin = at + cell.index(value)
                yield Finding("sql-password", Tier.REDACT, begin, begin + len(value))
            at += len(cell) + 1


def _is_secret(name: str, value: str) -> bool:
    if len(value) < SHORTEST or NO_VALUE.fullmatch(value) or stands_for_a_value(value):
        return False
    return " " not in value if PASSWORD.search(name) else is_odd(value)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return end if end >= 0 else len(text)
