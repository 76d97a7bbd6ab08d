# SPDX-License-Identifier: Apache-2.0
"""The scrub rules for secrets, as a table: kind, where to look, what it looks like, how sure we are.

A rule is tried only where one of its anchors (literal strings) stands, and its pattern is bounded, so
that time is linear in the text. Formats: the providers' documents and gitleaks' published rules, in our
own words. Checksums are never required: a redaction too many costs less than a leak.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from node0.finetune.corpus.rules_value import Tier as Tier
from node0.finetune.corpus.rules_value import (
    assigned_value_tier,
    is_example,
    looks_random,
    stands_for_a_value,
)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
WORD = LETTERS + "_"
KEY_WORDS = r"PRIVATE[\s\\n]{1,8}KEY(?:[\s\\n]{1,8}BLOCK)?"
QUOTE = r"(?:\\{0,7}[\"'`])?"
SEPARATOR = r"\s{0,3}(?:=>|:=|==?|:|>)(?:\s|\\{1,4}[nrt]){0,3}"
SCHEME = re.compile(r"^(?:bearer|basic|token)(?=\W)", re.IGNORECASE)
Judge = Callable[[re.Match[str]], Tier | None]


@dataclass(frozen=True)
class Rule:
    """One kind of secret.

    The group `secret` of the pattern is what goes; without one, the whole match.
    """

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    judge: Judge
    fold: bool = False
    "Anchors are lower case and found in either case."

    before: str = ""
    "Characters that belong to the match when they stand before the anchor."

    reach: int = 0
    "How many of them are looked at."

    length: int = 0
    "Characters of a whole one; 0 where they vary."


def token(match: re.Match[str]) -> Tier | None:
    """A token with a known prefix: redact, unless it is somebody's example."""
    return Tier.KEEP if is_example(_secret(match)) else Tier.REDACT


def random_token(match: re.Match[str]) -> Tier | None:
    """As `token`, for formats whose prefix is an ordinary word too."""
    return token(match) if looks_random(_secret(match)) else None


def opaque(match: re.Match[str]) -> Tier | None:
    """Anything that is not a variable or a placeholder."""
    value = SCHEME.sub("", _secret(match))
    return Tier.KEEP if stands_for_a_value(value) else Tier.REDACT


def assigned(match: re.Match[str]) -> Tier | None:
    """The value in `name = value`, judged by both."""
    flag = match.group("flag") is not None
    before = match.string[max(0, match.start() - 24) : match.start()]
    if "==" in (match.group("sep") or "") and not match.group("quote"):
        return None
    if re.search(r"\n|\\n", match.group("sep") or "") and not match.group("quote"):
        # A heading and what stands below it, unless that is unlike anything else.
        return token(match) if _is_key_material(match.group("secret")) else None
    if flag and not re.search(r"(?:^|\s)--[\w-]*$", before):
        return None
    name = re.split(r"[^\w-]", before)[-1] + match.group("name")
    return assigned_value_tier(name, match.group("secret"), quoted=bool(match.group("quote")))


