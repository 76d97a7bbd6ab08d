# SPDX-License-Identifier: Apache-2.0
"""A home and a town with made-up secrets of many kinds in many stores, and sessions that print them."""

import base64
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from written_values import READINGS

WORDS = [
    "amber", "birch", "cobalt", "dusk", "ember", "fjord", "granite", "heron", "indigo",
    "juniper", "kelp", "lagoon", "maple", "nectar", "opal", "pebble", "quartz", "raven",
    "saffron", "thistle", "umber", "violet", "walnut", "yarrow", "zephyr",
]  # fmt: skip
LETTERS = string.ascii_letters + string.digits
PERSON = {"name": "Quilla Marrowby", "email": "quilla@marrowby-harbor.net", "username": "qmarrow"}


@dataclass
class Machine:
    """What was planted where."""

    home: Path
    town: Path
    variables: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)

    def draw(self, make: Callable[[random.Random], str], rng: random.Random) -> str:
        """One that there is not yet."""
        made = next(value for value in iter(lambda: make(rng), "") if value not in self.secrets)
        self.secrets.append(made)
        return made

    def write(self, place: Path, text: str) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def token(rng: random.Random) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(24, 40)))


def digest(rng: random.Random) -> str:
    return f"{rng.getrandbits(160):040x}"


def password(rng: random.Random) -> str:
    return (
        "".join(rng.sample(string.ascii_lowercase, 5) + rng.sample("!#$%^*-_", 2) + rng.sample(LETTERS, 3))
        + "7Q"
    )


def passphrase(rng: random.Random) -> str:
    return "-".join(rng.sample(WORDS, 4))


def spoken(rng: random.Random) -> str:
    return " ".join(rng.sample(WORDS, 5))


KINDS = (token, digest, password, passphrase)


def build(home: Path, town: Path, *, seed: int = 20) -> Machine:
    """Every store that is read, with 200 secrets together."""
    rng, it = random.Random(seed), Machine(home, town)

    def some(number: int) -> list[str]:
        return [it.draw(KINDS[n % len(KINDS)], rng) for n in range(number)]

    it.variables = {f"HARBOR_{n}_SECRET": value for n, value in enumerate(some(20))}
    it.variables["DATABASE_URL"] = f"postgres://keeper:{some(1)[0]}@db.internal:5432/harbor"
    it.write(town / ".env", "".join(f"export TOWN_TOKEN_{n}={value}\n" for n, value in enumerate(some(20))))
    lines = "".join(f'RIG_PASSWORD_{n}="{value}"  # rotate\n' for n, value in enumerate(some(16)))
    it.write(town / "harbor" / "mayor" / "rig" / ".env.local", lines)
    it.write(town / "harbor" / "polecats" / "toast" / ".env", f"PASSPHRASE='{it.draw(spoken, rng)}'\n")
    it.write(town / "mayor" / "overseer.json", json.dumps(PERSON))
    rows = "".join(f"machine h{n}.net\n  login me\n  password {value}\n" for n, value in enumerate(some(12)))
    it.write(home / ".netrc", rows)
    it.write(
        home / ".npmrc", "".join(f"//r{n}.net/:_authToken={value}\n" for n, value in enumerate(some(10)))
    )
    it.write(
        home / ".pypirc",
        "".join(f"[p{n}]\nusername: me\npassword: {value}\n" for n, value in enumerate(some(8))),
    )
    logins = {
        f"r{n}.net": {"auth": base64.b64encode(f"me:{v}".encode()).decode()} for n, v in enumerate(some(8))
    }
    it.write(home / ".docker" / "config.json", json.dumps({"auths": logins}))
    rows = "".join(
        f"[p{n}]\naws_access_key_id = AKIA{''.join(rng.choice(string.ascii_uppercase) for _ in range(16))}\n"
        f"aws_secret_access_key = {value}\n"
        for n, value in enumerate(some(12))
    )
    it.write(home / ".aws" / "credentials", rows)
    hosts = "".join(f"h{n}.net:\n    user: me\n    oauth_token: {value}\n" for n, value in enumerate(some(8)))
    it.write(home / ".config" / "gh" / "hosts.yml", hosts)
    coded = [it.draw(token, rng) for _ in range(8)]
    it.write(
        home / ".git-credentials", "".join(f"https://me:{value}@h{n}.net\n" for n, value in enumerate(coded))
    )
    users = [{"name": f"u{n}", "user": {"token": value}} for n, value in enumerate(some(12))]
    it.write(home / ".kube" / "config", f"apiVersion: v1\nkind: Config\nusers: {json.dumps(users)}\n")
    it.write(
        home / ".config" / "gcloud" / "application_default_credentials.json",
        json.dumps(
            {"client_secret": some(1)[0], "refresh_token": it.draw(token, rng), "type": "authorized_user"}
        ),
    )
    it.write(
        home / ".azure" / "msal_token_cache.json", json.dumps({"AccessToken": {"a": {"secret": some(1)[0]}}})
    )
    it.write(home / ".pgpass", "".join(f"h{n}:5432:db:me:{value}\n" for n, value in enumerate(some(10))))
    it.write(home / ".my.cnf", f"[client]\nuser=me\npassword={some(1)[0]}\n")
    it.write(home / ".cargo" / "credentials.toml", f'[registry]\ntoken = "{it.draw(token, rng)}"\n')
    it.write(
        home / ".claude" / ".credentials.json", json.dumps({"claudeAiOauth": {"accessToken": some(1)[0]}})
    )
    _keys(it)
    more = some(200 - len(it.secrets))
    it.write(
        home / ".config" / "rclone" / "rclone.conf", "".join(f"[r]\nsecret_access_key = {v}\n" for v in more)
    )
    return it


