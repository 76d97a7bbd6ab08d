# SPDX-License-Identifier: Apache-2.0
"""Find what names a person: mail addresses, home directories and git's author lines.

Kept: example.com and no-reply mail, `git@host:` remotes, `/root` (names nobody), `/home/USER_1` (ours).
"""

import re
from collections.abc import Iterator

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.placeholders import NUMBERED, without_placeholders
from node0.finetune.corpus.scrub.rules.word_edges import is_inside_word

LOCAL_PART = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-"
DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])", re.ASCII)
LOGIN = re.compile(
    r"(?:://[^\s/\"'<>]*:|:(?:thin|oci):[^\s\"'<>]*/|-u(?:ser)?[\s=]['\"]?[^\s:'\"]{1,64}:)[^\s/\"'<>]*$"
)
"The beginning of user and password before a host."

BARE_LOGIN = re.compile(r"(?<![\w./@:-])(?!mailto)[\w.-]{1,64}:[^\s@/:\"'`<>\\]{0,128}[^\w\s@/:\"'`<>\\]$")
"The same without a scheme: of a password that begins with a sign, the rest is no mail address."

ESCAPED_LETTER = re.compile(r"[nrt]|u00[0-9a-f]{2}")
ROBOTS = frozenset({"git", "noreply", "no-reply", "donotreply", "do-not-reply", "user", "you", "someone"})
EXAMPLE_DOMAIN = re.compile(
    r"(?:^|\.)(?:example\.(?:com|org|net)|example|test|invalid|localhost)$", re.IGNORECASE
)
NOREPLY = re.compile(r"[^@]@(?:[\w-]+\.)*no-?reply\.", re.IGNORECASE)
"Where no mail arrives, of a single letter: it names nobody."

HOME = re.compile(r"/(?:home|Users)/(?P<name>[A-Za-z0-9_][\w.-]{0,63})")
HOME_WINDOWS = re.compile(r":\\{1,4}Users\\{1,4}(?P<name>[^\\/:*?\"<>|\s']{1,32})", re.IGNORECASE)
HOME_DASHED = re.compile(r"-(?:home|Users)-(?P<name>[A-Za-z0-9_]{1,63})")
HOME_TILDE = re.compile(r"~(?P<name>[a-z_][a-z0-9_.-]{1,31})(?=/)")
HOMES = (("/home/", HOME), ("/Users/", HOME), ("-home-", HOME_DASHED), ("-Users-", HOME_DASHED))
NOBODY = re.compile(
    r"USER_\d+|user|users|username|you|yourname|name|runner|shared|public|default|all", re.IGNORECASE
)
TRAILER = re.compile(r"[ \t]{1,12}(?P<name>[^<\n\\\"]{2,64}?)[ \t]{0,2}<")
TRAILERS = ("author:", "committer:", "-by:")
PERSON = (
    r"[^\W\d_a-z][\w'\u2019-]{1,24}\.?(?: (?:(?:van|von|de|der"
    r"|den|di|da|la|le|al|bin|ten) )?[^\W\d_a-z][\w'\u2019-]{0,24}\.?){1,3}"
)
"A name of two to four words that begin with capitals."

NO_PERSON = re.compile(
    r"The .*|.* (?:Team|Authors?|Contributors|Maintainers|Developers|Project|Foundation|Community|Group|Bot)",
    re.IGNORECASE,
)
LABEL = re.compile(
    rf"(?:s|_(?i:name))?(?:\\{{0,7}}[\"'])?(?:[ \t]{{0,2}}[:=][ \t]{{0,2}}|[ \t]{{1,2}}"
    rf"(?=[\"'])|: ?\[)\[?\s{{0,2}}(?:\\{{0,7}}[\"'])?(?P<name>{PERSON})"
    rf"(?![\w(.:])"
)
LABELS = (
    "author",
    "committer",
    "owner",
    "maintainer",
    "assignee",
    "reviewer",
    "-by",
    "git user",
    "user.name",
)
DISPLAYED = re.compile(rf"(?:\"(?P<quoted>[^\"<>\n]{{2,64}})\"|(?<![\w'\u2019-])(?P<name>{PERSON}))[ \t]?<$")
"What RFC 5322 has before an address."

OBFUSCATED_HINTS = ("at]", "at)", "at}", "at>", "AT]", " dot ", " DOT ")
AT = r"(?: ?[\[({<] ?(?:at|@) ?[\])}>] ?)"
DOT = r"(?: ?[\[({<] ?(?:dot|\.) ?[\])}>] ?| dot )"
OBFUSCATED_SITE = re.compile(r"[\[({<] ?(?:at|@|dot|\.) ?[\])}>]| dot ", re.IGNORECASE)
"What stands in every such address: a sign in brackets, or the word between two."

