# SPDX-License-Identifier: Apache-2.0
"""Find numbers that belong to a person: telephones, cards, bank accounts and US social security.

Bare digits are ids: a number needs the form, and a card or an account its check digits as well (Luhn;
ISO 7064 mod 97-10). A country's own rules for accounts are not asked: a redaction too many costs less than
a leak.
"""

import re
import string
from collections.abc import Iterator
from functools import lru_cache

from node0.errors import ScrubberUnavailable
from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.rules.word_edges import is_glued

try:
    import phonenumbers
    from stdnum import luhn
    from stdnum.iso7064 import mod_97_10
except ImportError as error:
    raise ScrubberUnavailable(
        f"scrubbing cannot run ({error}): repair the installation; nothing was stored"
    ) from error

DIGITS = re.compile(r"\d[\d ().-]{5,40}\d", re.ASCII)
BETWEEN = re.compile(r"[\d ().-]*", re.ASCII)
PHONE = re.compile(
    r"\+\d[\d ().-]{6,20}\d"
    r"|\(\d{3}\)[ ]?\d{3}[-. ]\d{4}"
    r"|\d{3}[-. ]\d{3}[-. ]\d{4}"
    r"|00[1-9]\d{0,2}[ -]?\d[\d ()-]{5,14}\d"
    r"|0\d{2,4}[ -]\d{3,4}[ -]?\d{3,4}|0\d(?:[ .]\d\d){4}|0\d-\d{4}-\d{4}"
    r"|(?:8 )?\(\d{2,4}\)[ ]?\d{3,5}[- ]\d{2,4}(?:-\d\d)?",
    re.ASCII,
)
CARD = re.compile(r"[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}|3\d{3}[ -]?\d{6}[ -]?\d{4,5}", re.ASCII)
IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?", re.ASCII)
FORM = bytes.maketrans((string.ascii_uppercase + string.digits).encode(), b"A" * 26 + b"0" * 10)
ACCOUNT_FORM = b"AA00"
"What an account number begins with, by kinds of signs: a search for it costs next to nothing."

IBAN_REACH = 36
"Letters of an account number that may stand around its longest run of digits."

US_DIGITS = 10
BESIDE = 48
"Characters before a number that may say what it is."

CARD_WORD = re.compile(
    r"(?:card|visa|master|amex|express|credit|debit|karte|carte|tarjeta|carta|cart[aã]o|\bcc|\bpan)\W{0,3}(?:\w{1,12}\W{1,3}){0,3}$",
    re.IGNORECASE,
)
SSN_WORD = re.compile(r"(?:\bssn|social security(?: (?:no|number))?)\W{0,4}(?:is )?$", re.IGNORECASE)
BARE_SSN = re.compile(r"\d{9}(?!\d)", re.ASCII)
SSN = re.compile(r"\d{3}-\d{2}-\d{4}", re.ASCII)

PHONE_WORD = re.compile(
    r"(?:\btel|telephone|telefon\w{0,2}|t[e\u00e9]l[e\u00e9]phone|tel[e\u00e9]fono"
    r"|telefono|telefoon\w{0,8}|phone(?: number| no)?|mobile(?: number| no)?"
    r"|\bmobil|handy(?:nummer)?|whatsapp|\bcell(?:phone| phone| number)?|m[o\u00f3]vil|celular"
    r"|cellulare|portable|telem[o\u00f3]vel"
    r"|kom[o\u00f3]rka|numer telefonu|\u0442\u0435\u043b(?:\u0435\u0444\u043e\u043d)?"
    r"|\u624b\u673a\u53f7?\u7801?|\u7535\u8bdd\u53f7?\u7801?|\u96fb\u8a71(?:\u756a\u53f7)?|\u643a\u5e2f)"
    r"(?:\W{1,3}(?:is|ist|est|es|er|\u00e8|\u00e9|number|nummer|at|me))?[\"'\s.:=\uff1a\u306f\u662f(]{1,4}(?P<area>0\d{1,5}/)?$",
    re.IGNORECASE,
)
"Before a number that is written as it is dialled at home."

BEFORE_PHONE = " \t\n\"'.:=(/\uff1a\u306f\u662f\u7801\u673a\u53f7\u8bdd\u643a\u5e2f"
"One of these stands before it."

NATIONAL = re.compile(r"(?:0\d{8,11}|[1-9]\d{8,10})", re.ASCII)
"Digits of one: a number of seven or eight may be anything."

EXTENSION = re.compile(
    r"[ ,]{0,2}(?:ext(?:ension)?|durchwahl|poste|interno|ramal|x)[ .:#]{0,3}\d{1,6}(?!\w)",
    re.IGNORECASE | re.ASCII,
)
REMEMBERED = 64
"Characters of a stretch whose form is remembered."


def numbers(text: str) -> Iterator[Finding]:
    """Telephone, card, bank account and US social security numbers."""
    floor = 0
    accounts = ACCOUNT_FORM in text.encode("ascii", "replace").translate(FORM)
    for start, end in _digit_runs(text):
        if accounts:
            yield from _accounts(text, max(floor, start - IBAN_REACH), end + IBAN_REACH)
            floor = max(floor, end - IBAN_REACH)
        if text[start] in BEFORE_PHONE and (text[start] == "/" or _may_be_dialled(text[start:end])):
            yield from _named_phone(text, start, end)
        if end - start > REMEMBERED or _may_be_a_number(text[start:end]):
            yield from _phones(text, start, end)
            yield from _cards(text, start, end)
            yield from _social_security(text, start, end)


