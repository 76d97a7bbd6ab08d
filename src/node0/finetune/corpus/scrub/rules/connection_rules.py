# SPDX-License-Identifier: Apache-2.0
"""The rules for passwords in what names a server: URLs without a scheme, connection strings, queries, calls.

Formats: drivers' manuals (ODBC, JDBC, ADO.NET, libpq, go-sql-driver), Oracle's easy connect, RFC 3986.
"""

import re

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.handed_over import QUOTED, SIGN, handed, line_before, odd
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule, make_rule
from node0.finetune.corpus.scrub.rules.secret_values import NAMES_ITSELF
from node0.finetune.corpus.scrub.word_likeness import is_generated

PRINTED = "".join(map(chr, range(33, 127)))
INNER_AT = r"@(?=[^\s@/\"'`<>\\]{1,64}@)"
"A sign of a password, where another one is before the host."

NO_USER = re.compile(
    r"(?:mailto|sips?|xmpp|tel|https?|ssh|git|file|author|email|mail|from|to|cc|bcc)$", re.IGNORECASE
)
REVISION = re.compile(
    r"v\d|(?:main|master|latest|next|head|develop|beta|alpha|stable|trunk)\b", re.IGNORECASE
)
SETTING = re.compile(
    r"(?:^|[\s;\"'?&:])(?:server|data source|host(?:name)?|dbname|database(?:name)?|initial catalog|driver"
    r"|dsn|uid|user(?: ?id|name)?)\s?=",
    re.IGNORECASE,
)
"Of a connection, beside its password."

USER_FIELD = re.compile(r"[?&](?:u|user|username|login)=[^&\s]{1,64}$", re.IGNORECASE)


def login_at_host(match: re.Match[str]) -> Tier | None:
    """User and password before a host, where no scheme says that it is a URL."""
    return None if NO_USER.match(match.group("user")) or match.group("secret").isdigit() else odd(match)


def login_at_alias(match: re.Match[str]) -> Tier | None:
    """User and password before a server's alias; packages and their revisions are written so too."""
    value = match["secret"]
    certain = SIGN.search(value) or is_generated(value) or len(re.findall(r"\d", value)) > 1
    return odd(match) if certain and not REVISION.match(match.string, match.end()) else None


def in_connection(match: re.Match[str]) -> Tier | None:
    """The password among a connection's settings, or in a query: any word may be one."""
    before = line_before(match)
    after = match.string[match.end() : match.end() + 120].partition("\n")[0]
    known = before.endswith(("?", "&")) or SETTING.search(f"{before} {after}")
    return handed(match) if known and not NAMES_ITSELF.search(match["secret"]) else None


def beside_user(match: re.Match[str]) -> Tier | None:
    """The field behind a user's in a query."""
    return handed(match) if USER_FIELD.search(line_before(match)) else None


CONNECTION_RULES: tuple[SecretRule, ...] = (
    make_rule(
        "url-credentials",
        "@",
        r"[^\s\"'<>@`(=,]{0,64}?(?<![\w./@:-])(?:sips?:)?(?P<user>[\w.-]{1,64}):"
        rf"(?P<secret>(?:[^\s@:/\"'`<>\\]|{INNER_AT}){{4,128}})@"
        r"(?=localhost\b|[A-Za-z0-9][\w-]*(?:\.[\w-]+)+|[\w-]{1,63}(?:/\w|:{1,2}[\w/]|[\s;\"'`]|\Z)|/\w|\()",
        login_at_host,
        before="".join(sign for sign in PRINTED if sign not in "\"'<>@`(=,"),
        reach=192,
    ),
    make_rule(
        "url-credentials",
        "://",
        r"://[\w.%-]{0,64}:(?!\d{1,5}/)(?P<secret>[^\s@\"'<>\\/]{1,64}/[^\s@\"'<>\\]{1,128})@(?=[\w-]+[.:/])",
        odd,
    ),
    make_rule(
        "url-credentials",
        "@",
        r"[^\s\"'<>@`(,]{0,64}?(?<![\w./@:-])(?P<user>[A-Za-z][\w$#]{0,30})/"
        rf"(?P<secret>(?:[^\s@/\"'`<>\\]|{INNER_AT}){{4,128}})@"
        r"(?=//[\w.-]{1,64}|\(DESCRIPTION|(?!sha)[\w.-]{1,64}:\d{2,5}(?!\w)"
        r"|[A-Za-z][\w.-]{1,63}(?:/[\w.-]{1,63})?(?:[\s;\"'`]|\Z))",
        login_at_alias,
        before="".join(sign for sign in PRINTED if sign not in "\"'<>@`(,"),
        reach=192,
    ),
    make_rule(
        "sql-password",
        "password= pwd=",
        r"(?:password|pwd)=(?P<quote>['\"])?(?P<secret>(?(quote)(?:(?!(?P=quote))[^\n]){3,128}"
        r"|[^\s;\"'&<>\\{}(),]{4,128}))(?(quote)(?P=quote)|(?=[;\"'&\s\\<]|\Z))",
        in_connection,
        fold=True,
    ),
    make_rule(
        "sql-password",
        "pwd={ password={",
        r"(?:pwd|password)=\{(?P<secret>[^{}\n]{4,128})\}(?=[;\"'\s]|\Z)",
        odd,
        fold=True,
    ),
    make_rule(
        "url-key",
        "pass= pwd= pw= passwd= apikey= api_key= bindpw=",
        r"(?<=[?&-])(?:pass(?:wd)?|pwd?|api_?key|bindpw)=(?P<secret>[^\s&#\"'<>\\,;)]{4,256})",
        handed,
        fold=True,
    ),
    make_rule("url-key", "&p=", r"&p=(?P<secret>[^\s&#\"'<>\\,;)]{4,256})", beside_user),
    make_rule(
        "assigned-secret",
        "auth␣ auth= smtp␣ smtp= login␣ login= creds␣ creds= credentials␣ credentials= account␣ account=",
        r"(?:auth|smtp|login|cred(?:ential)?s|account)\s{0,2}=\s{0,2}[(\[{]\s{0,4}"
        r"(?:(?:[\"'][^\"'\n]{1,100}[\"']|[\w.]{1,40})\s{0,2},\s{0,4}){1,3}?"
        rf"{QUOTED}(?=\s{{0,2}},?\s{{0,4}}[)\]}}])",
        odd,
        fold=True,
    ),
    make_rule(
        "sql-password",
        "connect( mysqli( pdo( getconnection( connection(",
        r"(?:connect|mysqli|pdo|getconnection|connection)\(\s{0,4}"
        r"(?:\\{0,7}[\"'][^\"'\n]{1,160}\\{0,7}[\"']|[\w.$]{1,64})"
        r"\s{0,2},\s{0,4}(?P<q1>\\{0,7}[\"'])[\w.@-]{1,64}(?P=q1)\s{0,2},\s{0,4}"
        rf"{QUOTED}",
        odd,
        fold=True,
    ),
)
