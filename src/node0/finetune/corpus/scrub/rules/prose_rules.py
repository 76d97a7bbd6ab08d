# SPDX-License-Identifier: Apache-2.0
"""The rules for secrets that a sentence tells: `the password for the server is …`, in twelve languages.

A word for a secret, a few words more, a verb or a sign, and a value that is no word.
"""

from node0.finetune.corpus.scrub.rules.handed_over import (
    CHOSEN,
    CURLY,
    SAID,
    chosen,
    told,
    told_as,
    told_of_key,
)
from node0.finetune.corpus.scrub.rules.secret_rule import PRINTED, SecretRule, make_rule

PASSWORDS = (
    "pass pwd pw pin otp creds credential kennwort contrase clave senha wachtwoord parola heslo "
    "adgangskode salasana mdp "
    "hasło hasl lösenord şifre парол 密码 密碼 口令 パスワード 合言葉 비밀번호 paswor"
)
"What often begins a word of the trade, such as key and token, is looked for apart: fewer words may follow."

PASSWORD_ANCHORS = "passw passphrase passcode"

NAME = (
    r"(?P<name>(?:pass(?:w(?:or[dt]|d))?(?:phrase|code|e)?[a-z]{0,4}|paswor[dt]|pwd"
    r"|(?<![\w.-])(?:pin|pw|otp)\b|cred(?:ential)?s?|kennwort"
    r"|contrase[^\s:]{1,2}as?|clave|senha|wachtwoord|parola(?: d'ordine)?"
    r"|heslo|(?<!\w)mdp\b"
    r"|adgangskoden?|salasana|has[łl]o|lösenord[a-z]{0,2}|[Şş]ifre[^\s:]{0,3}|[Пп]арол[^\s:]{0,3}"
    r"|密[码碼]|口令|パスワード|合言葉|비밀번호))"
)
TRADE = r"(?P<name>(?:(?<![\w.-])(?:api |access )?key|secret(?: key)?|token|(?<![\w.-])code))\b"
TRADE_ABROAD = (
    r"(?P<name>(?<!\w)(?:jeton(?: d'acc[^\s:]{1,3}s)?|cl[^\s:]{1,2}(?= )|schl[^\s:]{1,2}ssel"
    r"|chiave|sleutel|klucz)(?!\w)"
    r"|[Тт]окен|トークン|密[钥鑰]|令牌|[A-Za-z-]{2,12}schl[^\s:]{1,2}ssel)"
)
"What a key or a token is called in other languages."

SAYS = rf"(?=[^\n\d\"'`!@#$%^&*+~{CURLY}]{{0,200}}+[\d\"'`!@#$%^&*+~{CURLY}])"
"Some sign of a value is on the line."

BE = (
    r"(?:(?:is|was|are|were|got|has been) )?(?:changed|set|reset|updated|rotated|switched|renewed) to"
    r"|(?:поменял\w?|сменил\w?|изменил\w?|изменен|установил\w?) на"
    r"|is now|is still|is|was|will be|should be|are|to|be|now"
    r"|ist jetzt|ist|war|lautet|heißt|est|es|era|é|è|c'est|er|är|(?<=salasana )on"
    r"|este|je|jest|this|это|такой|такая|is:|are:|to:"
    r"|(?:(?:ha[bt]e?|wurde)(?: ich| er| sie)? )?auf(?= \S{4,40} (?:ge|um)\S)"
)
BETWEEN = r"(?:(?:'s)?[ \t]{1,2}(?!-)[^\s:=\"'`,.;!?()\[\]{}<>]{1,24}){0,7}?"
FEW_BETWEEN = BETWEEN.replace("{0,7}", "{0,3}")
LINK = (
    rf"(?=[ \t:=→—–：是为為は는은이가已被改更修设設换換'-])"
    # Not the colon of a time.
    rf"(?P<link>[ \t]{{0,2}}(?:(?<!\d):|:(?!\d)|=|->|=>|→|—|–|：|-(?=[ \t]))[ \t]{{0,3}}"
    rf"|[ \t]{{1,2}}(?:{BE}):?[ \t]{{1,2}}|'s[ \t]{{1,2}}"
    r"|[ \t]{0,2}(?:(?:已经?|被)?(?:改|更改|修改|设|設|换|換)(?:为|為|成)|是|为|為"
    r"|は|는|은|이|가)[ \t]{0,2})"
)
FOR_SURE = (
    r"(?P<name>(?:passw(?:or[dt]|d)|passphrase|passcode|(?<![\w.-])(?:pwd|pw)\b|kennwort"
    r"|contrase[^\s:]{1,2}as?|(?<!\w)(?:clave|senha|parola|heslo|mdp)(?!\w)|wachtwoord"
    r"|adgangskoden?|salasana|hasło|lösenord|[Şş]ifre|[Пп]арол|密[码碼]|パスワード|비밀번호))[^\s:=\"'`.()\[\]<>]{0,8}"
)
"Words for nothing but a password, with their endings."

