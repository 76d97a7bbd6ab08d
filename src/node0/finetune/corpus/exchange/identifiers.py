# SPDX-License-Identifier: Apache-2.0
"""Find what identifies a town in text: rigs, people, beads, hosts and paths.

Only for sharing, where a match too many costs less than a name too many. For training at home these stay.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from node0.finetune.corpus.scrub.finding import Finding, Tier

ROLES = "mayor|deacon|witness|refinery|polecats?|crew|dogs?|boot|overseer|town|rigs?"
NO_BEAD = re.compile(rf"{ROLES}|model|prime|codex|gemini|opencode|hooks?|sling|mail|done|feed", re.IGNORECASE)
"What may follow a beads prefix and is no id."

START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
"Where a word may begin, also after an escaped newline."

PATH_PART = r"(?:[\w.@+~%=,-]|\\ ){1,255}"
ROOTS = "home|Users|root|srv|opt|mnt|media|data|var|tmp|private|workspaces?|projects?|Volumes|code|repos?"
PATH = re.compile(
    rf"(?:(?<![\w.~/<\\}}\])])|(?<=\\[nrt])|(?<=\s-[A-Z])|(?<=file://))"
    rf"/(?:(?:{PATH_PART}/){{1,64}}(?:{PATH_PART})?|(?:{ROOTS})(?![\w-]))"
)
HARMLESS_PATH = re.compile(
    r"/(?:dev|proc|sys|bin|sbin|lib|lib64)(?:/|$)|/usr/(?:bin|sbin|lib|share|include)(?:/|$)"
    r"|/etc/(?:hosts|passwd|os-release|resolv\.conf)$|/(?:api|v\d{1,2})/"
)
HOME_PATH = re.compile(rf"(?<![\w/])~[\w-]{{0,32}}/(?!gt/|\.)(?:{PATH_PART}/){{1,64}}(?:{PATH_PART})?")
DRIVE = re.compile(
    rf"{START}[A-Za-z]:(?:\\{{1,4}}|/(?!/))(?:[\w.@+~% -]{{1,255}}(?:\\{{1,4}}|/)){{1,64}}[\w.@+~%-]*"
)
MUNGED = re.compile(rf"(?<![\w-])-(?:{ROOTS})(?:-[\w.]{{1,255}}){{1,64}}")
"A project folder of the harness: a path with dashes for slashes."

URL_HOST = re.compile(
    r"://(?:[^\s/@\"'<>]{0,256}@)?"
    r"(?P<host>(?P<machine>[A-Za-z0-9][\w.-]{0,253})(?::\d{1,5})?(?:/[^\s\"'`<>()\[\]\\]{0,1024})?)"
)
"With what lies on it."

REMOTE = re.compile(rf"{START}(?P<host>[\w.-]{{1,64}}@[\w.-]{{1,253}}:[\w./-]{{1,255}}\.git)(?!\w)")
"A repository, on a public host too."

LOGIN_HOST = re.compile(
    rf"{START}(?P<host>[\w.-]{{1,64}}@(?P<machine>[A-Za-z][\w.-]{{0,253}}))(?=:[~/\w])"
    r"|(?<=ssh )(?P<login>[\w.-]{1,64}@[\w.-]{1,253})"
)
INTERNAL_HOST = re.compile(
    r"(?<![\w.-])(?:[A-Za-z0-9-]{1,63}\.){1,8}(?:internal|local|lan|corp|intranet|localdomain)(?!\.?\w)"
)
PUBLIC_HOST = re.compile(
    r"(?:^|\.)(?:github\.com|githubusercontent\.com|gitlab\.com|bitbucket\.org|pypi\.org|npmjs\.(?:com|org)|crates\.io"
    r"|golang\.org|go\.dev|python\.org|nodejs\.org|rust-lang\.org|docs\.rs|readthedocs\.io|debian\.org|ubuntu\.com"
    r"|docker\.com|docker\.io|dolthub\.com|anthropic\.com|claude\.com|openai\.com|huggingface\.co|wikipedia\.org"
    r"|stackoverflow\.com|mozilla\.org|w3\.org|json-schema\.org|example\.(?:com|org|net)|example|localhost)$"
    r"|^(?:\d{1,3}\.){3}\d{1,3}$|^(?:EMAIL|IP|PRIVATE_IP)_",
    re.IGNORECASE,
)
QUOTES = "\"'`"
LONGEST_QUOTED = 400


@dataclass(frozen=True)
class Identifiers:
    """What must not leave a town."""

    rigs: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    "People, accounts, machines, repositories, and the town itself."

    prefixes: frozenset[str] = frozenset()
    "Of beads, without the dash."

    beads: frozenset[str] = frozenset()
    "Ids that are known to be some."

    @property
    def identity(self) -> str:
        """All of it, as one digest: the version of a scrubber must not tell a name."""
        parts = (self.rigs, self.names, self.prefixes, self.beads)
        return hashlib.sha256(repr([sorted(part) for part in parts]).encode()).hexdigest()

    def findings(self, text: str) -> Iterator[Finding]:
        """Every place."""
        yield from _words("rig", self._rig_pattern, text)
        yield from _words("name", self._name_pattern, text)
        yield from self._bead_places(text)
        if "/" in text or "\\" in text or "-" in text:
            yield from _paths(text)
        if "." in text or "@" in text:
            yield from _hosts(text)

    @cached_property
    def _rig_pattern(self) -> re.Pattern[str] | None:
        return _any_spelling(self.rigs)

    @cached_property
    def _name_pattern(self) -> re.Pattern[str] | None:
        return _any_spelling(self.names)

    @cached_property
    def _bead_pattern(self) -> re.Pattern[str] | None:
        prefixes = "|".join(sorted(map(re.escape, self.prefixes), key=len, reverse=True))
        name = r"(?:[a-z]{2,8}[-_])?(?P<id>[0-9a-z]{3,8})(?:\.\d{1,4}){0,8}(?![A-Za-z0-9])"
        pattern = rf"{START}(?:{prefixes})[-_]{name}"
        return re.compile(pattern, re.IGNORECASE) if prefixes else None

    @cached_property
    def _suffixes(self) -> frozenset[str]:
        """Ids without their prefix, where they are too odd to be words."""
        ends = (re.split(r"[-_.]", bead.lower())[1:2] for bead in self.beads)
        return frozenset(
            end for (end,) in filter(None, ends) if re.search(r"\d", end) and re.search("[a-z]", end)
        )

    def _bead_places(self, text: str) -> Iterator[Finding]:
        for match in self._bead_pattern.finditer(text) if self._bead_pattern else ():
            if not NO_BEAD.fullmatch(match.group("id")):
                name = re.sub(r"[-_]", "-", match.group().lower())
                yield Finding("bead", Tier.REDACT, *match.span(), name)
        for match in (
            re.finditer(r"(?<![A-Za-z0-9])[0-9A-Za-z]{3,8}(?![A-Za-z0-9])", text) if self._suffixes else ()
        ):
            if match.group().lower() in self._suffixes:
                yield Finding("bead", Tier.REDACT, *match.span(), match.group().lower())


def _any_spelling(names: Collection[str]) -> re.Pattern[str] | None:
    """These names with any sign, or none, between their parts, in either case."""
    spelled = {r"[-_.\s]{0,3}".join(map(re.escape, _parts(name))) for name in names if name.strip()}
    if not spelled:
        return None
    return re.compile("|".join(sorted(spelled, key=len, reverse=True)), re.IGNORECASE)


def _parts(name: str) -> Sequence[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [part for part in re.split(r"[-_.\s]+", spaced) if part]


def _words(kind: str, pattern: re.Pattern[str] | None, text: str) -> Iterator[Finding]:
    for match in pattern.finditer(text) if pattern else ():
        if _begins_word(text, match.start()) and _ends_word(text, match.end()):
            yield Finding(kind, Tier.REDACT, *match.span(), re.sub(r"[-_.\s]", "", match.group().lower()))


def _begins_word(text: str, at: int) -> bool:
    before = text[at - 1 : at] if at else ""
    if not before.isalpha() or (before.islower() and text[at].isupper()):
        return True
    return bool(re.search(r"\\[nrt]$|%[0-9A-Fa-f]{2}$", text[max(0, at - 3) : at]))


def _ends_word(text: str, at: int) -> bool:
    after = text[at : at + 1]
    plural = after in ("s", "S") and not text[at + 1 : at + 2].isalpha()
    return not after.isalpha() or plural or (after.isupper() and text[at - 1].islower())


def _paths(text: str) -> Iterator[Finding]:
    for match in PATH.finditer(text):
        if not HARMLESS_PATH.match(match.group()):
            yield _path(text, match.start(), _quoted_end(text, match))
    for pattern in (HOME_PATH, DRIVE, MUNGED):
        yield from (_path(text, *match.span()) for match in pattern.finditer(text))


def _path(text: str, start: int, end: int) -> Finding:
    end -= len(text[start:end]) - len(text[start:end].rstrip(".,:"))
    return Finding("path", Tier.REDACT, start, end, text[start:end].rstrip("/"))


def _quoted_end(text: str, match: re.Match[str]) -> int:
    """Where a path with spaces ends, if it stands in quotes and more slashes follow."""
    quote = text[match.start() - 1 : match.start()] if match.start() else ""
    if quote not in QUOTES or not quote or text[match.end() : match.end() + 1] != " ":
        return match.end()
    close = text.find(quote, match.end(), match.end() + LONGEST_QUOTED)
    rest = text[match.end() : close] if close >= 0 else ""
    return close if "/" in rest and "\n" not in rest else match.end()


def _hosts(text: str) -> Iterator[Finding]:
    if "://" in text:
        for match in URL_HOST.finditer(text):
            if not _public(match["machine"]):
                yield _host(match, "host")
    if "@" in text:
        yield from (_host(match, "host") for match in REMOTE.finditer(text))
        for match in LOGIN_HOST.finditer(text):
            group = "host" if match["host"] else "login"
            if not _public((match["machine"] or match["login"]).rpartition("@")[2]):
                yield _host(match, group)
    for match in INTERNAL_HOST.finditer(text):
        yield _host(match, 0)


def _host(match: re.Match[str], group: str | int) -> Finding:
    host = match.group(group).rstrip(".-")
    return Finding("host", Tier.REDACT, match.start(group), match.start(group) + len(host), host.lower())


def _public(host: str) -> bool:
    return bool(PUBLIC_HOST.search(host.rstrip(".-")))
