# SPDX-License-Identifier: Apache-2.0
"""How a value is written that an option, a statement or a sentence hands over, and who judges it.

The words around it say that it is a password; the value says whether it is one or only talks about one.
"""

import re
from functools import lru_cache

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.judges import REFERENCE_VALUE, stands_in_code
from node0.finetune.corpus.scrub.rules.label_texts import (
    ALGORITHM,
    SPOKEN_ELSEWHERE,
    is_label,
    is_under_a_texts_name,
)
from node0.finetune.corpus.scrub.rules.named_tests import names_a_test
from node0.finetune.corpus.scrub.rules.secret_values import (
    DIGEST,
    FIGURES,
    NAMES_ITSELF,
    QUANTITY,
    WORDS,
    stands_for_a_value,
)
from node0.finetune.corpus.scrub.word_likeness import TERM, is_generated

OPEN = r"(?P<quote>\\{0,7}[\"'`])"
QUOTED = rf"{OPEN}(?P<secret>(?:(?!(?P=quote))[^\n]){{3,200}}?)(?P=quote)"
"In quotes: anything up to the same quote."

BARE = r"[!#-&*+./0-9:=?-Z\[\]^_a-z{}~|-]"
"A sign of a value without quotes."

VALUE = (
    rf"(?:{OPEN})?(?P<secret>(?(quote)(?:(?!(?P=quote))[^\n]){{3,200}}?|(?!-){BARE}{{4,128}}))"
    r"(?(quote)(?P=quote)|(?=[\s\"'`;,&()<>\\]|\Z))"
)
"In quotes, or one word of a command."

LAST_VALUE = VALUE.replace(f"{BARE}{{4,128}}", f"{BARE}{{4,128}}+")
"As VALUE, where a blank or the end of a line follows: all of a word is tried, no part of it."

CURLY = "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u2039\u203a\u300c\u300d\u300e\u300f"
"Quotes of prose: which of them opens and which closes depends on the language."

SAID = (
    rf"(?:{OPEN}|(?P<curly>[{CURLY}][ \xa0\u202f]?))?"
    rf"(?P<secret>(?(quote)(?:(?!(?P=quote))[^\n]){{3,200}}?|(?(curly)[^\n{CURLY}]{{3,200}}?|{BARE}{{4,128}}?)))"
    rf"(?(quote)(?P=quote)|(?(curly)[ \xa0\u202f]?[{CURLY}]"
    r"|(?=[.,;:!?]{0,3}(?:[\s\"'`,;()<>\\]|[^\x00-\x7f]|\Z))))"
)
"As VALUE, in a sentence: what ends it is no part of the value."

CHOSEN = rf"(?=[\"'`{CURLY}]?(?=[!-~]{{8}})(?=[!-/:-~]{{0,40}}[0-9])(?=[!-@\[-`{{-~]{{0,40}}[A-Za-z]))"
"Before a value: eight signs or more, with a letter and a digit among them."

YEARLY = re.compile(r"[A-Za-z]{4,16}(?:[._@#-][A-Za-z]{2,16})?[._@#-]?(?:19|20)\d\d[!#$%&*?]?")
"A word with a year behind it, as people choose them."

FEWEST_DIGITS = 3
"Of a random word in small letters: terms such as argon2id have fewer."

SIGN = re.compile(r"[!@#$%^&*+=?~]")
SPOKEN = re.compile(
    r"(?i:\b(?:the|your|is|are|was|a|an|please|enter|must|to|of|for|and|or|not|with|invalid|required|has|have|be|in|on"
    r"|new|old|confirm|this|that|wrong|missing|empty|at|by|from|if|it|no|min|max|characters)\b)"
)
"Words of sentences; those of a passphrase are seldom among them."

PASSWORD_NAME = re.compile(
    r"pass|pwd|\bpw|pin\b|[^\x00-\x7f]|kenn|contras|clave|senha|wachtw|parola|heslo|salas|adgang|haslo"
)
NO_VALUE = re.compile(
    r"^(?:[a-z]+(?:[A-Z][a-z]+)*|[A-Z]+)(?:[._-](?:[a-z]+|[A-Z]+))*\d{0,2}=[^=]"
    r"|^(?:pass|env|file|fd|stdin|prompt):|&[\w.-]+=|^\d{4}-\d\d-\d\d"
    r"|^\d\d?:\d\d(?:[ap]m)?\b|^[A-Za-z][\w./-]*(?:\[[\w,-]{1,64}\])?(?:[=<>~!^]=|@[~^]?)\d+(?:\.\d+)+"
)
"A setting, a source of openssl, a query, a date, a time, a package and its version."

