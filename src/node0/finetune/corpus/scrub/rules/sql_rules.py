# SPDX-License-Identifier: Apache-2.0
"""The rules for secrets in SQL and in what talks to databases: MySQL, PostgreSQL, Oracle, SQL Server, SQLite.

Statements that set a password have it as a literal behind a keyword; rows have it in the column of that name.
"""

import re
from collections.abc import Iterator

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.rules.handed_over import (
    QUOTED,
    VALUE,
    handed,
    is_odd,
    line_before,
    odd,
    phrase,
)
from node0.finetune.corpus.scrub.rules.label_texts import is_field_name, is_label
from node0.finetune.corpus.scrub.rules.secret_rule import WORD, SecretRule, make_rule
from node0.finetune.corpus.scrub.rules.secret_values import stands_for_a_value

STATEMENT = re.compile(
    r"\b(?:user|role|login|alter|create|options|encrypted|with"
    r"|set|identified|connect|subscription|server|update|insert"
    r"|select|where|and)\b",
    re.IGNORECASE,
)
SECRET_COLUMN = re.compile(
    r"passw|pwd|\bpass\b|\bpw\b|secret|token|api_?key|\bpin\b|passphrase|private_key", re.IGNORECASE
)
SETS = re.compile(
    r"(?:define|setenv|putenv|set_?secret|add_?secret|set_?password|setattr)\(\s{0,4}$", re.IGNORECASE
)
HASHED = re.compile(r"hash|salt|id$|_at$|type|count|expires", re.IGNORECASE)
INSERT = re.compile(
    r"(?:insert\s{1,8}(?:or\s{1,4}\w{1,16}\s{1,4}|ignore\s{1,4})?into\s{1,8}[\w.\"`\[\]"
    r"]{1,128}\s{0,8}|insert\s{1,8})\((?P<columns>[^()]{1,2000})\)\s{0,8}values\s{0,8}",
    re.IGNORECASE,
)
COPY = re.compile(r"COPY [\w.\"]{1,128} \((?P<columns>[^()\n]{1,2000})\) FROM stdin;\n")
CELL = re.compile(
    r"\s*(?:(?:[NnEe])?'(?P<text>(?:[^'\\\n]|''|\\.){0,400})'"
    r"|\"(?P<double>[^\"\n]{0,400})\"|(?P<other>(?:\w{1,40}\([^"
    r"()]{0,400}\)|[^,()'\"]){0,400}))\s*(?P<end>[,)])"
)
ARGUMENT = re.compile(r"\s{0,3},\s{0,4}[\"']")
"Another literal of a call."

CREDENTIAL = re.compile(r"\b(?:credential|create\s{1,4}(?:or\s{1,4}replace\s{1,4})?secret)\b", re.IGNORECASE)
"A statement in which the word is the name of nothing but a secret."

ROWS = 10_000
"Of one statement."


def in_statement(match: re.Match[str]) -> Tier | None:
    """A literal behind the word; without a sign between them, only in a statement."""
    if match.group("sign").strip() == "(" and ARGUMENT.match(match.string, match.end()):
        return odd(match)  # the first of two may be the account
    statement = STATEMENT.search(line_before(match))
    if not match.group("sign").strip() and not statement:
        return None
    named = is_label(match["secret"]) or is_field_name(match["secret"])
    return None if named and not statement else handed(match)


def in_credential(match: re.Match[str]) -> Tier | None:
    """A literal behind the word: any, where the statement makes a credential."""
    return handed(match) if CREDENTIAL.search(line_before(match)) else odd(match)


def in_table(match: re.Match[str]) -> Tier | None:
    """A literal that is hashed or encrypted, where the line is about users."""
    if match.group().lower().startswith("password") and ARGUMENT.match(match.string, match.end()):
        return odd(match)
    around = match.string[max(0, match.start() - 160) : match.end() + 80]
    return handed(match) if SECRET_COLUMN.search(around.replace("_", " ")) or "gen_salt" in around else None


def pair(match: re.Match[str]) -> Tier | None:
    """A name and its value as two arguments: names of fields are listed in the same way."""
    value = match.group("secret")
    if stands_for_a_value(value):
        return None
    if " " in value:
        return phrase(match)
    return handed(match) if SETS.search(line_before(match)) or is_odd(value) else None


def column_values(text: str) -> Iterator[Finding]:
    """What rows have in columns that are named after secrets."""
    folded = text.lower() if "INTO" in text or "into" in text else ""
    if "insert" not in folded or "values" not in folded:
        return
    for match in INSERT.finditer(text):
        wanted = _secret_columns(match["columns"])
        if wanted:
            yield from _cells(text, match.end(), wanted)


def copied_values(text: str) -> Iterator[Finding]:
    """What a dump of PostgreSQL has in such columns, in rows of tabs."""
    for match in COPY.finditer(text) if "FROM stdin" in text else ():
        wanted = _secret_columns(match["columns"])
        at = match.end()
        for _ in range(ROWS if wanted else 0):
            end = text.find("\n", at)
            row = text[at : end if end >= 0 else len(text)]
            if row == "\\." or "\t" not in row:
                break
            for number, cell in enumerate(row.split("\t")):
                if number in wanted and cell != "\\N" and not stands_for_a_value(cell):
                    yield Finding("sql-password", Tier.REDACT, at, at + len(cell))
                at += len(cell) + 1


