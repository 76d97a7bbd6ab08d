# SPDX-License-Identifier: Apache-2.0
"""Cases of machine-made secrets: tokens of providers, tokens behind a name, tokens alone, keys.

Formats are those that providers publish for their users; nothing here is taken from the scrub rules.
"""

from collections.abc import Mapping

from node0.finetune.corpus.scoreboard.case import Case, Maker, case_of
from node0.finetune.corpus.scoreboard.draws import ALNUM, BASE64, HEX, LETTERS, UPPER32, URLSAFE, Draw

PROVIDERS: tuple[tuple[str, str, int], ...] = (
    ("ghp_", ALNUM, 36),
    ("gho_", ALNUM, 36),
    ("github_pat_", ALNUM, 82),
    ("sk-ant-api03-", URLSAFE, 93),
    ("sk-proj-", URLSAFE, 120),
    ("AKIA", UPPER32, 16),
    ("AIza", URLSAFE, 35),
    ("ya29.", URLSAFE, 90),
    ("xoxb-", ALNUM, 48),
    ("npm_", ALNUM, 36),
    ("glpat-", URLSAFE, 20),
    ("hf_", LETTERS, 34),
    ("gsk_", ALNUM, 52),
    ("r8_", ALNUM, 37),
    ("sk_live_", ALNUM, 24),
    ("hvs.", URLSAFE, 90),
    ("dapi", HEX, 32),
    ("dop_v1_", HEX, 64),
    ("shpat_", HEX, 32),
    ("pul-", HEX, 40),
    ("SG.", URLSAFE, 60),
    ("lin_api_", ALNUM, 40),
    ("dckr_pat_", URLSAFE, 27),
    ("whsec_", ALNUM, 32),
    ("nfp_", ALNUM, 36),
    ("rnd_", ALNUM, 32),
    ("tfp_", ALNUM, 44),
    ("key_", HEX, 32),
)
BARE: tuple[tuple[str, int], ...] = (
    (ALNUM, 16),
    (ALNUM, 20),
    (ALNUM, 32),
    (ALNUM, 40),
    (ALNUM, 64),
    (HEX, 32),
    (HEX, 40),
    (HEX, 64),
    (URLSAFE, 32),
    (URLSAFE, 43),
    (BASE64, 40),
    (BASE64, 44),
    (UPPER32, 24),
    ("abcdefghijklmnopqrstuvwxyz0123456789", 20),
    ("abcdefghijklmnopqrstuvwxyz0123456789", 32),
)
NAMES = [
    "API_KEY",
    "SERVICE_TOKEN",
    "CLIENT_SECRET",
    "ACCESS_TOKEN",
    "SECRET_KEY_BASE",
    "JWT_SECRET",
    "SIGNING_KEY",
    "REFRESH_TOKEN",
    "WEBHOOK_SECRET",
    "ENCRYPTION_KEY",
    "SESSION_SECRET",
    "AUTH_TOKEN",
]
SAID = (
    "{v}",
    "the value is {v} and that is all",
    "got {v}\n",
    "| id | {v} | ok |",
    "  - {v}",
    "{v},",
    "<{v}>",
    "({v})",
    "'{v}'",
    "curl -H 'X-Header: {v}' https://{h}/v1",
    "result: [{v}, null]",
)
ASSIGNED = (
    "{n}={v}",
    "export {n}='{v}'",
    '{n}: "{v}"',
    '"{n}": "{v}",',
    "{n} = '{v}'",
    "os.environ['{n}'] = '{v}'",
    "const {n} = `{v}`;",
    "set {n} {v}",
    "--{o} {v}",
    "--{o}={v}",
    "<{n}>{v}</{n}>",
    '{n} := "{v}"',
    "{n} => '{v}',",
    "- name: {n}\n  value: {v}",
    "ENV {n} {v}",
    "{n}={v} python main.py",
)


def named_token(draw: Draw) -> Case:
    """A provider's or a random token behind a name."""
    value, secret = _token(draw)
    name = draw.one(*NAMES)
    region = draw.one(*ASSIGNED).replace("{v}", "«" + value.replace(secret, "{v}", 1) + "»")
    return case_of("tokens with a name", region, secret, n=name, o=name.lower().replace("_", "-"))


def bare_token(draw: Draw) -> Case:
    """A token with nothing around it that names it."""
    value, secret = _token(draw)
    template = draw.one(*SAID).replace("{v}", "«" + value.replace(secret, "{v}", 1) + "»")
    return case_of("tokens without a name", template, secret, h=draw.host())


def _token(draw: Draw) -> tuple[str, str]:
    """A token, and the part of it that nobody may see."""
    if draw.rng.random() < 0.5:
        prefix, alphabet, length = draw.rng.choice(PROVIDERS)
        secret = _solid(draw, alphabet, length)
        return prefix + secret, secret
    alphabet, length = draw.rng.choice(BARE)
    secret = _solid(draw, alphabet, length)
    return secret, secret


def _solid(draw: Draw, alphabet: str, length: int) -> str:
    """Signs that begin and end with a letter or a digit, as one word does."""
    ends = "".join(sign for sign in alphabet if sign.isalnum())
    return draw.signs(ends, 1) + draw.signs(alphabet, length - 2) + draw.signs(ends, 1)


def key(draw: Draw) -> Case:
    """A private key, whole or torn, as files, code and logs hold it."""
    header = draw.one(
        "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "DSA PRIVATE KEY"
    )
    lines = [draw.signs(BASE64, 64) for _ in range(draw.number(2, 12))]
    begin, end = f"-----BEGIN {header}-----", f"-----END {header}-----"
    body = draw.one(*KEY_LAYOUTS)
    layout = KEY_LAYOUTS[body]
    whole = layout(begin, lines, end)
    return case_of("keys", "some text before\n«{v}»\nsome text after it\n", "\n".join(lines))._replace(
        region=whole
    )


def _joined(begin: str, lines: list[str], end: str) -> str:
    return "\n".join([begin, *lines, end])


def _in_json(begin: str, lines: list[str], end: str) -> str:
    return "\\n".join([begin, *lines, end])


def _torn(begin: str, lines: list[str], end: str) -> str:
    return "\n".join([begin, *lines])


def _indented(begin: str, lines: list[str], end: str) -> str:
    return "\n".join(f"    {line}" for line in (begin, *lines, end))


def _added(begin: str, lines: list[str], end: str) -> str:
    return "\n".join(f"+{line}" for line in (begin, *lines, end))


def _one_line(begin: str, lines: list[str], end: str) -> str:
    return " ".join([begin, "".join(lines), end])


def _literals(begin: str, lines: list[str], end: str) -> str:
    return "\n".join(f'"{line}\\n"' for line in (begin, *lines, end))


KEY_LAYOUTS = {
    "file": _joined,
    "json": _in_json,
    "torn": _torn,
    "indented": _indented,
    "diff": _added,
    "one line": _one_line,
    "literals": _literals,
}
SECRETS: Mapping[str, Maker] = {
    "tokens with a name": named_token,
    "tokens without a name": bare_token,
    "keys": key,
}
