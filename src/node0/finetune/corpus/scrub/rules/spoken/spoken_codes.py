# SPDX-License-Identifier: Apache-2.0
"""The rules for codes that a sentence tells: of access, verification and invitation, PINs, backup codes.

A code is short and often of digits only, so its name has to say more than `code` does.
"""

import re

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule, make_rule
from node0.finetune.corpus.scrub.rules.secret_values import QUANTITY, stands_for_a_value

BEFORE_CODE = (
    "verification verify access security confirmation activation unlock login one-time door gate entry alarm "
    "sms 2fa mfa invite invitation pin"
)
"What such a code is for, in English; the names are looked for by their last word, which is in many."

COMPOUND = (
    "freischalt zugangs sicherheits aktivierungs t\xfcr einladungs pin toegangs verificatie beveiligings"
)
BACKUP = "backup recovery scratch emergency one-time"


def _behind(words: str, signs: str) -> str:
    """Whether one of the words stands before, with one of the signs between."""
    return "(?:" + "|".join(rf"(?<=(?<![\w-]){word}{signs})" for word in words.split()) + ")"


CODE_NAME = (
    rf"(?P<name>(?:{_behind(BEFORE_CODE, '[ -]')}codes?|{_behind(COMPOUND, '')}code"
    r"|(?<!\w)(?:otp|cvv2?|cvc2?)|(?<![\w.-])m?tan(?=:| (?:ist|lautet|für))"
    r"|(?<!\w)code (?:d'acc[^\s:]{1,3}s|de (?:v[^\s:]{1,2}rification|s[^\s:]{1,2}curit[^\s:]{1,2}"
    r"|confirmation"
    r"|validation)|secret|pin)"
    r"|c[^\s:]{1,2}digo de (?:verifica\w{0,2}[^\s:]{0,4}|acc?es{1,2}o"
    r"|seguran?[^\s:]{1,2}\w{0,3}|segurid\w{1,3}"
    r"|confirma[^\s:]{1,5}|invitaci[^\s:]{1,2}n|convite)"
    r"|codice (?:di (?:accesso|verifica|sicurezza|conferma|invito)|pin)"
    r"|(?<!\w)kod (?:dost[^\s:]{1,2}pu|weryfikacyjny|pin)"
    r"|[Пп]ин-?код\w{0,2}|[Кк]од (?:подтверждения|доступа|безопасности)"
    r"|暗証番号|(?:認証|確認|招待)コード|验证码|驗證碼|校验码|邀请码|邀請碼|动态码|pin码))"
)
CODE_ANCHORS = (
    "code otp␣ cvv cvc tan␣ código␣de␣ codigo␣de␣ codice␣ kod␣ пин-код пинкод код␣ "
    "暗証番号 認証コード 確認コード 招待コード 验证码 驗證碼 校验码 邀请码 邀請碼 动态码 pin码"
)
ABOUT = r"(?:[ \t]{1,2}[^\s:=\"'`,.;!?()\[\]{}<>\d]{1,20}){0,5}?"
"Whose code it is, or where it is asked for."

LINK = (
    r"(?:[ \t]{0,2}(?:=|:(?!\d\d:)|：|—|–|->|=>)[ \t]{0,3}|[ \t]{0,2}(?:是|为|為|は|が)[ \t]{0,2}"
    r"|[ \t]{1,2}(?:is|was|are|ist|lautet|war|est|c'est|es|era|[^\s\w]{1,2}|to|jest|это):?[ \t]{1,2})"
)
SPOKEN_CODE = (
    r"[\"'`(]?(?=[A-Za-z-]{0,12}[0-9])(?P<secret>\d{3}[ -]\d{3}(?![\w-])"
    r"|[A-Za-z0-9](?:[A-Za-z0-9]|[_-](?=[A-Za-z0-9])){2,23}[#*]?)(?=[\"'`)]?[.,;:!?]{0,2}(?:[\s)]|[^\x00-\x7f]|\Z))"
)
LISTED = (
    r"(?P<secret>(?=[a-zA-Z-]{0,12}\d)[\w-]{4,20}"
    r"(?:[ \t]{0,2}[,;\n ][ \t]{0,4}(?:-[ \t]|\d{1,2}[.)][ \t])?(?=[a-zA-Z-]{0,12}\d)[\w-]{4,20}){1,19})"
)
FEWEST_SIGNS = 4
CARD_CODE = re.compile(r"\d{3,4}")
NUMBERED_THING = re.compile(r"v\d[\w.]*|[A-Za-z]{1,3}\d{1,2}|(?:19|20)\d\d|\d{1,2}[a-z]{1,3}", re.IGNORECASE)
PART = re.compile(r"[\w-]{4,20}")


def coded(match: re.Match[str]) -> Tier | None:
    """What a sentence says a code is: digits, or letters and digits as no word has them."""
    value = match["secret"]
    if match["name"].lower().startswith("cv"):
        return Tier.REDACT if CARD_CODE.fullmatch(value) else None
    if len(value) < FEWEST_SIGNS or not re.search(r"\d", value) or stands_for_a_value(value):
        return None
    if value.isdigit():
        return Tier.REDACT if len(value) <= 10 else None
    return (
        None
        if (value.islower() and QUANTITY.fullmatch(value)) or NUMBERED_THING.fullmatch(value)
        else Tier.REDACT
    )


def listed_codes(match: re.Match[str]) -> Tier | None:
    """Several codes of one form behind each other."""
    parts = PART.findall(match["secret"])
    alike = len({len(part) for part in parts}) == 1 and len(set(parts)) == len(parts)
    return Tier.REDACT if alike and not any(map(QUANTITY.fullmatch, parts)) else None


CODE_RULES: tuple[SecretRule, ...] = (
    make_rule(
        "assigned-secret",
        CODE_ANCHORS,
        rf"{CODE_NAME}(?:{ABOUT}{LINK}|[ \t]{{1,2}}){SPOKEN_CODE}",
        coded,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "cvv cvc code",
        r"(?:(?<!\w)cv[vc]2?|(?<=security )code)\\{0,7}\"?[^\n\d:=]{0,24}?(?::|=|[ \t]is)[ \t]{0,2}"
        r"\\{0,7}\"?(?P<secret>\d{3,4})(?![\w.])",
        lambda match: Tier.REDACT,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "code",
        rf"(?:{_behind(BACKUP, ' ')}codes?|(?<=wiederherstellungs)codes?)"
        rf"[^\n:]{{0,40}}?(?::|are|is)\s{{1,4}}{LISTED}",
        listed_codes,
        fold=True,
    ),
)
