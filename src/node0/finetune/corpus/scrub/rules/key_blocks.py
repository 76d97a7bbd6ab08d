# SPDX-License-Identifier: Apache-2.0
"""The rules for private keys in PEM and PGP armour: whole, without their end, without their beginning.

Armour is RFC 7468 and RFC 9580: a header, perhaps fields, lines of base64, a footer. What is taken ends
where the lines of base64 end, so a header that code or prose only mentions takes nothing with it.
"""

import re

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.secret_rule import LETTERS, SecretRule, make_rule
from node0.finetune.corpus.scrub.word_likeness import is_generated

KEY_WORDS = r"PRIVATE[\s\\n]{1,8}KEY(?:[\s\\n]{1,8}BLOCK)?"
HEADER = rf"-{{0,5}}BEGIN[A-Z0-9\s\\n]{{1,30}}?{KEY_WORDS} ?-{{4,5}}"
FOOTER = rf"-{{4,5}} ?END[A-Z0-9\s\\n]{{1,30}}?{KEY_WORDS} ?-{{4,5}}"
BETWEEN = r"(?:\n\x00\n(?s:.{0,64}?)(?=[A-Za-z0-9+/]{16})|[\s\"'`,;|>#*+│┃]|\\{1,8}[nrt\"']?|//|- ){0,80}+"
"Between two lines: breaks, also written out, quotes, signs that join literals, margins, a view's gap."

FIELD = r"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|MessageID)\s?:[^\n\\]{0,120}"
LINE = r"[A-Za-z0-9+/]{16,}+={0,2}"
SHORT_LINES = rf"(?:{BETWEEN}[A-Za-z0-9+/]{{1,15}}={{0,2}}(?=[\s\\\"'`│┃])){{0,3}}"
"What a second wrapping leaves of lines."

LAST_LINE = r"(?=[A-Za-z+/]{0,63}[0-9+/=])[A-Za-z0-9+/]{0,64}={0,2}[A-Za-z0-9+/]{0,4}(?=[\s\\\"'`]|\Z)"
INNER = r"[^-]{0,16384}+(?:-(?!-{3,4} ?(?:BEGIN|END))[^-]{0,16384}+){0,400}+"
BASE64 = re.compile(r"[A-Za-z0-9+/=]{8,}")
LEAST_SHARE = 0.6
"Of what stands between header and footer, that must be base64."


def block(match: re.Match[str]) -> Tier | None:
    """A key with both ends: what stands between them is base64 for the most part."""
    body = "".join(re.split(r"\s|\\{1,8}[nrt]", match.group("body")))
    inside = sum(map(len, BASE64.findall(body)))
    return Tier.REDACT if inside >= max(16, LEAST_SHARE * len(body)) else None


def lines_of_key(match: re.Match[str]) -> Tier | None:
    """A key that lacks an end: some line is no word."""
    lines = re.findall(r"[A-Za-z0-9]{7,}", match.group("lines"))
    return Tier.REDACT if any(is_generated(line) for line in lines) else None


KEY_BLOCK_RULES: tuple[SecretRule, ...] = (
    make_rule("private-key", "BEGIN", rf"{HEADER}(?P<body>{INNER}){FOOTER}", block, before="-", reach=5),
    make_rule(
        "private-key",
        "BEGIN",
        rf"{HEADER}(?:{BETWEEN}{FIELD}){{0,6}}(?P<lines>(?:{SHORT_LINES}{BETWEEN}{LINE})+)(?:{BETWEEN}{LAST_LINE})?",
        lines_of_key,
        before="-",
        reach=5,
    ),
    make_rule(
        "private-key",
        "-----END",
        rf"[A-Za-z0-9+/=\s\\]{{0,9000}}?(?P<secret>(?<![A-Za-z0-9+/])"
        rf"(?P<lines>(?:{LINE}(?:\s|\\{{1,8}}[nr]){{0,20}}+)+)"
        rf"(?:[A-Za-z0-9+/]{{1,64}}={{0,2}}[A-Za-z0-9+/]{{0,4}}(?:\s|\\{{1,8}}[nr]){{0,20}}+)?-----END[A-Z0-9\s\\n]{{1,30}}?{KEY_WORDS}-----)",
        lines_of_key,
        before=LETTERS + "+/=\\\r\n",
        reach=8192,
    ),
)
