# SPDX-License-Identifier: Apache-2.0
"""The rules for secrets in files that programs read: pgpass, wp-config, directives, tfstate, passphrases.

Formats are those of the programs' manuals; a directive is a line of a name, perhaps a type, and its value.
"""

import itertools
import re

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.handed_over import (
    LAST_VALUE,
    QUOTED,
    VALUE,
    handed,
    is_odd,
    line_before,
    odd,
    phrase,
)
from node0.finetune.corpus.scrub.rules.label_texts import is_under_a_texts_name
from node0.finetune.corpus.scrub.rules.named_tests import RESULT_ALONE, names_a_test
from node0.finetune.corpus.scrub.rules.secret_rule import WORD, SecretRule, make_rule

NAME = r"[\w.-]{0,40}(?:passw(?:or)?d?|passphrase|secret|pwd)[\w.-]{0,24}"
USER_ALONE = re.compile(r"[ \t]{0,8}\"[\w.@-]{1,64}")
SECRET_SETTING = re.compile(r"pass(?!ed|ing|es\b)|pwd|secret|token|api_?key|private_?key", re.IGNORECASE)
MACRO = re.compile(r"#[ \t]{0,4}define[ \t]{1,8}\w{0,64}$")
SETTING = re.compile(r"[A-Za-z_][\w.-]*=[^=]")
FEWEST_BYTES = 8
LINE_START = re.compile(r"(?:^|\n|\\n)[ \t]{0,16}(?:[\w.-]{1,32}[ \t]{1,4}){0,3}[\w.-]{0,32}$")


def directive(match: re.Match[str]) -> Tier | None:
    """The value at the end of a line that begins with the name of a setting."""
    tier = None if SETTING.match(match["secret"]) else odd(match)
    return tier if tier and directive_start(match) and not names_a_test(match, RESULT_ALONE) else None


def named_phrase(match: re.Match[str]) -> Tier | None:
    """A passphrase under a name that is not that of a text about one."""
    tier = phrase(match)
    return None if tier and is_under_a_texts_name(match) else tier


def key_bytes(match: re.Match[str]) -> Tier | None:
    """Bytes under the name of a key: a sequence of neighbours is a table or a test's."""
    values = [int(one, 16) for one in re.findall(r"0[xX]([0-9A-Fa-f]{1,2})", match["secret"])]
    steps = {after - before for before, after in itertools.pairwise(values)}
    return Tier.REDACT if len(values) >= FEWEST_BYTES and len(steps) > len(values) // 2 else None


def open_phrase(match: re.Match[str]) -> Tier | None:
    """Words up to the end of a line that begins with the name; a command may follow a setting of its own."""
    words = match.group("secret").split()
    if is_under_a_texts_name(match):
        return None
    command = any(is_odd(word) or word[0] in "-/.|&;>" for word in words)
    return None if command or directive_start(match) is None else phrase(match)


def beside_user(match: re.Match[str]) -> Tier | None:
    """The second of two strings that are all of a line, as pgbouncer's list of users has them."""
    return odd(match) if USER_ALONE.fullmatch(line_before(match)) else None


def fallback(match: re.Match[str]) -> Tier | None:
    """The literal that is taken where a setting of that name is missing."""
    return odd(match) if SECRET_SETTING.search(line_before(match, match.start("quote"))) else None


def defined(match: re.Match[str]) -> Tier | None:
    """The literal of a macro of the preprocessor."""
    return odd(match) if MACRO.search(line_before(match)) else None


def directive_start(match: re.Match[str]) -> re.Match[str] | None:
    """Whether nothing but names stands before the match on its line."""
    return LINE_START.search(match.string[max(0, match.start() - 160) : match.start()])