@lru_cache(maxsize=16384)
def _may_be_a_number(written: str) -> bool:
    """Whether a stretch of digits has the form of any; dates and addresses come again and again."""
    return any(form.search(written) for form in (PHONE, CARD, SSN, BARE_SSN))


@lru_cache(maxsize=16384)
def _may_be_dialled(written: str) -> bool:
    """Whether a stretch has the digits of a number as it is dialled at home."""
    return bool(NATIONAL.fullmatch(re.sub(r"\D", "", written)))


def _digit_runs(text: str) -> Iterator[tuple[int, int]]:
    """Stretches of digits and what may stand between them, long enough to be a number of somebody."""
    found = DIGITS.search(text)
    while found:
        more = BETWEEN.match(text, found.end())
        end = more.end() if more else found.end()
        yield max(0, found.start() - 1), end
        found = DIGITS.search(text, end)


def _phones(text: str, start: int, end: int) -> Iterator[Finding]:
    for match in PHONE.finditer(text, start, end):
        dialled = text[max(0, match.start() - 4) : match.start()].lower() == "tel:"
        if is_glued(text, match.start(), match.end(), "-.+/:=_") and not dialled:
            continue
        try:
            number = phonenumbers.parse(*_dialled(match.group()))
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            extension = EXTENSION.match(text, match.end())
            end = extension.end() if extension else match.end()
            yield Finding("phone", Tier.REDACT, match.start(), end, str(number.national_number))


def _named_phone(text: str, start: int, end: int) -> Iterator[Finding]:
    """Digits behind a word for a telephone, with whatever signs between them."""
    start += 1
    word = PHONE_WORD.search(text[max(0, start - BESIDE) : start])
    if word is None:
        return
    start -= len(word["area"] or "")
    written = text[start:end].rstrip(" .-()")
    digits = re.sub(r"\D", "", written)
    stop = start + len(written)
    glued = text[start - 1].isascii() and is_glued(text, start, stop, "-/_")
    if NATIONAL.fullmatch(digits) and not glued:
        extension = EXTENSION.match(text, stop)
        yield Finding("phone", Tier.REDACT, start, extension.end() if extension else stop, digits.lstrip("0"))


def _dialled(written: str) -> tuple[str, str]:
    """The number, and a region in which it may be dialled so."""
    if written.startswith("00"):
        return f"+{written[2:]}", "US"
    if written.startswith("8 ("):
        return written, "RU"
    if written.startswith("("):
        digits = len(re.sub(r"\D", "", written))
        return written, "US" if digits == US_DIGITS else "BR"
    return written, "GB" if written.startswith("0") else "US"


def _accounts(text: str, start: int, end: int) -> Iterator[Finding]:
    for match in IBAN.finditer(text, start, end):
        start, end = match.start(), match.start() + _iban_length(match.group())
        if end > start and not is_glued(text, start, end, ""):
            yield Finding("iban", Tier.REDACT, start, end)


def _cards(text: str, start: int, end: int) -> Iterator[Finding]:
    for match in CARD.finditer(text, start, end):
        number = re.sub(r"\D", "", match.group())
        named = CARD_WORD.search(text[max(0, match.start() - BESIDE) : match.start()])
        known = len(number) in _card_lengths(number) and (_passes_luhn(number) or named)
        if known and not is_glued(text, match.start(), match.end(), "-."):
            yield Finding("card", Tier.REDACT, *match.span())


def _social_security(text: str, start: int, end: int) -> Iterator[Finding]:
    for match in SSN.finditer(text, start, end):
        area, group, serial = match.group().split("-")
        real = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
        if real and not is_glued(text, match.start(), match.end(), "-./:"):
            yield Finding("ssn", Tier.REDACT, *match.span())

    for match in BARE_SSN.finditer(text, start, end):
        if SSN_WORD.search(text[max(0, match.start() - BESIDE) : match.start()]):
            yield Finding("ssn", Tier.REDACT, *match.span())


def _card_lengths(digits: str) -> tuple[int, ...]:
    if digits[:2] in ("34", "37"):
        return (15,)
    if digits[:2] in ("36", "38", "39") or "300" <= digits[:3] <= "305":
        return (14,)
    if digits[0] == "4":
        return (13, 16, 19)
    known = "51" <= digits[:2] <= "55" or digits[:2] in ("62", "65", "35") or digits[:4] == "6011"
    return (16,) if known else ()


def _passes_luhn(digits: str) -> bool:
    """Whether the check digit is right; of one digit repeated it is right by accident."""
    return len(set(digits)) > 1 and luhn.checksum(digits) == 0


def _iban_length(text: str) -> int:
    """Length of the longest prefix that is a valid account number, else 0."""
    for end in range(len(text), 14, -1):
        account = text[:end].replace(" ", "")
        if not 15 <= len(account) <= 34 or text[end - 1] == " ":
            continue
        if mod_97_10.checksum(account[4:] + account[:4]) == 1:
            return end
    return 0
