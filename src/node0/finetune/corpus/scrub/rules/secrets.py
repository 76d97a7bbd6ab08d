# SPDX-License-Identifier: Apache-2.0
"""The scrub rules for secrets, as a table: kind, where to look, what it looks like, how sure we are.

A rule is tried only where one of its anchors (literal strings) stands, and its pattern is bounded, so
that time is linear in the text. Here are those that need what stands around a secret; the tokens that
their prefix gives away are in `rules_token`.
"""

import re

from node0.finetune.corpus.scrub.finding import Tier as Tier
from node0.finetune.corpus.scrub.rules.rule import (
    LETTERS,
    Rule,
    header_value,
    make_rule,
    opaque,
    random_token,
    token,
)
from node0.finetune.corpus.scrub.rules.tokens import TOKEN_RULES
from node0.finetune.corpus.scrub.rules.values import (
    DIGEST,
    WORDS,
    assigned_value_tier,
    entropy,
    looks_random,
    stands_for_a_value,
)

KEY_WORDS = r"PRIVATE[\s\\n]{1,8}KEY(?:[\s\\n]{1,8}BLOCK)?"
QUOTE = r"(?:\\{0,7}[\"'`])?"
GAP = r"(?:\s|\\{1,4}[nrt])"
SEPARATOR = (
    rf"\s{{0,3}}(?:=>|:=|==?|:|>)(?: ?[|>][+-]?(?=\s|\\))?{GAP}{{0,12}}(?:- {{1,3}})?"
    rf"|(?:{GAP}|,){{1,13}}{QUOTE}value{QUOTE}\s?[:=]{GAP}{{0,2}}"
)
"Between a name and its value: also a block of YAML, an item of a list, and an attribute of its own."

VALUE = (
    r"(?:[bBrRuUfF]{1,2}(?=\\{0,7}[\"']))?(?P<quote>\\{0,7}[\"'`])?"
    r"(?P<secret>(?(quote)(?:[^\s\"'`,;<>\\]|(?:[,;<>]|\\{1,7}[\"'])(?=[A-Za-z0-9!@#$%^&*])){6,512}"
    r"|[^\s\"'`,;<>\\]{6,512}))"
)
ASSIGNED = (
    rf"{QUOTE}\]?(?:\s{{0,2}}:\s{{0,2}}[A-Za-z][\w\[\]|. ]{{1,24}}?(?=\s?=))?"
    rf"(?:(?P<sep>{SEPARATOR})|(?P<said>\s{{1,2}}(?:is|was):?\s{{1,2}})|(?P<flag>[ \t]{{1,2}})){VALUE}"
)
"What follows the name."

FLAG = re.compile(r"(?:^|[\s\"'`(;|]|\\[nrt])(?:--|(?:setenv|ENV|ARG)\s{1,2})[\w-]*$")
OPENING_KEY = re.compile(
    r"(?:api|access|private|signing|encryption|preshared|pre[-_]shared|auth|master|session)[-_]?$",
    re.IGNORECASE,
)
MACHINE = re.compile(rf"(?:machine\s{{1,4}}(?:localhost|[\w-]+\.[\w.-]+)|default){GAP}{{1,12}}$")
KNOWN_SCHEME = re.compile(r"\W(?:bearer|basic|token|digest|negotiate)\s", re.IGNORECASE)


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
    name = re.split(r"[^\w-]", before)[-1] + match.group("name")
    return assigned_value_tier(name, match.group("secret"), quoted=quoted)


def assigned_pass(match: re.Match[str]) -> Tier | None:
    """As `assigned`, for a name that is an ordinary word where nothing is glued to it."""
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


def private_key(match: re.Match[str]) -> Tier | None:
    """A private key block, whole or without its end: the pattern asks for some of its content."""
    return Tier.REDACT


def key_end(match: re.Match[str]) -> Tier | None:
    """The end of a private key block; its beginning may be lost."""
    return Tier.REDACT if re.search(r"[A-Za-z0-9+/=]{16}", match.group()) else None


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
    """User and password in a URL, unless the password is a variable."""
    login = match.group("secret")
    return Tier.KEEP if login.startswith("[") or stands_for_a_value(login.partition(":")[2]) else Tier.REDACT


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


