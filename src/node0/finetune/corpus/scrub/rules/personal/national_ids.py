# SPDX-License-Identifier: Apache-2.0
"""The rules for numbers that a state gives to a person, by what they are called."""

import re

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule, make_rule

FEWEST_DIGITS = 5
NAMES = (
    r"(?:steuer-?id(?:entifikationsnummer|nr)?|steuernummer|dni|nie|nir|cpf|pesel|bsn|codice fiscale"
    r"|nhs (?:number|no)|(?:national|social) insurance(?: (?:number|no))?|passport (?:number|no|nr)|aadhaar"
    r"|driver'?s? licen[cs]e(?: (?:number|no))?"
    r"|[Сс][Нн][Ии][Лл][Сс]|[Ии][Нн][Нн]|[Пп]аспорт|身份证号?码?|身分證(?:字號)?|マイナンバー|주민등록번호)"
)
ANCHORS = (
    "steuer dni nie nir cpf pesel bsn codice␣fiscale nhs␣n national␣insurance social␣insurance "
    "passport␣n aadhaar driver "
    "снилс инн паспорт 身份证 身分證 マイナンバー 주민등록번호"
)
LINK = (
    r"(?:[\"']?[ \t.]{0,2}[:=：#][ \t]{0,2}[\"']?"
    r"|[ \t.]{0,2}(?: (?:is|ist|est|es|jest|to|è|é|this)|是|は)?[ \t.]{0,2}(?<=[ .是は码号]))"
)
NUMBER = r"(?P<secret>[A-Za-z]{0,6}\d(?:[A-Za-z0-9]|[ ./-](?=[A-Za-z]{0,2}\d)){4,24})(?![\w-])"


def of_a_state(match: re.Match[str]) -> Tier | None:
    """Digits enough for a person of a country, and not a date."""
    value = match["secret"]
    digits = sum(sign.isdigit() for sign in value)
    date = re.match(r"(?:19|20)\d\d-\d\d-\d\d|\d\d?[./]\d\d?[./](?:19|20)\d\d", value)
    return None if digits < FEWEST_DIGITS or len(value) < 7 or date else Tier.REDACT


NATIONAL_ID_RULES: tuple[SecretRule, ...] = (
    make_rule("national-id", ANCHORS, rf"(?<!\w){NAMES}(?!\w){LINK}{NUMBER}", of_a_state, fold=True),
)