PREPOSITIONS = (
    "for of on at in from by with via über für von bei im de du del da do pour para per di od dla для у в к с"
)
NO_OBJECT = "".join(rf"(?<! {word}[ \t])" for word in PREPOSITIONS.split())
"No word that says whose password it is, or where."

SUBJECT = (
    r"(?:user(?:name)?|login|account|log(?:ged)?[ -]?in|sign[ -]?in|cred(?:ential)?s?|auth"
    r"|zugangsdaten|identifiants?|credenziali)"
)
AS = r"(?:as|is|for|für|als|como|comme|come|jako|как)"
ARTICLE = r"(?:(?:the|your|my|our|a|its|his|her|das|dein|mein|la|le|tu|mi|a|het)[ \t])?"
PASSWORD_ABROAD = (
    r"(?P<name>passw(?:or[dt]|d)|passwort|passphrase|passcode|kennwort|pwd?(?!\w)|mot de passe|mdp(?!\w)"
    r"|contrase[^\s:]{1,2}a|senha|palavra-passe|wachtwoord|has[łl]|парол)"
)
UNDIVIDED = r"(?P<name>密[码碼]|口令|パスワード|合言葉|비밀번호)(?:[ \t]?[：:=はは为為是]?[ \t]?)"
"In scripts without blanks, a password may stand right behind its name."

PROSE_RULES: tuple[SecretRule, ...] = (
    make_rule("assigned-secret", PASSWORDS, rf"{NAME}{SAYS}{BETWEEN}{LINK}{SAID}", told, fold=True),
    make_rule("assigned-secret", PASSWORDS, rf"{NAME}[ \t]{{1,2}}\(?{SAYS}{SAID}", told, fold=True),
    make_rule(
        "assigned-secret",
        PASSWORDS,
        rf"{FOR_SURE}{SAYS}{BETWEEN}[ \t]{{1,2}}{NO_OBJECT}{CHOSEN}{SAID}",
        chosen,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        PASSWORD_ANCHORS,
        r"(?P<name>passw(?:or)?d|passphrase|passcode)[ \t](?:(?:is|was|has been)[ \t])?(?:randomly[ \t])?"
        r"(?:generated|created|assigned|set|issued)(?:[ \t](?:for|to|of)[ \t][^\s:]{1,64})?"
        rf"(?P<link>:[ \t]{{1,3}}){SAID}",
        told,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "secret token key code",
        rf"{TRADE}{SAYS}{FEW_BETWEEN}{LINK}{SAID}",
        told,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "jeton clé schlüssel chiave sleutel klucz токен トークン 密钥 密鑰 令牌",
        rf"{TRADE_ABROAD}{SAYS}{FEW_BETWEEN}(?:{LINK}|[ \t]{{1,2}}(?=\S{{0,64}}\d)){SAID}",
        told_of_key,
        fold=True,
    ),
    make_rule(
        "assigned-secret", "密码 密碼 口令 パスワード 合言葉 비밀번호", rf"{UNDIVIDED}{SAID}", told, fold=True
    ),
    make_rule(
        "assigned-secret",
        "passw passphrase passcode kennwort ␣pw de␣pass mdp contrase senha wachtwoord ␣hasł ␣hasl ␣как␣парол",
        r"(?s:.){0,96}?(?<![^\s(\"'`])"
        + SAID
        + rf"[.,]?[ \t]{{1,2}}{AS}[ \t]{{1,2}}{ARTICLE}(?:[a-z]{{1,16}}[ \t]){{0,2}}?{PASSWORD_ABROAD}",
        told_as,
        fold=True,
        before=PRINTED + CURLY,
        reach=96,
    ),
    make_rule(
        "assigned-secret",
        "login log␣in sign␣in creds credential zugangsdaten identifiant credenzial",
        rf"(?P<name>{SUBJECT})(?![\w-])[^\n]{{0,40}}?(?:with|as|is"
        rf"|are|sind|sono|sont|son|são|zijn|:|=|\()[ \t]{{0,2}}[\"'`]?[\w.@+-]{{1,64}}[\"'`]?[ \t]{{0,2}}[/:"
        rf"|][ \t]{{0,2}}{SAID}",
        told,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        PASSWORD_ANCHORS,
        rf"(?P<name>passw(?:or)?d|passphrase|passcode)(?: for [\w@.'\"-]{{1,64}}"
        rf"| \([^()\n]{{1,40}}\))?:[ \t]{{0,2}}\n{SAID}(?=\n|\Z)",
        told,
        fold=True,
    ),
)
