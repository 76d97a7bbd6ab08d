# SPDX-License-Identifier: Apache-2.0
"""Secrets and personal data that are planted in tool outputs, so that scrubbing can be counted.

Every value is random and made at run time; none is or was valid. Formats are those that the
providers publish; see the scrubber's own rules.
"""

from collections.abc import Callable
from dataclasses import dataclass

from town.generator.script import Dice

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
HEX = DIGITS + "abcdef"
WORD = LOWER.upper() + LOWER + DIGITS
URLSAFE = WORD + "-_"
BASE32 = LOWER.upper() + "234567"


@dataclass(frozen=True)
class Plant:
    """One planted value."""

    kind: str
    parts: tuple[str, ...]
    "Strings none of which may be left in the corpus."

    text: str
    "What the tool printed around it."

    personal: bool = False


Maker = Callable[[Dice], tuple[str, str]]
"Gives the value and the text that holds it."


def secret(dice: Dice, kind: str) -> Plant:
    """A secret of a kind of `SECRETS`."""
    value, text = SECRETS[kind](dice)
    return Plant(kind, _parts(value), text)


def personal(dice: Dice, kind: str) -> Plant:
    """Personal data of a kind of `PERSONAL`."""
    value, text = PERSONAL[kind](dice)
    return Plant(kind, (value,), text, personal=True)


def _parts(value: str) -> tuple[str, ...]:
    lines = [line for line in value.split("\n") if line and not line.startswith("-----")]
    return tuple(lines)


def _token(prefix: str, alphabet: str, count: int, *, shown: str = "TOKEN={}", end: str = "") -> Maker:
    def make(dice: Dice) -> tuple[str, str]:
        value = prefix + dice.signs(alphabet, count) + end
        return value, shown.format(value)

    return make


def _openai(dice: Dice) -> tuple[str, str]:
    value = f"sk-proj-{dice.signs(URLSAFE, 64)}T3BlbkFJ{dice.signs(URLSAFE, 64)}"
    return value, f"OPENAI_API_KEY={value}"


def _openai_legacy(dice: Dice) -> tuple[str, str]:
    value = f"sk-{dice.signs(WORD, 20)}T3BlbkFJ{dice.signs(WORD, 20)}"
    return value, f"export OPENAI_API_KEY={value}"


def _slack_hook(dice: Dice) -> tuple[str, str]:
    tail = f"T{dice.signs(BASE32, 8)}/B{dice.signs(BASE32, 8)}/{dice.signs(WORD, 24)}"
    return tail, f"POST https://hooks.slack.com/services/{tail} 200"


def _jwt(dice: Dice) -> tuple[str, str]:
    value = ".".join(
        ("eyJ" + dice.signs(WORD, 24), "eyJ" + dice.signs(WORD, 48), dice.signs(URLSAFE, 42) + "A")
    )
    return value, f"cookie session={value}"


def _pem(name: str, *, closed: bool = True) -> Maker:
    def make(dice: Dice) -> tuple[str, str]:
        body = "\n".join(dice.signs(WORD + "+/", 64) for _ in range(4))
        end = f"\n-----END {name}-----" if closed else ""
        value = f"-----BEGIN {name}-----\n{body}{end}"
        return value, value

    return make


def _in_url(dice: Dice) -> tuple[str, str]:
    value = dice.signs(WORD, 18)
    return value, f"origin https://builder:{value}@git.harbor-yard.net/core.git (push)"


def _phone(dice: Dice) -> tuple[str, str]:
    value = f"+1 650 253 {dice.signs(DIGITS[1:], 4)}"
    return value, f"on call: {value}"


def _address(dice: Dice) -> tuple[str, str]:
    value = f"81.{dice.between(20, 200)}.{dice.between(20, 200)}.{dice.between(20, 200)}"
    return value, f"login from {value}"


def _mail(dice: Dice) -> tuple[str, str]:
    value = f"{dice.signs(LOWER, 7)}.{dice.signs(LOWER, 6)}@harbor-yard.net"
    return value, f"Author: {value}"


