# SPDX-License-Identifier: Apache-2.0
"""Seeded draws of made-up values: random strings, passwords that people choose, names, hosts, numbers."""

import random
import string

LETTERS, DIGITS = string.ascii_letters, string.digits
ALNUM = LETTERS + DIGITS
HEX = "0123456789abcdef"
URLSAFE = ALNUM + "-_"
BASE64 = ALNUM + "+/"
UPPER32 = string.ascii_uppercase + "234567"
NOUNS = [
    "harbor",
    "lantern",
    "meadow",
    "copper",
    "falcon",
    "timber",
    "orchid",
    "marble",
    "canyon",
    "velvet",
    "saddle",
    "pepper",
    "glacier",
    "thistle",
    "walnut",
    "beacon",
    "ripple",
    "hollow",
    "cobalt",
    "juniper",
    "mantle",
    "quarry",
    "sparrow",
    "tundra",
    "willow",
    "ember",
]
PEOPLE = (
    ("Mara", "Lindqvist"),
    ("Tobias", "Okafor"),
    ("Ines", "Carvalho"),
    ("Piotr", "Zielinski"),
    ("Aiko", "Tanemura"),
    ("Noor", "Haddadi"),
    ("Gwen", "Pritchard"),
    ("Rafael", "Montoya"),
)
DOMAINS = ("brightline.net", "tidewater.io", "ashfield.dev", "northquay.org", "larkspur.co")
"No noun begins one: what is left of a password is told from what stands beside it."


class Draw:
    """Draws from one seed; the same seed gives the same values.

    Args:
        seed: Any text.
    """

    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)

    def signs(self, alphabet: str, count: int) -> str:
        """So many independent signs."""
        return "".join(self.rng.choices(alphabet, k=count))

    def one(self, *choices: str) -> str:
        """One of these."""
        return self.rng.choice(choices)

    def noun(self) -> str:
        """A word of English."""
        return self.rng.choice(NOUNS)

    def password(self) -> str:
        """What a person or a password manager chooses, in equal parts: at least 8 signs, no blank."""
        if self.rng.random() < 0.5:
            body = self.signs(ALNUM, self.rng.randint(10, 20))
            return f"{body}{self.one('!', '#', '%', '*', '+', '-', '_', '')}{self.signs(DIGITS, 1)}"
        word = self.noun().capitalize() if self.rng.random() < 0.7 else self.noun()
        year = str(self.rng.randint(1970, 2029))
        more = self.noun() if len(word) < 6 else ""
        return f"{word}{self.one('', '-', '_', '.')}{more}{year}{self.one('!', '#', '', '*')}"

    def user(self) -> str:
        """The name of an account that is nobody's."""
        return self.one("app", "deploy", "root", "admin", "postgres", "builder", "svc", "report")

    def host(self) -> str:
        """A host of some network."""
        return f"{self.one('db', 'git', 'mq', 'cache', 'api')}.{self.rng.choice(DOMAINS)}"

    def person(self) -> tuple[str, str]:
        """First and last name."""
        return self.rng.choice(PEOPLE)

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self.rng.randint(low, high)