OBFUSCATED = re.compile(
    rf"(?P<local>[\w.+-]{{1,64}})(?:{AT}(?P<domain>[\w-]{{1,63}}(?:(?:{DOT}|\.)[\w-]{{2,63}}){{1,4}})"
    rf"|(?: at |@)(?P<spoken>[\w-]{{1,63}}(?:{DOT}[\w-]{{2,63}}){{1,4}}))(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
PROMPT = re.compile(r"[A-Za-z][\w.-]{0,63}:[~/][^\s$#\"']{0,128}[$#](?=\s|$)", re.ASCII)
"Behind a user at the beginning of a shell's line."


def emails(text: str) -> Iterator[Finding]:
    """Mail addresses."""
    floor = 0
    at = text.find("@")
    while at >= 0:
        window = text[max(floor, at - 64) : at]
        start = at - (len(window) - len(window.rstrip(LOCAL_PART)))
        start += len(text[start:at]) - len(text[start:at].lstrip(".-%+"))
        if text[start - 1 : start] == "\\":
            escape = ESCAPED_LETTER.match(text, start, at)
            start = escape.end() if escape else start
        before = text[max(0, start - 160) : start]
        login = LOGIN.search(before) or (BARE_LOGIN.search(before) and re.search(r"\d", text[start:at]))
        domain = DOMAIN.match(text, at + 1) if start < at and not login else None
        if domain:
            local = text[start:at]
            nobody = (
                local.lower() in ROBOTS or EXAMPLE_DOMAIN.search(domain.group()) or NUMBERED.fullmatch(local)
            )
            address = text[start : domain.end()]
            nobody = nobody or NOREPLY.match(address)
            tier = Tier.KEEP if nobody else Tier.REDACT
            yield Finding("email", tier, start, domain.end(), address.lower())
            floor = domain.end()
            if text[start - 1 : start] == "<":
                yield from _displayed(text, start)
        elif start < at and not login and PROMPT.match(text, at + 1):
            local = text[start:at]
            tier = Tier.KEEP if local == "root" or NOBODY.fullmatch(local) else Tier.REDACT
            yield Finding("user", tier, start, at, local.lower())
        at = text.find("@", max(at + 1, floor))


def _displayed(text: str, start: int) -> Iterator[Finding]:
    """The name before an address in angle brackets."""
    window = max(0, start - 96)
    match = DISPLAYED.search(text[window:start])
    if match:
        group = "name" if match["name"] else "quoted"
        name = match[group]
        tier = Tier.REDACT if re.search(r"\w", without_placeholders(name)) and " " in name else Tier.KEEP
        yield Finding("name", tier, window + match.start(group), window + match.end(group), name.lower())


def obfuscated_emails(text: str) -> Iterator[Finding]:
    """Mail addresses that are written for people: `jane [at] acme [dot] io`."""
    if not any(hint in text for hint in OBFUSCATED_HINTS) or not OBFUSCATED_SITE.search(text):
        return
    for match in OBFUSCATED.finditer(text):
        domain = re.sub(DOT, ".", match["domain"] or match["spoken"], flags=re.IGNORECASE)
        nobody = match["local"].lower() in ROBOTS or EXAMPLE_DOMAIN.search(domain)
        if re.fullmatch(r"[A-Za-z]{2,24}", domain.rpartition(".")[2]):
            tier = Tier.KEEP if nobody else Tier.REDACT
            yield Finding("email", tier, *match.span(), f"{match['local']}@{domain}".lower())


def homes(text: str) -> Iterator[Finding]:
    """User names in home directories, also dash-munged as Claude Code's project folders are."""
    for anchor, pattern in HOMES:
        at = text.find(anchor)
        while at >= 0:
            match = pattern.match(text, at)
            if match and not (anchor[0] == "-" and is_inside_word(text, at)) and not _in_url(text, at):
                yield _user(match)
            at = text.find(anchor, at + len(anchor) - 1)
    if ":\\" in text:
        yield from (_user(match) for match in HOME_WINDOWS.finditer(text))
    at = text.find("~")
    while at >= 0:
        match = HOME_TILDE.match(text, at)
        if match and not is_inside_word(text, at):
            yield _user(match)
        at = text.find("~", at + 1)


def _user(match: re.Match[str]) -> Finding:
    name = match.group("name").rstrip(".-")
    start = match.start("name")
    tier = Tier.KEEP if NOBODY.fullmatch(name) else Tier.REDACT
    return Finding("user", tier, start, start + len(name), name.lower())


def people(text: str) -> Iterator[Finding]:
    """Names in git's author lines and trailers, and behind labels such as `Owner:`."""
    folded = text.lower()
    if len(folded) != len(text):
        return
    for word in TRAILERS if "<" in text else ():
        for at in _places(folded, word):
            match = TRAILER.match(text, at + len(word))
            if match:
                robot = folded.startswith(("noreply@", "no-reply@", "git@"), match.end())
                yield from _name(match, keep=robot)
    for word in LABELS:
        for at in _places(folded, word):
            match = LABEL.match(text, at + len(word))
            if match:
                yield from _name(match, keep=bool(NO_PERSON.fullmatch(match["name"].strip())))


def _places(folded: str, word: str) -> Iterator[int]:
    at = folded.find(word)
    while at >= 0:
        yield at
        at = folded.find(word, at + len(word))


def _name(match: re.Match[str], *, keep: bool) -> Iterator[Finding]:
    name = match.group("name").strip().rstrip("'\u2019")
    tier = Tier.KEEP if keep or not re.search(r"\w", without_placeholders(name)) else Tier.REDACT
    start = match.start("name")
    yield Finding("name", tier, start, start + len(name), name.lower())


def _in_url(text: str, at: int) -> bool:
    window = re.split(r"[\s\"'<>]", text[max(0, at - 200) : at])[-1]
    return ("://" in window or "%3A//" in window) and "file://" not in window