def _home(dice: Dice) -> tuple[str, str]:
    value = dice.signs(LOWER, 8)
    return value, f"cache at /home/{value}/.cache/node"


SECRETS: dict[str, Maker] = {
    "github-token": _token("ghp_", WORD, 36, shown="GITHUB_TOKEN={}"),
    "github-oauth": _token("gho_", WORD, 36, shown="remote: using {} for push"),
    "github-app": _token("ghs_", WORD, 36, shown="x-access-token {}"),
    "github-pat": _token("github_pat_", WORD + "_", 82, shown="GH_TOKEN={}"),
    "anthropic-key": _token("sk-ant-api03-", URLSAFE, 93, shown="ANTHROPIC_API_KEY={}", end="AA"),
    "anthropic-oauth": _token("sk-ant-oat01-", URLSAFE, 86, shown="quota: account uses {}"),
    "anthropic-refresh": _token("sk-ant-ort01-", URLSAFE, 86, shown="refresh {}"),
    "openai-key": _openai,
    "openai-legacy": _openai_legacy,
    "aws-key-id": _token("AKIA", BASE32, 16, shown="aws_access_key_id = {}"),
    "aws-secret": _token("", WORD + "/+", 40, shown="aws_secret_access_key = {}"),
    "google-key": _token("AIza", URLSAFE, 35, shown="key={}"),
    "google-oauth": _token("ya29.", URLSAFE, 60, shown="access {}"),
    "slack-token": _token("xoxb-", DIGITS, 12, shown="SLACK={}-0000000000"),
    "slack-webhook": _slack_hook,
    "npm-token": _token("npm_", WORD, 36, shown="//npm.example.com/:_authToken={}"),
    "pypi-token": _token("pypi-AgEIcHlwaS5vcmc", URLSAFE, 70, shown="password: {}"),
    "gitlab-token": _token("glpat-", URLSAFE, 20, shown="PRIVATE-TOKEN: {}"),
    "huggingface-token": _token("hf_", LOWER + LOWER.upper(), 34, shown="HF_TOKEN={}"),
    "wandb-key": _token("", HEX, 40, shown="WANDB_API_KEY={}"),
    "stripe-key": _token("sk_live_", WORD, 24, shown="stripe {}"),
    "vault-token": _token("hvs.", URLSAFE, 92, shown="VAULT_TOKEN={}"),
    "databricks-token": _token("dapi", HEX, 32, shown="DATABRICKS_TOKEN={}"),
    "age-key": _token("AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, shown="{}"),
    "jwt": _jwt,
    "private-key": _pem("RSA PRIVATE KEY"),
    "openssh-key": _pem("OPENSSH PRIVATE KEY"),
    "cut-private-key": _pem("EC PRIVATE KEY", closed=False),
    "url-password": _in_url,
    "bearer-token": _token("", WORD, 40, shown="Authorization: Bearer {}"),
    "password": _token("", WORD, 20, shown='DB_PASSWORD="{}"'),
}

RULES = {
    "github-oauth": "github-token",
    "github-app": "github-token",
    "github-pat": "github-token",
    "anthropic-oauth": "anthropic-key",
    "anthropic-refresh": "anthropic-key",
    "openai-legacy": "openai-key",
    "aws-key-id": "aws-access-key",
    "aws-secret": "aws-secret-key",
    "google-key": "gcp-key",
    "google-oauth": "gcp-token",
    "openssh-key": "private-key",
    "cut-private-key": "private-key",
    "url-password": "url-credentials",
    "bearer-token": "authorization",
    "password": "assigned-secret",
    "ip-address": "ip",
    "home-path": "user",
}
"What the scrubber calls a kind, where it calls it otherwise."

PERSONAL: dict[str, Maker] = {"email": _mail, "phone": _phone, "ip-address": _address, "home-path": _home}


def plants(dice: Dice, *, secrets: int, people: int) -> list[Plant]:
    """So many planted values, every kind in turn."""
    kinds, private = tuple(SECRETS), tuple(PERSONAL)
    made = [secret(dice, kinds[number % len(kinds)]) for number in range(secrets)]
    return made + [personal(dice, private[number % len(private)]) for number in range(people)]
