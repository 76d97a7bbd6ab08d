# SPDX-License-Identifier: Apache-2.0
"""Cases of personal data: mail addresses, telephones, cards, accounts, networks, homes, authors.

Check digits are computed here from their definitions (ISO/IEC 7812, ISO 7064 mod 97-10).
"""

from collections.abc import Callable, Mapping

from node0.finetune.corpus.scoreboard.case import Case, Maker, case_of
from node0.finetune.corpus.scoreboard.draws import DIGITS, DOMAINS, Draw

IBAN_FORMS = (("DE", 18), ("FR", 23), ("GB", 0), ("NL", 0), ("ES", 20), ("NO", 11), ("PL", 24), ("AT", 16))
CARD_FORMS = (("4", 16), ("52", 16), ("37", 15), ("6011", 16))


def mail(draw: Draw) -> tuple[str, str]:
    """A sentence with a mail address."""
    first, last = draw.person()
    name = draw.one(
        f"{first}.{last}", f"{first[0]}{last}", f"{first}_{draw.number(1, 99)}", f"{last}+git"
    ).lower()
    address = f"{name}@{draw.rng.choice(DOMAINS)}"
    return draw.one(
        "write to {v} about it", "From: {v}", '"email": "{v}",', "<{v}>", "{v}\n", "user {v} logged in"
    ), address


def phone(draw: Draw) -> tuple[str, str]:
    """A sentence with a telephone number as people write it."""
    number = draw.one(
        f"+1 415 {draw.number(200, 999)} {draw.number(1000, 9999)}",
        f"({draw.number(201, 989)}) {draw.number(200, 999)}-{draw.number(1000, 9999)}",
        f"+44 20 7{draw.number(100, 999)} {draw.number(1000, 9999)}",
        f"+49 30 {draw.number(1000000, 9999999)}",
        f"+33 1 {draw.number(40, 59)} {draw.number(10, 99)} {draw.number(10, 99)} {draw.number(10, 99)}",
        f"+81-3-{draw.number(3000, 5999)}-{draw.number(1000, 9999)}",
        f"+91 98{draw.number(100, 999)} {draw.number(10000, 99999)}",
    )
    return draw.one("call {v} today", "Tel: {v}", '"phone": "{v}",', "phone {v}."), number


def card(draw: Draw) -> tuple[str, str]:
    """A sentence with a card number."""
    prefix, length = draw.rng.choice(CARD_FORMS)
    digits = prefix + draw.signs(DIGITS, length - 1 - len(prefix))
    number = digits + _luhn_digit(digits)
    if length == 16 and draw.rng.random() < 0.5:
        number = " ".join(number[at : at + 4] for at in range(0, 16, 4))
    return draw.one("card {v} was charged", "pan: {v}", "card number {v}, exp 04/29"), number


def account(draw: Draw) -> tuple[str, str]:
    """A sentence with an IBAN."""
    country, length = draw.rng.choice(IBAN_FORMS)
    bank = draw.signs("ABCDEFGHKLMNPQRSTUVWXYZ", 4) if not length else ""
    body = bank + draw.signs(DIGITS, length or {"GB": 14, "NL": 10}[country])
    number = f"{country}{_iban_check(country, body)}{body}"
    if draw.rng.random() < 0.4:
        number = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    return draw.one("IBAN {v}", "pay to {v} please", '"iban": "{v}"'), number


def network(draw: Draw) -> tuple[str, str]:
    """A sentence with an address of a machine."""
    low, high = draw.number(1, 250), draw.number(1, 250)
    four = f"{draw.one('34', '81', '104', '185')}.{draw.number(1, 250)}.{low}.{high}"
    six = f"2a02:{draw.number(1000, 9999)}:{draw.number(1000, 9999)}::{draw.number(1000, 9999)}:{low}"
    hardware = ":".join(draw.signs("0123456789abcdef", 2) for _ in range(6))
    return draw.one("ssh root@{v}", "connect to {v} failed", "inet {v} up"), draw.one(four, six, hardware)


def home(draw: Draw) -> tuple[str, str]:
    """A path through somebody's home directory."""
    first, last = draw.person()
    name = draw.one(first, first[0] + last, f"{first}.{last}").lower()
    return draw.one("/home/{v}/src/app", "/Users/{v}/Documents", "cd ~{v}/work", "C:\\Users\\{v}\\x"), name


def author(draw: Draw) -> tuple[str, str]:
    """A line that names who wrote something."""
    first, last = draw.person()
    template = draw.one(
        "Author: {v} <«m»>",
        "Co-authored-by: {v} <«m»>",
        "Signed-off-by: {v} <«m»>",
        "Owner: {v}",
        "Git user: {v}",
    )
    return template.replace("«m»", "x@users.noreply.github.com"), f"{first} {last}"


PARTS: Mapping[str, Callable[[Draw], tuple[str, str]]] = {
    "mail": mail,
    "phone": phone,
    "card": card,
    "account": account,
    "network": network,
    "home": home,
    "author": author,
}


def personal(draw: Draw) -> Case:
    """One piece of personal data, every sort in equal parts."""
    template, value = draw.rng.choice(list(PARTS.values()))(draw)
    return case_of("personal data", template, value)


PERSONAL: Mapping[str, Maker] = {"personal data": personal}


def _luhn_digit(digits: str) -> str:
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits))]
    return str(-sum(number // 10 + number % 10 for number in doubled) % 10)


def _iban_check(country: str, body: str) -> str:
    number = int("".join(str(int(sign, 36)) for sign in f"{body}{country}00"))
    return f"{98 - number % 97:02}"
