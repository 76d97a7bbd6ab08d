# SPDX-License-Identifier: Apache-2.0
"""The rules for secrets that a sentence tells: `the password for the server is …`, in twelve languages.

A word for a secret, a few words more, a verb or a sign, and a value that is no word.
"""

from node0.finetune.corpus.scrub.rules.handed_over import SAID, told
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule, make_rule

WORDS = "passw passphrase passcode pass secret token pwd credential key"
"Of these other rules look too."

MORE_WORDS = (
    "pin pw code otp creds kennwort contrase clave senha passe wachtwoord parola heslo salasana adgangskode haslo "
    "hasło lösenord şifre пароль 密码 密碼 パスワード 비밀번호 parole jelsz"
)
NAME = (
    r"(?P<name>(?:[a-z]{0,12}pass(?:w(?:or[dt]|d))?(?:phrase|code|e)?[a-z]{0,4}|api[ -]?key|secret(?: key)?|access key|(?<![\w.-])key|token|pwd"
    r"|(?<![\w.-])(?:pin|pw|code|otp)|cred(?:ential)?s?|[a-z]{0,10}kennwort|contrase[^\s:]{1,2}as?|clave|senha|wachtwoord|parol[ae]|heslo|salasana"
    r"|adgangskode[a-z]?|has[lł]o|lösenord[a-z]{0,2}|[Şş]ifre[^\s:]{0,3}|[Пп]арол[^\s:]{0,3}|密[码碼]|パスワード|비밀번호|jelsz[^\s:]{1,3}))"
)
BE = (
    r"is now|is still|is|was|will be|should be|are|to|be|now|ist jetzt|ist|war|lautet|heißt|est|es|era|é|è|er|är|on|este|je|jest|this|это|is:|are:|to:"
)
BETWEEN = r"(?:(?:'s)?[ \t]{1,2}(?!-)[^\s:=\"'`,.;!?()\[\]{}<>]{1,24}){0,7}?"
LINK = (
    rf"(?P<link>[ \t]{{0,2}}(?::|=|->|=>|→|—|–|：|-(?=[ \t]))[ \t]{{0,3}}|[ \t]{{1,2}}(?:{BE})[ \t]{{1,2}}|[ \t]{{0,2}}(?:是|为|為|は|는|은|이|가)[ \t]{{0,2}})"
)
SUBJECT = r"(?:user(?:name)?|login|account|log(?:ged)?[ -]?in|sign[ -]?in|cred(?:ential)?s?|auth)"

PROSE_RULES: tuple[SecretRule, ...] = (
    make_rule("assigned-secret", f"{WORDS} {MORE_WORDS}", rf"{NAME}{BETWEEN}{LINK}{SAID}", told, fold=True),
    make_rule("assigned-secret", f"{WORDS} {MORE_WORDS}", rf"{NAME}[ \t]{{1,2}}\(?{SAID}", told, fold=True),
    make_rule(
        "assigned-secret",
        "passw passphrase passcode kennwort pwd",
        r"(?s:.){0,96}?(?<![^\s(\"'`])" + SAID + r"[.,]?[ \t]{1,2}(?:as|is|für|als|como|comme)[ \t]{1,2}(?:(?:the|your|my|our|a|its|his|her|das|la|le)[ \t])?(?:[a-z]{1,16}[ \t]){0,2}?"
        r"(?P<name>passw(?:or[dt]|d)|passphrase|passcode|kennwort|pwd)\b",
        told,
        fold=True,
        before="".join(map(chr, range(32, 127))),
        reach=96,
    ),
    make_rule(
        "assigned-secret",
        "login log␣in sign␣in creds credential",
        rf"(?P<name>{SUBJECT})(?![\w-])[^\n]{{0,40}}?(?:with|as|is|are|:|=|\()[ \t]{{0,2}}[\"'`]?[\w.@+-]{{1,64}}[\"'`]?[ \t]{{0,2}}[/:|][ \t]{{0,2}}{SAID}",
        told,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "passw passphrase passcode",
        rf"(?P<name>passw(?:or)?d|passphrase|passcode)(?: for [\w@.'\"-]{{1,64}}| \([^()\n]{{1,40}}\))?:[ \t]{{0,2}}\n{SAID}(?=\n|\Z)",
        told,
        fold=True,
    ),
)
