# SPDX-License-Identifier: Apache-2.0
"""Tell texts about passwords from passwords: labels, messages and names of fields, in twelve languages.

Interfaces keep them under names that a password would have too: `password: "Mot de passe"`.
"""

import re

LINE = 48
PASSWORD_WORD = re.compile(
    r"pass(?:w(?:or[dt]|ör)|wd|phrase|code)|mots? de passe|kennwort|zugangs(?:code|wort)|contrase[nñ]|clave"
    r"|senha|palavra-passe|wachtwo|parola|heslo|has[łl]o|lösenord|adgangskod|passord|salasana|[şs]ifre|парол"
    r"|密[码碼]|パスワード|비밀번호",
    re.IGNORECASE,
)
"A password by its name."

SPOKEN_ELSEWHERE = re.compile(
    r"(?i:\b(?:der|die|das|ist|bitte|eine?n?|und|oder|zum?|nicht|wird|muss|neues|falsch(?:es)?|zeichen|mindestens"
    r"|les?|votre|vous|est|et|doit|saisi\w{1,4}|oublié|incorrect\w?|el|los|su|por|favor|debe|sua|não|deve|il|lo|tua"
    r"|non|inserisci|het|een|uw|voer|niet|ditt|din|minst|ange|inte|är|ikke|tecken|tegn)\b)"
)
"Words of sentences in other languages than English."

ABOUT = re.compile(
    r"label|hint|help|placeholder|title|(?<!plain)(?<!clear)text|message|msg|error|prompt|desc(?:ription)?\b|tooltip"
    r"|caption|question|subject|heading|button|too[_-]?(?:short|long)|mismatch|wrong|invalid|forgot|expired"
    r"|eval\b|command|[_-]cmd|rules?\b|polic(?:y|ies)\b",
    re.IGNORECASE,
)
"In the name of a text about a password, or of a command that prints one."

FIELD = re.compile(r"[A-Za-z]+(?:[_.-][A-Za-z]+)+")
NAMES_FIELD = re.compile(r"passw|pwd|secret|token|credential|field|input", re.IGNORECASE)
ALGORITHM = re.compile(
    r"(?:(?:scram|hmac|rsa|ecdsa|pbkdf2)[-_])?(?:sha|md|blake)[-_]?\d[\w/-]{0,8}|(?:b|s|yes)?crypt|argon2\w{0,2}"
    r"|pbkdf2[\w-]{0,16}|aes[-_]?(?:128|192|256)(?:[-_][a-z]{3})?",
    re.IGNORECASE,
)
PLACEHOLDER_USER = re.compile(r"(?:your|my)?[_-]?(?:user(?:_?name)?|login|name|email)", re.IGNORECASE)
PLACEHOLDER_PASSWORD = re.compile(
    r"(?:your|my)?[_-]?(?:pass(?:w(?:or)?d)?|pw|pwd|secret|token)", re.IGNORECASE
)


def is_label(value: str) -> bool:
    """Whether a text without figures names a password as an interface does: a title, or several words."""
    if re.search(r"[\d@#$%^&*=+~\\/|<>{}_]", value):
        return False
    word = PASSWORD_WORD.search(value)
    if not word or " " in value.strip():
        return bool(word)
    is_title = not (value[0].islower() or value[0] == "-")
    return is_title and word.start() == 0 and len(value) - word.end() <= 4


def is_field_name(value: str) -> bool:
    """Whether this is `user_password` or its like, or names how one is hashed."""
    named = FIELD.fullmatch(value) and NAMES_FIELD.search(value)
    return bool(named or ALGORITHM.fullmatch(value))


def is_placeholder_login(user: str, password: str) -> bool:
    """Whether a manual writes `username:password` where a reader's own go."""
    return bool(PLACEHOLDER_USER.fullmatch(user) and PLACEHOLDER_PASSWORD.fullmatch(password))


def is_under_a_texts_name(match: re.Match[str]) -> bool:
    """Whether the name before the value is that of a text: `forgot_password`, `password_hint`."""
    before = match.string[max(0, match.start() - LINE) : match.start()]
    named = match.groupdict().get("name") or match.string[match.start() : match.start("secret")]
    return bool(ABOUT.search(re.split(r"[^\w.-]", before)[-1] + named))
