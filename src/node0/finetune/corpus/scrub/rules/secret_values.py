# SPDX-License-Identifier: Apache-2.0
"""Judge a single value: a secret, an example of one, or a reference to one."""

import math
import re
from collections import Counter

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.placeholders import NUMBERED
from node0.finetune.corpus.scrub.rules.label_texts import ALGORITHM, is_label
from node0.finetune.corpus.scrub.word_likeness import is_generated, reads_as_words

JUDGED = 128
"Characters of a value that are looked at."

SHORTEST_TOKEN = 12
"Characters; what is shorter people choose, who repeat syllables."

VARIABLE = re.compile(
    r"\$(?:[{(]|(?:[A-Z_][A-Z0-9_]*|[a-z_][a-z0-9_]*|\d)(?=$|[/:.,;)}\]\[\-]))|%(?:[sd]\b|\(|[A-Z_]+%)|[A-Z_]+=\$"
)
REFERENCE = re.compile(
    r"""[<{\[(]|\)\[|\*[A-Za-z_.*]*$        # a template, a pattern, a placeholder of ours, a pointer
      | !(?:vault|secret|env|ref|sub|getatt)\b          # a tag of YAML
      | (?:os\.|process\.|env\.|getenv|config[.\[(]|self\.|this\.|args\.|settings\.|secrets\.|ctx\.)
      | (?:none|null|nil|true|false|undefined|string|optional|required|redacted|disabled|enabled)\b
      # a call or an index; signs alone in brackets are part of a word
      | [&*]?[A-Za-z_][\w.]{0,80}(?:(?:::|->)[A-Za-z_]\w{0,60}){0,6}[(\[](?![!@\#$%^&*?]{1,8}[)\]]\w)
      | (?-i:[&*][A-Za-z][\w.]{0,80}\{                  # a composite literal
      |   (?:Get|New|Read|Import|ConvertTo|ConvertFrom|Invoke|Select)-[A-Z][A-Za-z]{3,40}$)   # a cmdlet
    """,
    re.VERBOSE | re.IGNORECASE,
)
PATH = re.compile(r"(?:[.~](?=[./]|[A-Za-z_.-]+$)|/|https?://)[\w./~-]*$")
"Of a file, where every step is a word; a password may begin with any of these signs."

EXAMPLE = re.compile(
    r"(?i:example|your[_-]|changeme|placeholder|redacted)|x{5}|X{5}|\*{3}|\.{3}$|^dummy|^DUMMY"
)
OURS = re.compile(rf"(?:{NUMBERED.pattern})(?:[:@](?:{NUMBERED.pattern}))*(?=[;,&]|$)")
"A placeholder, or user and password of two."

IDENTIFIER = re.compile(r"[A-Za-z_]+(?:[._-][A-Za-z_]+)*[:.?!)]*")
WORDS = re.compile(r"[a-z]*(?:[._-]?[A-Z][a-z]{2,}|[._-][a-z]{2,})*[:.?!)]*|[A-Z_.-]+")
NAMES_ITSELF = re.compile(r"passw|secret|token|credential|key|field|input|label|name|value", re.IGNORECASE)
DIGEST = re.compile(r"[0-9a-f]{32,128}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PASSWORD = re.compile(
    r"passw|passphrase|pwd|secret|credential|(?:^|[_-]|db|smtp|user|root|admin|ftp|mail|pg|sql)pass$|[_-]pw$",
    re.IGNORECASE,
)
FIGURES = re.compile(r"(?!\d{20})[\d.,:/%-]+")
"A number, a date, a share; with more digits than a counter of 64 bits has, it is bytes."

UNIT = (
    r"(?:[num\u00b5]?s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|months?|y|years?|[kmgtp]?hz"
    r"|[kmgtp]?i?b|[kmgtp]?bps|(?:kilo|mega|giga|kibi|mebi|gibi)?bytes?|bits?|chars?|characters?|tokens?|times|requests?|reqs?"
    r"|rpm|rps|qps|tps|px|r?em|pt|x|%|k|v)"
)
QUANTITY = re.compile(
    rf"[+-]?(?:\d[\d_]*(?:[.,]\d+)*[ _.-]?{UNIT})+(?:/{UNIT}|ps)?|[+-]?(?!\d{{20}})\d[\d_.,]*(?:e[+-]?\d+)?",
    re.IGNORECASE,
)
"A number with its unit, a duration of several, a rate."