def _secret_columns(listed: str) -> set[int]:
    """The places of columns that are named after secrets."""
    names = [name.strip(' \t\r\n"`[]') for name in listed.split(",")]
    return {
        number
        for number, name in enumerate(names)
        if SECRET_COLUMN.search(name.replace("_", " ")) and not HASHED.search(name)
    }


def _cells(text: str, at: int, wanted: set[int]) -> Iterator[Finding]:
    for _ in range(ROWS):
        if text[at : at + 1] != "(":
            return
        at, number, end = at + 1, 0, ","
        while end == ",":
            cell = CELL.match(text, at)
            if cell is None:
                return
            group = "text" if cell["text"] is not None else "double"
            if number in wanted and cell[group] and not stands_for_a_value(cell[group]):
                yield Finding("sql-password", Tier.REDACT, *cell.span(group))
            at, number, end = cell.end(), number + 1, cell["end"]
        more = re.compile(r"\s{0,8},\s{0,8}").match(text, at)
        if more is None:
            return
        at = more.end()


LITERAL = rf"[NnEe]?{QUOTED}"
SQL_RULES: tuple[SecretRule, ...] = (
    make_rule(
        "sql-password",
        "identified",
        rf"identified\s{{1,4}}(?:with\s{{1,4}}\S{{1,64}}\s{{1,4}})?"
        rf"(?:by|as)\s{{1,4}}(?:password\s{{1,4}}|values\s{{1,4}})?{VALUE}",
        handed,
        fold=True,
    ),
    make_rule(
        "sql-password",
        "identified",
        rf"identified\s[^\n;]{{1,200}}?\sreplace\s{{1,4}}{VALUE}",
        handed,
        fold=True,
    ),
    make_rule(
        "sql-password",
        "passw pwd",
        rf"(?:passw(?:or)?d|pwd)(?:_?hash)?[\"`\]]?(?P<sign>\s{{0,3}}"
        rf"(?:=|:=|\(|\blike\b)\s{{0,3}}(?:crypt\(|md5\(|sha\d?\("
        rf"|password\()?|\s{{1,3}}){LITERAL}",
        in_statement,
        fold=True,
    ),
    make_rule(
        "sql-password",
        "passw pwd",
        rf"(?:passw(?:or)?d|pwd)\(\s{{0,4}}(?P<q1>\\{{0,7}}[\"'])[\w.@%-]{{1,64}}(?P=q1)\s{{0,2}},\s{{0,4}}{QUOTED}",
        odd,
        fold=True,
    ),
    make_rule(
        "sql-password",
        "secret",
        rf"secret(?:\s{{0,3}}=\s{{0,3}}|\s{{1,3}}){LITERAL}",
        in_credential,
        fold=True,
        after=" \t\n\r\f\v=",
    ),
    make_rule(
        "sql-password",
        "pragma attach",
        rf"(?:pragma\s{{1,4}}(?:re)?key\s{{0,3}}=|attach[^\n;]{{1,160}}?\skey)\s{{0,3}}{LITERAL}",
        handed,
        fold=True,
    ),
    make_rule(
        "sql-password",
        "crypt( bypassphrase(",
        rf"(?:(?:pgp_sym_|aes_|des_)?(?:en|de)?crypt(?:_iv)?\((?=[^"
        rf"()\n]{{1,200}},)[^()\n'\"]{{0,80}}(?:'[^'\n]{{0,200}}')?[^"
        rf"()\n'\"]{{0,80}},\s{{0,4}}"
        rf"|(?:en|de)cryptbypassphrase\(\s{{0,4}}){LITERAL}",
        lambda match: None if re.match(r"crypt\(", match.group(), re.IGNORECASE) else handed(match),
        fold=True,
        before="pgp_symaendPGP_SYMAEND",
        reach=12,
    ),
    make_rule(
        "sql-password",
        "crypt( md5( sha1( sha2( password(",
        rf"(?:crypt|encrypt|md5|sha[12]|password)\(\s{{0,4}}{LITERAL}",
        in_table,
        fold=True,
        before="en",
        reach=2,
    ),
    make_rule(
        "sql-password",
        "sp_add sp_password",
        rf"sp_(?:add|password)\w{{0,24}}[ \t]{{1,4}}[^\n;]{{1,160}},\s{{0,4}}"
        rf"(?:@\w+\s{{0,2}}=\s{{0,2}})?{LITERAL}(?=\s{{0,4}}(?:;"
        rf"|\n|\Z))",
        handed,
        fold=True,
    ),
    make_rule(
        "sql-password",
        "auth( auth=( basic( login( connect( user( authenticate( credential( credentials( auth_password(",
        r"(?:auth=?|basic|login|connect|user|authenticate|credentials?|auth_password)\(\s{0,4}(?P<q1>\\{0,7}[\"'])[\w.@-]{1"
        r",64}(?P=q1)\s{0,2},\s{0,4}"
        rf"(?:[a-z_]{{1,16}}\s?=\s?)?{QUOTED}",
        odd,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "passw secret token pwd credential",
        r"(?P<q1>\\{0,7}[\"'])(?:[#.]|\[name=)?(?P<name>[\w.-]{0,48}?(?:passw(?:or)?d"
        r"|secret|token|pwd|credential)[\w.-]{0,24})\]?(?P=q1)\s{0,2},\s{0,4}"
        rf"[NnEe]?{QUOTED}(?=\s{{0,4}}[),;\]])",
        pair,
        fold=True,
        before=WORD + ".-\"'\\#[=",
        reach=60,
    ),
)
