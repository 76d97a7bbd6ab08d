# SPDX-License-Identifier: Apache-2.0
"""The rules for secrets that code hands to a call: logins, conversions, ciphers, stores of keys.

A call that logs in takes user and password in this order; what is converted on its way to a name or to a
cipher is a literal still.
"""

import re

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.handed_over import QUOTED, handed, line_before, odd
from node0.finetune.corpus.scrub.rules.label_texts import is_field_name
from node0.finetune.corpus.scrub.rules.secret_rule import PRINTED, SecretRule, make_rule
from node0.finetune.corpus.scrub.rules.secret_values import entropy

ARGUMENT = r"(?:[bur]?\\{0,7}[\"'][^\"'\n]{0,100}\\{0,7}[\"']|[\w.$@&:>-]{1,60})\s{0,2},\s{0,4}"
SEEMS_ODD = (
    r"(?=[bBu@]?\\{0,7}[\"'](?![^\"'\n@]{1,64}@[\w-]{1,64}\.|[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}\\{0,7}[\"'])"
    r"(?=[^\"'\n]{6})[^\"'\n]{0,64}?[\d!#$%^&*?+=~])"
)
"Before a literal of six signs or more with a figure or a sign among them: no address and no host."

NO_ALGORITHM = r"(?!\\{0,7}[\"'](?:sha|md5|aes|des|hs\d|rs\d))"
SECRET_NAME = (
    r"(?:passw|pwd|passphrase|secret|token|credential|salt|pepper"
    r"|(?:api|sign(?:ing)?|jwt|hmac|mac|aes|crypt\w{0,5}|cipher|private|access|master|session|cookie|auth)"
    r"[-_.]?key)"
)
CONVERTED = re.compile(
    rf"{SECRET_NAME}[\w-]{{0,24}}[\"'\]]{{0,2}}\s{{0,3}}(?::\s?[\w&<>\[\]; ]{{1,24}}?)?"
    r"(?::=|=>|=|:|,)\s{0,3}(?:new\s)?[\w.\[\]:]{0,40}$",
    re.IGNORECASE,
)
"A telling name before what converts its value."

TEMPLATE = re.compile(r"[$#%]\{|\{\{|<%|%\(|<[a-z_ -]+>$|\^")
"Or a pattern."

DEFINES = re.compile(r"(?:define|setenv|putenv)\(\s{0,4}[\"'`]\w{0,40}$", re.IGNORECASE)
"Of two strings in a list neither is the other's name."

SHORTEST = 6
NOISE = 16
"Characters of the shortest value that signs alone show to be a generator's."


def given(match: re.Match[str]) -> Tier | None:
    """A literal among the arguments of a call that logs in."""
    value = match["secret"]
    return None if len(value) < SHORTEST or is_field_name(value) else odd(match)


def converted(match: re.Match[str]) -> Tier | None:
    """A literal that is converted on its way to a telling name."""
    return given(match) if CONVERTED.search(line_before(match)) else None


def generated(match: re.Match[str]) -> Tier | None:
    """A value of letters, figures and many signs, as generators of keys and salts make them."""
    value = match["secret"]
    if _is_noise(value):
        return Tier.REDACT
    listed = "," in match.group()[:8] and not DEFINES.search(line_before(match))
    return None if listed or " " in value else odd(match)


def _is_noise(value: str) -> bool:
    """Whether a long value has figures and three signs or more among its letters, and no words."""
    signs = set(re.sub(r"[\w\s./:-]", "", value))
    mixed = re.search(r"\d", value) and re.search(r"[A-Za-z]", value) and len(signs) >= 3
    plain = TEMPLATE.match(value) or re.search(r"[a-z]{3} [a-z]{3}", value)
    return bool(mixed) and len(value) >= NOISE and entropy(value) >= 4.0 and not plain


CALL_RULES: tuple[SecretRule, ...] = (
    make_rule(
        "assigned-secret",
        "auth login log_in signin sign_in superuser create_user real_connect credentials( "
        "wifi.begin( softap(",
        r"(?:auth|log_?in|sign_?in|superuser|create_user|real_connect|credentials|wifi\.begin|softap)"
        r"(?:[a-z_]{0,16}\(|(?<=_auth) (?=[\"']))\s{0,4}"
        rf"(?:{ARGUMENT}){{1,4}}(?:Some\()?{SEEMS_ODD}[bu@]?{QUOTED}(?=\s{{0,4}}(?:[),;\]}}]|\n|\Z))",
        given,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "[]byte( getbytes( bytes( bytearray( b64decode( buffer.from( fromhex( unhexlify( hex!( atob( "
        "securestring( some( md5( sha1( sha256( string( ::from(",
        rf"[\w.!:\[\]]{{1,24}}\(\s{{0,2}}[bu@]?{QUOTED}(?=\s{{0,2}}[,)])",
        converted,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        ".tochararray(",
        rf"[^\n]{{0,96}}?{QUOTED}\.tochararray\(",
        given,
        fold=True,
        before=PRINTED,
        reach=96,
    ),
    make_rule(
        "assigned-secret",
        "hmac.new( aes.new( aes.encrypt( aes.decrypt( createcipheriv( createhmac( secretkeyspec( fernet( "
        "cookieparser(",
        rf"[\w.]{{1,16}}\(\s{{0,2}}(?:{ARGUMENT}){{0,2}}?{NO_ALGORITHM}{SEEMS_ODD}[bu]?{QUOTED}(?=[,).\s])",
        odd,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "forkey: ,␣key:",
        rf"[^\n]{{0,96}}?{QUOTED},[ \t]{{0,2}}(?:forKey|key):[ \t]?[\"']"
        rf"[\w.-]{{0,32}}{SECRET_NAME}[\w.-]{{0,24}}[\"']",
        given,
        fold=True,
        before=PRINTED,
        reach=96,
    ),
    make_rule(
        "assigned-secret",
        "|␣password_hash |password_hash",
        rf"[^\n]{{0,64}}?{QUOTED}[ \t]?\|[ \t]?password_hash",
        handed,
        before=PRINTED,
        reach=64,
    ),
    make_rule(
        "assigned-secret",
        "_key' _key\" _salt' _salt\" _key` _salt`",
        rf"_(?:key|salt)[\"'`]\]?\s{{0,2}}(?:,|=>|=|:)\s{{0,20}}{QUOTED}(?=\s{{0,4}}[),;}}])",
        generated,
        fold=True,
    ),
)
