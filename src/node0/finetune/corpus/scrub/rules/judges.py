# SPDX-License-Identifier: Apache-2.0
"""Judge a rule's match by its content and context: redact, keep, or quarantine.

A judge takes the match of a rule's pattern and says its tier, or None where it is nothing at all.
"""

import re
from collections.abc import Callable

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.named_tests import names_a_test
from node0.finetune.corpus.scrub.rules.secret_values import (
    DIGEST,
    IDENTIFIER,
    WORDS,
    assigned_value_tier,
    entropy,
    is_example,
    looks_random,
    mixes_cases,
    stands_for_a_value,
)
from node0.finetune.corpus.scrub.word_likeness import reads_as_words

Judge = Callable[[re.Match[str]], Tier | None]

GAP = r"(?:\s|\\{1,4}[nrt])"
"White space, also written out as an escape."

INVITE_SIGNS = 5
SCHEME = re.compile(r"^(?:bearer|basic|token)(?=\W)", re.IGNORECASE)
TEST_NAME = re.compile(
    r"(?i:test|benchmark|example|fuzz|spec)(?=[A-Z_./:]|s/|[a-z]\d)|[\w./-]+(?:::|\.(?:py|go|js|ts|rs|java|rb)\b)"
)
FLAG = re.compile(r"(?:^|[\s\"'`(;|]|\\[nrt])(?:--|(?:setenv|ENV|ARG)\s{1,2})[\w-]*$")
COOKIE_NAME = re.compile(r"^[\w.-]{1,80}=(?=\[|[A-Z]{2,10}_\d)")
OPENING_KEY = re.compile(
    r"(?:api|access|private|signing|encryption|preshared|pre[-_]shared|auth|master|session"
    r"|jwt|hmac|aes|cipher|cookie|crypto?)[-_.:]?$",
    re.IGNORECASE,
)
REFERENCE_VALUE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]{1,20}:(?://|(?=[a-z]{2,16}://))|arn:[a-z-]{3,20}:[a-z0-9-]{2,40}:|jdbc:[a-z]"
)
"A URL or a resource's name: where it is. What is secret in it, other rules know."

RESOURCE = re.compile(r"^[\"'=(]*arn:[a-z-]{3,20}:")

SOURCE = re.compile(r"(?:pass|env|file|fd|stdin|prompt):")
"Of openssl: what follows is where the password is, or the password, for another rule."

TEST_STATUS = re.compile(r"(?:---|===|\u2713|\u2714)\s*$")
CODE_PATH = re.compile(r":[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*")
"What stands behind the first colon of `module::name`."

MACHINE = re.compile(rf"(?:machine\s{{1,4}}(?:localhost|[\w-]+\.[\w.-]+)|default){GAP}{{1,12}}$")
EXAMPLE_HOST = re.compile(
    r"(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|0\.0\.0\.0|\[::1\]|host\.docker\.internal|(?:my)?(?:db-?)?host(?:name)?"
    r"|(?:[\w-]{1,40}\.)?(?:example\.(?:com|org|net)|example|test|invalid))(?![\w.-])",
    re.IGNORECASE,
)
EXAMPLE_PASSWORD = re.compile(
    r"(?:my)?(?:db)?_?(?:password|passwd|pass|pwd|pw|secret|changeme)", re.IGNORECASE
)
KNOWN_SCHEME = re.compile(r"\W(?:bearer|basic|token|digest|negotiate)\s", re.IGNORECASE)


def secret_of(match: re.Match[str]) -> str:
    """What would go."""
    return match.group("secret") if "secret" in match.re.groupindex else match.group()


def token(match: re.Match[str]) -> Tier | None:
    """A token with a known prefix: redact, unless it is somebody's example."""
    return Tier.KEEP if is_example(secret_of(match)) else Tier.REDACT


def random_token(match: re.Match[str]) -> Tier | None:
    """As `token`, for formats whose prefix is an ordinary word too."""
    value = secret_of(match)
    return token(match) if looks_random(value) or mixes_cases(value) else None


def opaque(match: re.Match[str]) -> Tier | None:
    """Anything that is not a variable or a placeholder, nor the name of a cookie before one."""
    value = COOKIE_NAME.sub("", SCHEME.sub("", secret_of(match)))
    return Tier.KEEP if stands_for_a_value(value) else Tier.REDACT


def header_value(match: re.Match[str]) -> Tier | None:
    """As `opaque`, where prose may stand too: words say nothing."""
    value = secret_of(match)
    return None if IDENTIFIER.fullmatch(value) and len(value) < 24 else opaque(match)


def invite(match: re.Match[str]) -> Tier | None:
    """What lets somebody in; a group may have a name instead."""
    value = secret_of(match)
    named = value.islower() and not re.search(r"\d", value)
    return None if named or len(set(value)) < INVITE_SIGNS else token(match)


def unnamed(match: re.Match[str]) -> Tier | None:
    """A random value under a name that says little; digests have such names too."""
    return None if DIGEST.fullmatch(secret_of(match)) else random_token(match)