def _is_key_material(value: str) -> bool:
    """A word of mixed letters and digits that is no hash and no name."""
    mixed = all(re.search(kind, value) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return mixed and looks_random(value) and bool(re.fullmatch(r"[A-Za-z0-9+/=_-]{16,}", value))


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


def _secret(match: re.Match[str]) -> str:
    return match.group("secret") if "secret" in match.re.groupindex else match.group()


def _rule(kind: str, anchors: str, pattern: str, judge: Judge = token, **options: object) -> Rule:
    flags = re.IGNORECASE if options.get("fold") else re.NOFLAG
    words = tuple(anchor.replace("␣", " ") for anchor in anchors.split())
    return Rule(kind, words, re.compile(pattern, flags | re.ASCII), judge, **options)  # type: ignore[arg-type]


SECRET_RULES: tuple[Rule, ...] = (
    _rule(
        "private-key",
        "BEGIN",
        rf"-{{0,5}}BEGIN[A-Z0-9\s\\n]{{1,30}}?{KEY_WORDS} ?-{{4,5}}"
        r"(?=(?s:.{0,400}?)[A-Za-z0-9+/=]{16})(?s:.*?)"
        rf"(?:-{{4,5}} ?END[A-Z0-9\s\\n]{{1,30}}?{KEY_WORDS} ?-{{4,5}}|\Z)",
        private_key,
        before="-",
        reach=5,
    ),
    _rule(
        "private-key",
        "-----END",
        rf"[A-Za-z0-9+/=\s\\]{{16,9000}}-----END[A-Z0-9\s\\n]{{1,30}}?{KEY_WORDS}-----",
        key_end,
        before=LETTERS + "+/=\\\r\n",
        reach=8192,
    ),
    _rule("github-token", "ghp_ gho_ ghu_ ghr_", r"gh[pour]_(?:[A-Za-z0-9]{20,255})", length=40),
    _rule("github-token", "ghs_", r"ghs_[A-Za-z0-9](?:[A-Za-z0-9._-]{18,1500}[A-Za-z0-9_])"),
    _rule("github-token", "github_pat_", r"github_pat_\w{22,255}", length=93),
    _rule("anthropic-key", "sk-ant-", r"sk-ant-[a-z0-9]{2,12}-[\w-]{20,512}"),
    _rule("openai-key", "sk-proj- sk-svcacct- sk-admin-", r"sk-(?:proj|svcacct|admin)-[\w-]{40,300}"),
    _rule(
        "openai-key",
        "T3BlbkFJ",
        r"[\w-]{0,100}?(?P<secret>sk-[\w-]{10,90}T3BlbkFJ[\w-]{16,90})",
        before=WORD + "-",
        reach=100,
    ),
    _rule(
        "aws-access-key",
        "AKIA ASIA ABIA ACCA A3T",
        r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Z0-9])",
        length=20,
    ),
    _rule(
        "aws-secret-key",
        "aws secret",
        r"(?:aws|secret)[^\n]{0,60}?(?<![A-Za-z0-9/+])(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        aws_secret,
        fold=True,
        length=40,
    ),
    _rule("gcp-key", "AIza", r"AIza[\w-]{35}", length=39),
    _rule("gcp-token", "ya29.", r"ya29\.[\w.-]{20,2048}"),
    _rule("gcp-token", "GOCSPX-", r"GOCSPX-[\w-]{20,64}"),
    _rule("slack-token", "xox", r"xox[abeprs](?:\.xox[bp])?-[\w-]{10,512}"),
    _rule("slack-token", "xapp-", r"xapp-\d-[\w-]{10,512}"),
    _rule(
        "slack-webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/-]{20,255})",
    ),
    _rule("npm-token", "npm_", r"npm_[A-Za-z0-9]{36,64}", length=40),
    _rule("pypi-token", "pypi-AgE", r"pypi-AgE[\w-]{50,1024}"),
    _rule(
        "gitlab-token",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glsoat- glft- glimt- glagent- glffct-",
        r"gl(?:pat|dt|rtr?|cbt|ptt|soat|ft|imt|agent|ffct)-[\w-]{20,300}(?:\.[\w-]{2,64}){0,3}",
    ),
    _rule("huggingface-token", "hf_", r"hf_[A-Za-z0-9]{30,64}", length=37),
    _rule("huggingface-token", "api_org_", r"api_org_[A-Za-z0-9]{30,64}"),
    _rule(
        "wandb-key",
        "wandb",
        r"wandb[^\n]{0,60}?(?<![0-9a-f])(?P<secret>[0-9a-f]{40})(?![0-9a-f])",
        fold=True,
        length=40,
    ),
    _rule(
        "stripe-key", "k_live_ k_test_ k_prod_", r"[sr]k_(?:live|test|prod)_\w{10,99}", before="sr", reach=1
    ),
    _rule("stripe-key", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,99}"),
    _rule("vault-token", "hvs. hvb. hvr.", r"hv[sbr]\.[\w-]{24,300}"),
    _rule("databricks-token", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?", length=36),
    _rule("age-key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{40,64}", length=74),
    _rule("sendgrid-key", "SG.", r"SG\.[\w-]{16,32}\.[\w-]{32,64}"),
    _rule("azure-key", "accountkey=", r"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,100}={0,2})", fold=True),
    _rule(
        "jwt",
        ".eyJ",
        r"[\w-]*?(?P<secret>eyJ[\w-]{10,}+\.eyJ[\w-]{10,}+(?:\.[\w-]*+){0,3})",
        before=WORD + "-",
        reach=4096,
    ),
    _rule(
        "ssh-public-key",
        "ssh-rsa ssh-ed25519 ssh-dss ecdsa-sha2-",
        r"(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp\d{3})\s{1,2}"
        r"(?P<secret>AAAA[A-Za-z0-9+/]{20,2000}={0,3}(?:[ \t]{1,2}[\w.-]{1,64}@[\w.-]{1,64})?)",
    ),
    _rule(
        "authorization",
        "authorization",
        rf"authorization{QUOTE}\s{{0,3}}[:=]\s{{0,3}}{QUOTE}(?:(?:bearer|basic|token|digest|negotiate)\s{{1,3}})?"
        r"(?P<secret>[^\s\"'`\\,]{8,4096})",
        opaque,
        fold=True,
    ),
    _rule(
        "authorization", "bearer␣", r"bearer {1,2}(?P<secret>[\w.~+/=-]{16,4096})", random_token, fold=True
    ),
    _rule(
        "authorization", "basic␣", r"basic {1,2}(?P<secret>[A-Za-z0-9+/]{12,1024}={0,2})", basic, fold=True
    ),
    _rule("cookie", "cookie:", r"cookie:\s{0,3}(?P<secret>[^\n\r\"']{8,4096})", opaque, fold=True),
    _rule(
        "url-credentials", "://", r"://(?P<secret>[^\s/@:\"'<>\\]{0,64}:[^\s/@\"'<>\\]{1,256})@", url_password
    ),
    _rule("url-credentials", "://", r"://(?P<secret>[\w-]{20,256})@", random_token),
    _rule("cli-password", "-p' -p\"", r"-p(?P<quote>['\"])(?P<secret>[^'\"\n]{4,128})(?P=quote)", opaque),
    _rule("cli-password", "mysql", r"mysql\w{0,12}[^\n|;]{0,80}?\s-p(?P<secret>[^\s'\"]{4,128})", opaque),
    _rule(
        "cli-password", "-u", r"-u\s{1,2}['\"]?[^\s:'\"]{1,64}:(?P<secret>[^\s'\"@:]{6,128})", random_token
    ),
    _rule(
        "assigned-secret",
        "passw passphrase pwd secret token credential apikey api_key api-key accesskey access_key access-key "
        "private_key signing_key encryption_key",
        rf"(?P<name>[\w-]{{3,40}}?){QUOTE}\]?(?:\s{{0,2}}:\s{{0,2}}[A-Za-z][\w\[\]|. ]{{1,24}}?(?=\s?=))?"
        rf"(?:(?P<sep>{SEPARATOR})|(?P<flag>[ \t]{{1,2}}))(?P<quote>\\{{0,7}}[\"'`])?"
        r"(?P<secret>(?(quote)(?:[^\s\"'`,;<>\\]|(?:[,;<>]|\\{1,7}[\"'])(?=[A-Za-z0-9!@#$%^&*])){6,512}"
        r"|[^\s\"'`,;<>\\]{6,512}))",
        assigned,
        fold=True,
    ),
)
"Layer 1. Where two overlap, the one that covers more is kept."