FILE_RULES: tuple[SecretRule, ...] = (
    make_rule(
        "connection-file",
        ":5432: :5433: :6432: :*:",
        r":(?:\d{4,5}|\*):[^:\s]{1,64}:[^:\s]{1,64}:(?P<secret>(?:[^:\s\\]|\\[:\\]){4,128})(?=\s|\Z|\\n)",
        handed,
    ),
    make_rule(
        "assigned-secret",
        "passw passphrase secret pwd",
        rf"{NAME}(?:\\{{0,7}}[\"'])?\]?\s{{0,2}}(?:=>|:=|=|:|,)\s{{0,3}}"
        rf"(?:value\s{{0,2}}=\s{{0,2}})?{QUOTED}",
        named_phrase,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "passw passphrase secret pwd",
        rf"{NAME}[\"']?(?:\s{{1,4}}value\s{{0,2}}=\s{{0,2}}{QUOTED})",
        handed,
        fold=True,
        needs=("value",),
    ),
    make_rule(
        "assigned-secret",
        "passw passphrase secret pwd",
        rf"{NAME}[\"']?>(?P<secret>[^<>\n]{{4,200}})</",
        phrase,
        fold=True,
        needs=("</",),
    ),
    make_rule(
        "assigned-secret",
        "passw passphrase",
        rf"{NAME}(?:=|:[ \t])[ \t]{{0,2}}(?P<secret>[^\s\"'#$<\[{{"
        rf"(][^\n\"'#$<\[{{(=:\\]{{6,120}})(?=\n|\Z|\\n)",
        open_phrase,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "passw passphrase secret token pwd",
        rf"[\w.-]{{0,48}}\\{{0,7}}[\"']?\s{{0,2}}[:=]\s{{0,2}}\{{\s{{0,20}}\\{{0,7}}[\"']"
        rf"?(?:value|default|data|content|plaintext)\\{{0,7}}[\"']?\s{{0,2}}[:=]\s{{0,2}}"
        rf"{QUOTED}",
        odd,
        fold=True,
        needs=("{",),
    ),
    make_rule(
        "assigned-secret",
        "pass secret pwd rootpw bindpw community _pw",
        rf"(?:passw(?:or)?d|pass|secret|pwd|rootpw|bindpw|community|_pw)[ \t]{{1,8}}"
        rf"(?:[0-9][ \t]{{1,4}})?{LAST_VALUE}(?=[ \t]{{0,8}}(?:R[OW])?"
        rf"(?:\n|\Z|\\n))",
        directive,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "␣on␣>",
        rf" on >{VALUE}(?=[ \t]{{1,4}}[~&+%-]|\n|\Z)",
        odd,
    ),
    make_rule(
        "assigned-secret",
        "--plaintext authtok rootpw _auth",
        rf"(?:--plaintext[ \t]|authtok\s{{0,3}}[=:]|rootpw\s{{0,2}}:|_auth=)[ \t]{{0,3}}{VALUE}",
        odd,
        fold=True,
    ),
    make_rule("connection-file", "]:", rf"\]:\d{{2,5}}[ \t]{{1,8}}[^\s:]{{1,80}}:{VALUE}", odd),
    make_rule(
        "connection-file",
        '"␣"',
        rf"\" (?=\"){QUOTED}(?=[ \t]{{0,4}}(?:\n|\Z))",
        beside_user,
    ),
    make_rule(
        "assigned-secret",
        "env(",
        rf"env\((?P<q1>['\"])\w{{0,40}}(?:pass|secret|token|key)\w{{0,24}}(?P=q1)\s{{0,2}},\s{{0,3}}{QUOTED}",
        odd,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "|| ?? ␣or␣ get( env(",
        rf"(?:\|\||\?\?| or |(?:get|env)\([\"'][\w.-]{{1,64}}[\"'],)\s{{0,3}}{QUOTED}",
        fallback,
    ),
    make_rule(
        "assigned-secret",
        "psk␣ pass␣ passwd␣ password␣ secret␣ token␣",
        rf"(?:psk|pass(?:wd|word)?|secret|token)[ \t]{{1,16}}{QUOTED}",
        defined,
        fold=True,
        needs=("#define",),
    ),
    make_rule(
        "assigned-secret",
        "!!str",
        rf"(?:passw(?:or)?d|secret|token)[\"']?:[ \t]{{1,4}}!!str[ \t]{{1,4}}{VALUE}",
        odd,
        fold=True,
        before=WORD + "\"': \t",
        reach=40,
    ),
    make_rule(
        "private-key",
        "key secret token salt hmac",
        r"(?:key|secret|token|salt|hmac)\w{0,24}\s{0,2}(?:\[[\w ]{0,24}\])?"
        r"\s{0,2}(?::\s?&?\[\w{1,8};\s?\w{1,16}\])?"
        r"\s{0,2}=\s{0,2}(?:new\s\w{1,8}\[\w{0,8}\]\s?|\[\]byte|&|vec!|bytes\()?\s{0,2}[{\[(]{1,2}\s{0,24}"
        r"(?P<secret>0x[0-9a-f]{1,2}(?:,\s{0,24}0x[0-9a-f]{1,2}){7,255})",
        key_bytes,
        fold=True,
        needs=("0x",),
    ),
    make_rule("assigned-secret", "psk", rf"psk\s{{0,2}}=\s{{0,2}}{VALUE}", handed, fold=True),
)