def assigned(match: re.Match[str]) -> Tier | None:
    """The value in `name = value`, judged by both."""
    separator, quoted = match.group("sep") or "", bool(match.group("quote"))
    before = match.string[max(0, match.start() - 24) : match.start()]
    if "==" in separator and not quoted:
        return None
    if match.group("said") and not quoted:
        return _unlike_words(match)
    below = re.search(r"\n|\\n", separator) and not re.search(r"value|[:=] ?[|>]", separator, re.IGNORECASE)
    if below and not quoted:
        # A heading and what stands below it, unless that is unlike anything else.
        return token(match) if _is_key_material(match.group("secret")) else None
    if match.group("flag") is not None and not FLAG.search(before):
        return None
    if _is_reference(match):
        return None
    name = re.split(r"[^\w-]", before)[-1] + match.group("name")
    return assigned_value_tier(name, match.group("secret"), quoted=quoted)


def _is_reference(match: re.Match[str]) -> bool:
    """Whether the value says where something is; or is what follows a scheme that was read as a name."""
    value = match.group("secret")
    after_scheme = value.startswith("//") and (match.group("sep") or "").endswith(":")
    if after_scheme or stands_in_code(value):
        return True
    return bool(REFERENCE_VALUE.match(value) or RESOURCE.search(_word_before(match)))


def stands_in_code(value: str) -> bool:
    """Whether this is the rest of `module::name`, read as a value behind the first colon."""
    path = CODE_PATH.match(value)
    if path is None or value[path.end() : path.end() + 1] not in ("", "(", "<", "!"):
        return False
    return reads_as_words(path.group())


def _word_before(match: re.Match[str]) -> str:
    """What of the same word stands before the name."""
    before = match.string[max(0, match.start() - 128) : match.start()]
    return re.split(r"[\s=\"']", before)[-1]


def assigned_pass(match: re.Match[str]) -> Tier | None:
    """As `assigned`, for a name that is a word, or how a test ended, where nothing is glued to it."""
    before = match.string[max(0, match.start() - 8) : match.start()]
    if SOURCE.match(match.group("secret")):
        return None
    if match.group("name").isupper() and (
        TEST_STATUS.search(before) or TEST_NAME.match(match.group("secret"))
    ):
        return None
    if names_a_test(match):
        return None
    glued = re.search(r"\w$", match.string[max(0, match.start() - 1) : match.start()])
    return assigned(match) if glued or match.group("quote") else _unlike_words(match)


def assigned_key(match: re.Match[str]) -> Tier | None:
    """As `assigned`, for keys that open something; for others (`ACME_KEY`) only what no word looks like."""
    before = match.string[max(0, match.start() - 16) : match.start()]
    if OPENING_KEY.search(before):
        return assigned(match)
    odd = match.group("sep") and re.search(r"[A-Z0-9]_$", before) and _is_key_material(match.group("secret"))
    return token(match) if odd else None


def _unlike_words(match: re.Match[str]) -> Tier | None:
    """A value where prose may stand: only what no word looks like."""
    value = match.group("secret").rstrip(".)]}:")
    if DIGEST.fullmatch(value):
        return Tier.REDACT
    if len(value) < 8 or stands_for_a_value(value) or entropy(value) < 2.5:
        return None
    if _is_mixed(value):
        return Tier.REDACT if len(value) >= 12 else Tier.QUARANTINE
    odd = re.search("[a-z]", value) and re.search("[A-Z]", value) and not WORDS.fullmatch(value)
    return Tier.QUARANTINE if odd and len(value) >= 12 and value.isalnum() else None


def _is_mixed(value: str) -> bool:
    return all(re.search(kind, value) for kind in ("[a-z]", "[A-Z]", "[0-9]"))


def _is_key_material(value: str) -> bool:
    """A word of mixed letters and digits that is no hash and no name."""
    return _is_mixed(value) and looks_random(value) and bool(re.fullmatch(r"[A-Za-z0-9+/=_-]{16,}", value))


def aws_secret(match: re.Match[str]) -> Tier | None:
    """Forty characters of mixed base64; git hashes are not."""
    value = match.group("secret")
    mixed = re.search("[a-z]", value) and re.search("[A-Z]", value) and re.search("[0-9/+]", value)
    return token(match) if mixed else None


def basic(match: re.Match[str]) -> Tier | None:
    """Base64 after the word Basic."""
    value = match.group("secret")
    return token(match) if len(value) % 4 == 0 and looks_random(value) else None


def url_password(match: re.Match[str]) -> Tier | None:
    """User and password in a URL, unless the password is a variable, or a word at nobody's host."""
    user, _, password = re.sub("/", ":", match.group("secret"), count=1).partition(":")
    host = match.string[match.end() : match.end() + 80]
    if user.startswith("[") or stands_for_a_value(password):
        return Tier.KEEP
    harmless = EXAMPLE_HOST.match(host) and (EXAMPLE_PASSWORD.fullmatch(password) or password == user)
    return Tier.KEEP if harmless else Tier.REDACT


def authorization(match: re.Match[str]) -> Tier | None:
    """What follows the header's name; after a known scheme anything but a placeholder."""
    return (opaque if KNOWN_SCHEME.search(match.group()) else header_value)(match)


def netrc(match: re.Match[str]) -> Tier | None:
    """The password of a machine; elsewhere these are words of prose."""
    return (
        opaque(match) if MACHINE.search(match.string[max(0, match.start() - 200) : match.start()]) else None
    )


def argument(match: re.Match[str]) -> Tier | None:
    """An argument of a command; a number is a port."""
    return None if match.group("secret").isdigit() else opaque(match)


def private_jwk(match: re.Match[str]) -> Tier | None:
    """A private member of a JSON web key."""
    around = match.string[max(0, match.start() - 4096) : match.end() + 4096]
    return Tier.REDACT if "kty" in around else None
