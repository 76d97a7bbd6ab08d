# SPDX-License-Identifier: Apache-2.0
"""The scrub rules for personal data: what is found by arithmetic and context, not by a prefix.

Each finder yields (kind, start, end, tier, name) in one pass. `name` is what is numbered, so that the same
person, address or host keeps one placeholder in an entry.

Kept: loopback, unspecified, broadcast and documentation addresses, versions (`v1.2.3.4`), example.com
and no-reply mail, `git@host:` remotes, `/root` (names nobody), `/home/USER_1` (ours).
"""

import ipaddress
import re
import string
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import phonenumbers

from node0.finetune.corpus.scrub.finding import Tier


class Personal(NamedTuple):
    """One place of personal data."""

    kind: str
    start: int
    end: int
    tier: Tier
    name: str


Finder = Callable[[str], Iterator[Personal]]

LOCAL_PART = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-"
HEX = "0123456789abcdefABCDEFabcdef:"
DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])", re.ASCII)
LOGIN = re.compile(r"://[^\s/@]*:$")
ESCAPED_LETTER = re.compile(r"[nrt]|u00[0-9a-f]{2}")
ROBOTS = frozenset({"git", "noreply", "no-reply", "donotreply", "do-not-reply", "user", "you", "someone"})
EXAMPLE_DOMAIN = re.compile(
    r"(?:^|\.)(?:example\.(?:com|org|net)|example|test|invalid|localhost)$", re.IGNORECASE
)
IPV4 = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d{1,3}", re.ASCII)
"All but its first number: a search is fast where it begins with a sign."