PLACES = re.compile(r"[A-Za-z][\w.-]*(?:/[\w.{}:-]+){2,}(?:#[\w.-]+)?")
"Where something is in a store, a tree or a cloud, where every step is a word."

COLOUR = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8});?", re.IGNORECASE)
OPTIONAL_TYPE = re.compile(r"[A-Z]+[a-z]\w*[!?]")
"A type of Swift or Kotlin, as it stands behind a name."

COUNTER = re.compile(r"token(?:s|_?(?:count|type|id|ize|limit|budget|length))", re.IGNORECASE)


def stands_for_a_value(value: str) -> bool:
    """Whether this is an example, a variable or a placeholder, not a value."""
    known = VARIABLE.match(value) or REFERENCE.match(value) or OURS.match(value)
    return bool(known) or is_example(value) or (bool(PATH.match(value)) and reads_as_words(value))


def is_example(value: str) -> bool:
    """Whether this has a secret's form but nobody's content: words, or few different characters."""
    if EXAMPLE.search(value):
        return True
    few = len(set(value[-24:]))
    chosen = (
        len(value) < SHORTEST_TOKEN and few > 2 and re.search(r"[A-Za-z]", value) and re.search(r"\d", value)
    )
    return few < min(5, len(value) // 2) and not chosen


def looks_random(value: str) -> bool:
    """Letters and digits mixed, with the spread of a random string."""
    if not (re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value)):
        return False
    return entropy(value) >= min(3.0, 0.7 * math.log2(len(value)))


def mixes_cases(value: str) -> bool:
    """Letters in both cases, more evenly than names have them: a random string may lack a digit.

    Judged by the longest piece between signs, as a prefix may stand before it.
    """
    piece = max(re.split(r"[-_]", value), key=len)
    upper = sum(letter.isupper() for letter in piece)
    return len(piece) >= 24 and piece.isalnum() and len(piece) <= 4 * upper <= 3 * len(piece)


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits."""
    counts = Counter(value)
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())


def assigned_value_tier(name: str, value: str, *, quoted: bool) -> Tier | None:
    """How sure we are that `value` is a secret, given the name that it is assigned to."""
    value = value[:JUDGED].rstrip(".)]}:")
    if len(value) < 6 or FIGURES.fullmatch(value) or QUANTITY.fullmatch(value) or COUNTER.search(name):
        return None
    if COLOUR.fullmatch(value) or ALGORITHM.fullmatch(value) or is_label(value):
        return None
    if not quoted and OPTIONAL_TYPE.fullmatch(value) and _is_camel(value[:-1]):
        return None
    if stands_for_a_value(value):
        return Tier.KEEP
    if PLACES.fullmatch(value) and reads_as_words(value):
        return None
    judge = _password_tier if PASSWORD.search(name) else _token_tier
    return judge(value, quoted=quoted)


def _token_tier(value: str, *, quoted: bool) -> Tier | None:
    if DIGEST.fullmatch(value) or (len(value) >= 8 and is_generated(value)):
        return Tier.REDACT
    if IDENTIFIER.fullmatch(value) and (entropy(value) < 4.0 or (WORDS.fullmatch(value) and not quoted)):
        return None
    if len(value) >= 10 and looks_random(value):
        return Tier.REDACT
    if len(value) < 20 or entropy(value) < 4.0:
        return Tier.CANDIDATE if quoted and len(value) >= 8 and not WORDS.fullmatch(value) else None
    return Tier.QUARANTINE if WORDS.fullmatch(value) else Tier.REDACT


def _password_tier(value: str, *, quoted: bool) -> Tier | None:
    if len(value) >= 8 and is_generated(value):
        return Tier.REDACT
    if not IDENTIFIER.fullmatch(value):
        return Tier.REDACT if re.search(r"[0-9!@#$%^&*+=?]", value) or quoted else Tier.CANDIDATE
    if len(value) >= 10 and not WORDS.fullmatch(value):
        return Tier.REDACT
    plain = "_" in value or "." in value or NAMES_ITSELF.search(value)
    return Tier.QUARANTINE if quoted and len(value) >= 8 and not plain else None


def _is_camel(name: str) -> bool:
    """Whether this is a name of several words, each with a capital."""
    return len(re.findall(r"[A-Z]+", name)) > 1 and bool(
        WORDS.fullmatch(re.sub(r"^[A-Z]+(?=[A-Z])", "", name))
    )