def _keys(it: Machine) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    it.write(it.home / ".ssh" / "id_rsa", text)
    # The first lines are the public half.
    it.secrets += text.splitlines()[12:20]


def write_sessions(it: Machine, *, sessions: int = 40) -> None:
    """Each session prints some secrets in every reading, without a word of what they are."""
    events = []
    share = -(-len(it.secrets) // sessions)
    for number in range(sessions):
        name = f"5e55-{number}"
        mine = it.secrets[number * share : (number + 1) * share]
        lines = list(_lines(name, [write(value) for value in mine for write in READINGS.values()], number))
        it.write(it.town / ".claude" / "projects" / "-srv-gt" / f"{name}.jsonl", "".join(map(_line, lines)))
        payload = {"session_id": name, "role": "deacon"}
        events.append(
            {"ts": "2026-01-05T06:00:00Z", "type": "session_start", "actor": "deacon", "payload": payload}
        )
    it.write(it.town / ".events.jsonl", "".join(map(_line, events)))


def _lines(name: str, outputs: list[str], number: int) -> list[dict[str, object]]:
    parent: str | None = None
    lines: list[dict[str, object]] = []

    def add(kind: str, content: object, **more: object) -> None:
        nonlocal parent
        message = {"role": kind, "content": content, **more}
        envelope = {"sessionId": name, "version": "2.1.330", "cwd": "/srv/gt/deacon", "isSidechain": False}
        at = f"2026-01-05T06:{len(lines) // 60:02d}:{len(lines) % 60:02d}.000Z"
        uuid = f"u-{number}-{len(lines)}"
        lines.append(
            {
                "type": kind,
                "uuid": uuid,
                "parentUuid": parent,
                "timestamp": at,
                "message": message,
                **envelope,
            }
        )
        parent = uuid

    add("user", "Look at what the harbor has to say, and tell me whether all is well. " * 12)
    for at, output in enumerate(outputs):
        call = {"type": "tool_use", "id": f"t{at}", "name": "Bash", "input": {"command": f"look --at {at}"}}
        add("assistant", [call], id=f"msg_{number}_{at}", stop_reason="tool_use")
        add("user", [{"type": "tool_result", "tool_use_id": f"t{at}", "content": output}])
    words = (
        f"All is well, says {PERSON['name']} ({PERSON['username']}, {PERSON['email']}). I saw {outputs[0]}"
    )
    add("assistant", [{"type": "text", "text": words}], id=f"msg_{number}_end", stop_reason="end_turn")
    return lines


def _line(value: object) -> str:
    return json.dumps(value) + "\n"