CHOSEN_PAIR = re.compile(r"[a-z]{4,16}_\d{1,4}")
"A word and a number, as people choose passwords and as things are numbered: a verb before it tells."

KEYBOARD = re.compile(r"\bkey[a-z]{2,}\b")
"Words that begin like a key's name and say nothing of one."

ATTEMPT = re.compile(
    r"\b(?:failed|invalid|wrong|incorrect|bad|no|accepted|unknown|expired)[ \t]$", re.IGNORECASE
)
FOR_USER = re.compile(r"\bfor\b.{0,80}\buser(?:name)?[ \t]{0,2}[:=][ \t]{0,3}$", re.IGNORECASE)

RESULT = re.compile(r"[A-Z]*PASS(?:ED)?")

LINE = 200
COMMAND = 400
"Characters before a match that may be the same line, or the same command over several."

CONTINUED = re.compile(r"\\\r?\n[+-]?")


def handed(match: re.Match[str]) -> Tier | None:
    """What a construct hands over that takes nothing but a secret."""
    value = match.group("secret")
    return Tier.KEEP if not value.strip() or stands_for_a_value(value) else Tier.REDACT


def odd(match: re.Match[str]) -> Tier | None:
    """A value where a word may stand as well: only what is no word, no figure and no name of a thing."""
    return _odd(match["secret"], quoted=bool(match.groupdict().get("quote")))


@lru_cache(maxsize=16384)
def _odd(value: str, *, quoted: bool) -> Tier | None:
    if stands_for_a_value(value) or REFERENCE_VALUE.match(value):
        return None
    if quoted and " " in value.strip():
        return _phrase(value)
    return Tier.REDACT if is_odd(value) else None


def told(match: re.Match[str]) -> Tier | None:
    """What a sentence says a secret is; a word in quotes behind a sign is for the rules of assignments."""
    link = match.groupdict().get("link") or ""
    if not link and match["secret"].startswith("-"):
        return None  # an option of a command of that name
    joined = bool(re.search(r"\w|[^\x00-\x7f]", link))
    if not joined and match["quote"] and " " in match["secret"] and is_under_a_texts_name(match):
        return None
    tier = _told(match["name"], match["secret"], quoted=_is_quoted(match), joined=joined)
    return None if tier and (names_a_test(match) or _names_a_user(match)) else tier


def _names_a_user(match: re.Match[str]) -> bool:
    """Whether a sentence says who tried to log in, not with what."""
    return bool(FOR_USER.search(link_from(match)) and ATTEMPT.search(line_before(match)))


def told_as(match: re.Match[str]) -> Tier | None:
    """As `told`, for a value that is to be taken as a password."""
    tier = _told(match["name"], match["secret"], quoted=_is_quoted(match), joined=True)
    return None if tier and names_a_test(match) else tier


def told_of_key(match: re.Match[str]) -> Tier | None:
    """As `told`, whatever a key or a token is called."""
    return _told("key", match["secret"], quoted=_is_quoted(match), joined=True)


def chosen(match: re.Match[str]) -> Tier | None:
    """A value in a sentence about a password, where no word says that this is it: only what people choose."""
    value = match["secret"]
    if value[0] in "-/.~<[({$" or match.string[match.end() : match.end() + 1] == "(":
        return None
    solid = YEARLY.fullmatch(value) or SIGN.search(value.rstrip("?!")) or has_odd_letters(value)
    return _told(match["name"], value, quoted=_is_quoted(match), joined=True) if solid else None


def has_odd_letters(value: str) -> bool:
    """Whether letters and digits follow each other as in no name."""
    terms = value.islower() and len(re.findall(r"\d", value)) < FEWEST_DIGITS
    return not terms and is_generated(re.sub(r"[^A-Za-z0-9]", "", value))


@lru_cache(maxsize=16384)
def _told(name: str, value: str, *, quoted: bool, joined: bool) -> Tier | None:
    """As `told`; `joined` by a word."""
    nothing = stands_for_a_value(value) or REFERENCE_VALUE.match(value) or NO_VALUE.search(value)
    if nothing or stands_in_code(value) or RESULT.fullmatch(name):
        return None
    name = name.lower()
    if value.isdigit() and not BYTES.fullmatch(value):
        return Tier.REDACT if re.search(r"pin|code|pass|pwd|otp", name) and 4 <= len(value) <= 10 else None
    password = PASSWORD_NAME.search(name)
    if quoted and " " in value.strip():
        return _phrase(value)
    if quoted and password and joined:
        word = len(value) >= 4 and "_" not in value and not NAMES_ITSELF.search(value)
        return Tier.REDACT if word or is_odd(value) else None
    digits = len(value) >= 8 and re.search(r"\d", value) and not DIGEST.fullmatch(value)
    odd_enough = is_odd(value) or (password and joined and CHOSEN_PAIR.fullmatch(value))
    return Tier.REDACT if (password or digits) and odd_enough else None