SECRET_RULES: tuple[Rule, ...] = (
    *TOKEN_RULES,
    make_rule(
        "private-key",
        "BEGIN",
        rf"-{{0,5}}BEGIN[A-Z0-9\s\\n]{{1,30}}?{KEY_WORDS} ?-{{4,5}}"
        r"(?=(?s:.{0,400}?)[A-Za-z0-9+/=]{16})(?s:.*?)"
        rf"(?:-{{4,5}} ?END[A-Z0-9\s\\n]{{1,30}}?{KEY_WORDS} ?-{{4,5}}|\Z)",
        private_key,
        before="-",
        reach=5,
    ),
    make_rule(
        "private-key",
        "-----END",
        rf"[A-Za-z0-9+/=\s\\]{{16,9000}}-----END[A-Z0-9\s\\n]{{1,30}}?{KEY_WORDS}-----",
        key_end,
        before=LETTERS + "+/=\\\r\n",
        reach=8192,
    ),
    make_rule(
        "aws-secret-key",
        "aws secret",
        r"(?:aws|secret)[^\n]{0,60}?(?<![A-Za-z0-9/+])(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        aws_secret,
        fold=True,
        length=40,
    ),
    make_rule(
        "wandb-key",
        "wandb",
        r"wandb[^\n]{0,60}?(?<![0-9a-f])(?P<secret>[0-9a-f]{40})(?![0-9a-f])",
        fold=True,
        length=40,
    ),
    make_rule("azure-key", "accountkey=", r"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,100}={0,2})", fold=True),
    make_rule(
        "ssh-public-key",
        "ssh-rsa ssh-ed25519 ssh-dss ecdsa-sha2-",
        r"(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp\d{3})\s{1,2}"
        r"(?P<secret>AAAA[A-Za-z0-9+/]{20,2000}={0,3}(?:[ \t]{1,2}[\w.-]{1,64}@[\w.-]{1,64})?)",
        needs=("AAAA",),
    ),
    make_rule(
        "authorization",
        "authorization",
        rf"authorization{QUOTE}\s{{0,3}}[:=]\s{{0,3}}{QUOTE}(?:[A-Za-z][\w-]{{2,20}}\s{{1,3}})?"
        r"(?P<secret>[^\s\"'`\\,]{8,4096})",
        authorization,
        fold=True,
    ),
    make_rule(
        "authorization", "bearer␣", r"bearer {1,2}(?P<secret>[\w.~+/=-]{16,4096})", random_token, fold=True
    ),
    make_rule(
        "authorization", "basic␣", r"basic {1,2}(?P<secret>[A-Za-z0-9+/]{12,1024}={0,2})", basic, fold=True
    ),
    make_rule(
        "cookie",
        "cookie",
        rf"cookie{QUOTE}\s{{0,3}}:\s{{0,3}}{QUOTE}(?P<secret>[\w.%-]{{1,80}}=[^\n\r\"']{{4,4096}})",
        opaque,
        fold=True,
    ),
    make_rule(
        "cookie",
        "-b␣ --cookie",
        r"(?:-b|--cookie)[ =]{1,2}['\"]?(?P<secret>[\w.%-]{1,80}=[^\s'\"]{8,4096})",
        random_token,
        needs=("curl", "wget"),
    ),
    make_rule(
        "registry-auth",
        '"auth _auth',
        r"[\"_]auth\\{0,7}\"?\s{0,2}[:=]\s{0,2}\\{0,7}\"?(?P<secret>[A-Za-z0-9+/]{12,1024}={0,2})",
        basic,
    ),
    make_rule(
        "netrc",
        "login␣",
        rf"login\s{{1,4}}\S{{1,128}}{GAP}{{1,12}}password{GAP}{{1,4}}(?P<secret>[^\s\"'\\]{{4,256}})",
        netrc,
        needs=("password",),
    ),
    make_rule(
        "private-key",
        '"d "p "q "k',
        r'"(?:d[pq]?|p|qi?|k)\\{0,7}"\s?:\s?\\{0,7}"(?P<secret>[A-Za-z0-9_-]{22,1400})\\{0,7}"',
        private_jwk,
        needs=("kty",),
    ),
    make_rule(
        "private-key",
        "Private-Lines:",
        rf"Private-Lines:\s{{0,3}}\d{{1,4}}{GAP}{{1,4}}(?P<secret>[A-Za-z0-9+/=\s\\]{{40,9000}})",
        token,
    ),
    make_rule(
        "url-credentials", "://", r"://(?P<secret>[^\s/@:\"'<>\\]{0,64}:[^\s/@\"'<>\\]{1,256})@", url_password
    ),
    make_rule("url-credentials", "://", r"://(?P<secret>[\w-]{20,256})@", random_token),
    make_rule("cli-password", "-p", r"-p(?P<quote>['\"])(?P<secret>[^'\"\n]{4,128})(?P=quote)", opaque),
    make_rule("cli-password", "mysql", r"mysql\w{0,12}[^\n|;]{0,80}?\s-p(?P<secret>[^\s'\"]{4,128})", opaque),
    make_rule(
        "cli-password",
        "sshpass redis-cli ␣login␣",
        r"(?:sshpass| login(?= )|redis-cli)[^\n|;]{0,120}?\s(?:-[pa]|--pass)[ =]{1,2}"
        r"['\"]?(?P<secret>[^\s'\"]{4,128})",
        argument,
    ),
    make_rule(
        "cli-password",
        "echo␣",
        r"echo (?:-n )?['\"]?(?P<secret>[^\s'\"$|]{6,256})['\"]? ?\|[^\n]{0,120}?(?:-stdin|sudo -S|chpasswd)",
        opaque,
        needs=("-stdin", "sudo -S", "chpasswd"),
    ),
    make_rule(
        "cli-password",
        "-u",
        r"-u(?:ser)?[\s=]{1,2}['\"]?[^\s:'\"]{1,64}:(?P<secret>[^\s'\"@:]{6,128})",
        random_token,
    ),
    make_rule(
        "assigned-secret",
        "variable␣",
        r'variable \\{0,7}"[^"\n]{0,60}?(?:passw|secret|token|key)[^"\n]{0,60}"\s?\{[^{}]{0,300}?'
        r'default\s{0,12}=\s{0,4}\\{0,7}"(?P<secret>[^"\\\n]{6,200})',
        opaque,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "key",
        rf"(?P<name>key[\w-]{{0,61}}+){ASSIGNED}",
        assigned_key,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "pass",
        rf"(?P<name>pass){ASSIGNED}",
        assigned_pass,
        fold=True,
    ),
    make_rule(
        "assigned-secret",
        "passw passphrase pwd secret token credential",
        rf"(?P<name>[\w-]{{3,64}}+){ASSIGNED}",
        assigned,
        fold=True,
    ),
)
"Layer 1. Where two overlap, the one that covers more is kept."
