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
HOME_TILDE = re.compile(r"~(?P<name>[a-z_][a-z0-9_-]{1,31})(?=/)")
HOMES = (("/home/", HOME), ("/Users/", HOME), ("-home-", HOME_DASHED), ("-Users-", HOME_DASHED))
NOBODY = re.compile(
    r"USER_\d+|user|users|username|you|yourname|name|runner|shared|public|default|all", re.IGNORECASE
)
TRAILER = re.compile(r"[ \t]{1,12}(?P<name>[^<\n\\\"]{2,64}?)[ \t]{0,2}<")
TRAILERS = ("author:", "committer:", "-by:")


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
        login = LOGIN.search(text[max(0, start - 160) : start])
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
        at = text.find("@", max(at + 1, floor))


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
    """Names in git's author lines and trailers."""
    folded = text.lower()
    if "<" not in text or len(folded) != len(text):
        return
    for word in TRAILERS:
        at = folded.find(word)
        while at >= 0:
            match = TRAILER.match(text, at + len(word))
            if match:
                name = match.group("name").strip()
                robot = folded.startswith(("noreply@", "no-reply@", "git@"), match.end())
                tier = Tier.KEEP if robot or not re.search(r"\w", without_placeholders(name)) else Tier.REDACT
                start = match.start("name")
                yield Finding("name", tier, start, start + len(name), name.lower())
            at = folded.find(word, at + len(word))


def _in_url(text: str, at: int) -> bool:
    window = re.split(r"[\s\"'<>]", text[max(0, at - 200) : at])[-1]
    return ("://" in window or "%3A//" in window) and "file://" not in window