IPV6_CORE = re.compile(r":[0-9A-Fa-f]{0,4}:")
MAC = re.compile(r"[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}")
MAC_DASHED = re.compile(r"-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-")
DOCUMENTATION = [
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
HOME = re.compile(r"/(?:home|Users)/(?P<name>[A-Za-z0-9_][\w.-]{0,63})")
HOME_WINDOWS = re.compile(r":\\{1,4}Users\\{1,4}(?P<name>[^\\/:*?\"<>|\s']{1,32})", re.IGNORECASE)
HOME_DASHED = re.compile(r"-(?:home|Users)-(?P<name>[A-Za-z0-9_]{1,63})")
HOME_TILDE = re.compile(r"~(?P<name>[a-z_][a-z0-9_-]{1,31})(?=/)")
HOMES = (("/home/", HOME), ("/Users/", HOME), ("-home-", HOME_DASHED), ("-Users-", HOME_DASHED))
NOBODY = re.compile(
    r"USER_\d+|user|users|username|you|yourname|name|runner|shared|public|default|all", re.IGNORECASE
)
DIGITS = re.compile(r"\d[\d ().-]{5,40}\d", re.ASCII)
BETWEEN = re.compile(r"[\d ().-]*", re.ASCII)
PHONE = re.compile(
    r"\+\d[\d ().-]{6,20}\d"
    r"|\(\d{3}\)[ ]?\d{3}[-. ]\d{4}"
    r"|\d{3}[-. ]\d{3}[-. ]\d{4}"
    r"|0\d{2,4}[ -]\d{3,4}[ -]?\d{3,4}",
    re.ASCII,
)
CARD = re.compile(r"[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}|3\d{3}[ -]?\d{6}[ -]?\d{4,5}", re.ASCII)
IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?", re.ASCII)
IBAN_REACH = 36
"Letters of an account number that may stand around its longest run of digits."

SSN = re.compile(r"\d{3}-\d{2}-\d{4}", re.ASCII)
TRAILER = re.compile(r"[ \t]{1,12}(?P<name>[^<\n\\\"]{2,64}?)[ \t]{0,2}<")
TRAILERS = ("author:", "committer:", "ed-by:")


def emails(text: str) -> Iterator[Personal]:
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
        login = LOGIN.search(text[max(floor, start - 64) : start])
        domain = DOMAIN.match(text, at + 1) if start < at and not login else None
        if domain:
            local = text[start:at]
            nobody = local.lower() in ROBOTS or EXAMPLE_DOMAIN.search(domain.group())
            address = text[start : domain.end()]
            yield Personal(
                "email", start, domain.end(), Tier.KEEP if nobody else Tier.REDACT, address.lower()
            )
            floor = domain.end()
        at = text.find("@", max(at + 1, floor))


def addresses(text: str) -> Iterator[Personal]:
    """IPv4 and IPv6 addresses and hardware addresses."""
    if "." in text:
        for match in IPV4.finditer(text):
            first = text[max(0, match.start() - 3) : match.start()]
            start = match.start() - (len(first) - len(first.rstrip(string.digits)))
            # %20 before an address lends it digits; the text without percent signs shows it whole.
            encoded = text[max(0, start - 1) : start] == "%"
            if start < match.start() and not encoded and not _glued(text, start, match.end(), "."):
                yield from _address(text, start, match.end())
    if ":" in text:
        yield from _colon_runs(text)
    if MAC_DASHED.search(text):
        for match in MAC.finditer(text):
            if match.group(1) == "-" and not _glued(text, match.start(), match.end(), "-"):
                yield Personal("mac", match.start(), match.end(), Tier.REDACT, match.group().lower())


def _colon_runs(text: str) -> Iterator[Personal]:
    found = IPV6_CORE.search(text)
    while found:
        window = text[max(0, found.start() - 40) : found.start()]
        start = found.start() - (len(window) - len(window.rstrip(HEX)))
        end = found.end()
        stretch = text[end : end + 40]
        end += len(stretch) - len(stretch.lstrip(HEX))
        run = text[start:end].rstrip(":") if not text[start:end].endswith("::") else text[start:end]
        end = start + len(run)
        if not _glued(text, start, end, ""):
            if MAC.fullmatch(run):
                yield Personal("mac", start, end, Tier.REDACT, run.lower())
            elif len(run) >= 6 and ("::" in run or run.count(":") == 7) and run.count(":") >= 3:
                yield from _address(text, start, end)
        found = IPV6_CORE.search(text, max(end, found.end()))


def _address(text: str, start: int, end: int) -> Iterator[Personal]:
    address = _known_address(text[start:end])
    if address is None:
        return
    version = text[max(0, start - 1) : start] in ("v", "V") or re.search(
        r"ersion\W{0,3}$", text[max(0, start - 10) : start]
    )
    kind, name, harmless = address
    yield Personal(kind, start, end, Tier.KEEP if version or harmless else Tier.REDACT, name)


@lru_cache(maxsize=4096)
def _known_address(written: str) -> tuple[str, str, bool] | None:
    """Kind, canonical form, and whether it names nobody; None for what is no address."""
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return None
    harmless = (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or str(address).startswith("255.")
        or any(address in network for network in DOCUMENTATION if network.version == address.version)
    )
    return "private-ip" if address.is_private else "ip", str(address), harmless


def homes(text: str) -> Iterator[Personal]:
    """User names in home directories, also dash-munged as Claude Code's project folders are."""
    for anchor, pattern in HOMES:
        at = text.find(anchor)
        while at >= 0:
            match = pattern.match(text, at)
            if match and not (anchor[0] == "-" and _word_before(text, at)) and not _in_url(text, at):
                yield _user(match)
            at = text.find(anchor, at + len(anchor) - 1)
    if ":\\" in text:
        yield from (_user(match) for match in HOME_WINDOWS.finditer(text))
    at = text.find("~")
    while at >= 0:
        match = HOME_TILDE.match(text, at)
        if match and not _word_before(text, at):
            yield _user(match)
        at = text.find("~", at + 1)


def _user(match: re.Match[str]) -> Personal:
    name = match.group("name").rstrip(".-")
    start = match.start("name")
    tier = Tier.KEEP if NOBODY.fullmatch(name) else Tier.REDACT
    return Personal("user", start, start + len(name), tier, name.lower())


def _digit_runs(text: str) -> Iterator[tuple[int, int]]:
    """Stretches of digits and what may stand between them, long enough to be a number of somebody."""
    found = DIGITS.search(text)
    while found:
        more = BETWEEN.match(text, found.end())
        end = more.end() if more else found.end()
        yield max(0, found.start() - 1), end
        found = DIGITS.search(text, end)


def digits(text: str) -> Iterator[Personal]:
    """Phone, card (Luhn), US social security and bank account (mod 97) numbers; bare digits are ids."""
    floor = 0
    for start, end in _digit_runs(text):
        yield from _accounts(text, max(floor, start - IBAN_REACH), end + IBAN_REACH)
        floor = max(floor, end - IBAN_REACH)
        yield from _phones(text, start, end)
        yield from _cards(text, start, end)
        yield from _social_security(text, start, end)


def _phones(text: str, start: int, end: int) -> Iterator[Personal]:
    for match in PHONE.finditer(text, start, end):
        if _glued(text, match.start(), match.end(), "-.+/:=_"):
            continue
        try:
            number = phonenumbers.parse(match.group(), "GB" if match.group().startswith("0") else "US")
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            yield Personal("phone", match.start(), match.end(), Tier.REDACT, str(number.national_number))


def _accounts(text: str, start: int, end: int) -> Iterator[Personal]:
    for match in IBAN.finditer(text, start, end):
        length = _iban_end(match.group())
        if length and not _glued(text, match.start(), match.start() + length, ""):
            yield Personal("iban", match.start(), match.start() + length, Tier.REDACT, match.group()[:length])


def _cards(text: str, start: int, end: int) -> Iterator[Personal]:
    for match in CARD.finditer(text, start, end):
        number = re.sub(r"\D", "", match.group())
        known = len(number) in _card_lengths(number) and _luhn(number)
        if known and not _glued(text, match.start(), match.end(), "-."):
            yield Personal("card", match.start(), match.end(), Tier.REDACT, number)


def _social_security(text: str, start: int, end: int) -> Iterator[Personal]:
    for match in SSN.finditer(text, start, end):
        area, group, serial = match.group().split("-")
        real = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
        if real and not _glued(text, match.start(), match.end(), "-./:"):
            yield Personal("ssn", match.start(), match.end(), Tier.REDACT, match.group())


def people(text: str) -> Iterator[Personal]:
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
                tier = Tier.KEEP if robot or name.startswith("[NAME_") else Tier.REDACT
                start = match.start("name")
                yield Personal("name", start, start + len(name), tier, name.lower())
            at = folded.find(word, at + len(word))


FINDERS: tuple[Finder, ...] = (emails, addresses, homes, digits, people)
"Layer 2."


def _glued(text: str, start: int, end: int, joints: str) -> bool:
    """Whether the match is only part of a longer token."""
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if before and (before.isalnum() or before in "_" + joints) and not _escaped(text, start):
        return True
    if after and after in joints and after not in ".:":
        return True
    following = text[end + 1 : end + 2]
    return bool(after) and (after.isalnum() or after == "_" or (after in joints and following.isdigit()))


def _escaped(text: str, start: int) -> bool:
    """Whether the letter before is the end of an escape such as \\n in text that holds JSON."""
    return text[max(0, start - 2) : start] in ("\\n", "\\t", "\\r")


def _word_before(text: str, at: int) -> bool:
    return at > 0 and (text[at - 1].isalnum() or text[at - 1] == "_") and not _escaped(text, at)


def _in_url(text: str, at: int) -> bool:
    window = re.split(r"[\s\"'<>]", text[max(0, at - 200) : at])[-1]
    return ("://" in window or "%3A//" in window) and "file://" not in window


def _card_lengths(digits: str) -> tuple[int, ...]:
    if digits[:2] in ("34", "37"):
        return (15,)
    if digits[:2] in ("36", "38", "39") or "300" <= digits[:3] <= "305":
        return (14,)
    if digits[0] == "4":
        return (13, 16, 19)
    known = "51" <= digits[:2] <= "55" or digits[:2] in ("62", "65", "35") or digits[:4] == "6011"
    return (16,) if known else ()


def _luhn(digits: str) -> bool:
    total = sum(
        int(digit) if place % 2 == 0 else sum(divmod(2 * int(digit), 10))
        for place, digit in enumerate(digits[::-1])
    )
    return total % 10 == 0 and len(set(digits)) > 1


def _iban_end(text: str) -> int:
    """Length of the longest prefix that is a valid account number, else 0."""
    for end in range(len(text), 14, -1):
        account = text[:end].replace(" ", "")
        if not 15 <= len(account) <= 34 or text[end - 1] == " ":
            continue
        turned = account[4:] + account[:4]
        if int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1:
            return end
    return 0