def _is_quoted(match: re.Match[str]) -> bool:
    return bool(match["quote"] or match.groupdict().get("curly"))


def phrase(match: re.Match[str]) -> Tier | None:
    """Several words: a passphrase, or text about one."""
    return _phrase(match["secret"])


def _phrase(value: str) -> Tier | None:
    value = value.strip()
    if (
        " " not in value
        or value[0] in ";,)]}&|+"
        or stands_for_a_value(value)
        or NAMES_ITSELF.search(KEYBOARD.sub("", value))
    ):
        return None
    words = value.split()
    spoken = SPOKEN.search(value) or SPOKEN_ELSEWHERE.search(value)
    told_about = (
        is_label(value)
        or any(map(ALGORITHM.fullmatch, words))
        or (spoken and not (re.search(r"\d", value) and SIGN.search(value)))
    )
    return None if told_about or len(words) > 12 or value.endswith((".", ":", "...")) else Tier.REDACT


def is_odd(value: str) -> bool:
    """Whether a word is none: letters beside digits or signs, and no term, figure, path, call or name."""
    if FIGURES.fullmatch(value) or QUANTITY.fullmatch(value) or NOWHERE.match(value):
        return False
    if BYTES.fullmatch(value):
        return True
    if not re.search(r"[A-Za-z]", value) or IDENTIFIER_LIKE.fullmatch(value):
        return False
    if DIGEST.fullmatch(value) or is_generated(re.sub(r"[^A-Za-z0-9]", "", value)) or has_odd_case(value):
        return True
    if re.search(r"\d", TERM.sub("", value)):
        return len(value) >= 4
    return bool(SIGN.search(value.rstrip("?!=*&+"))) and len(value) >= 6 and not CODE_LIKE.search(value)


def has_odd_case(value: str) -> bool:
    """Whether letters stand in both cases as no name of several words has them."""
    mixed = (
        value.isalpha() and value.isascii() and len(value) >= 8 and value.upper() != value != value.lower()
    )
    return mixed and not WORDS.fullmatch(value) and is_generated(value.lower())


NOWHERE = re.compile(
    r"(?:\.{0,2}|~\w{0,16})[/\\][\w.-]{0,40}(?:[/\\]|\.\w{1,5}$|[a-z]*$)|\\|\.[a-z.]+$|[a-z]+://|--"
)
"A path, an escape, a URL, an option."

BYTES = re.compile(r"\d{20,}")
"More digits than a counter has."

IDENTIFIER_LIKE = re.compile(
    r"v?\d{1,4}(?:[._-]\w{1,8})*|v?\d{1,4}[a-z]{1,10}\d{0,2}|0x[0-9A-Fa-f]{1,16}|\d{8}T\d{4,6}Z?|[A-Za-z]\d{1,3}|(?![a-z]{4,6}-\d{3,4}$)[a-z]{1,6}-(?![a-z]{4,}\d{2,4}$)[a-z0-9]{2,8}(?:\.\d+)?|[\w./-]+\.(?:py|go|js|ts|md|json|ya?ml|txt|sh|rs|toml|sql)"
    r"|\w+(?:/[\w.-]+)+|[a-z]+_\d|[a-z]+(?:_[a-z]+)+\d|#\d+|[A-Z]{1,4}-?\d{1,5}|\$?\d+[a-zA-Z%]{1,3}"
)
"Versions, numbered things, ids of beads, files and paths."

CODE_LIKE = re.compile(r"==|!=|&&|\+\+|=>|\w=\w*$|^[@#&*]\w+$|\w@\w")


def line_before(match: re.Match[str], at: int | None = None) -> str:
    """What stands before a match on its line."""
    end = match.start() if at is None else at
    return match.string[max(0, end - LINE) : end].rpartition("\n")[2]


def link_from(match: re.Match[str]) -> str:
    """What stands between the name in a match and its value."""
    return match.string[match.end("name") : match.start("quote" if match["quote"] else "secret")]


def command_before(match: re.Match[str]) -> str:
    """What stands before a match in its command, also on lines that end with a backslash."""
    before = match.string[max(0, match.start() - COMMAND) : match.start()]
    return CONTINUED.sub(" ", before).rpartition("\n")[2]
