# SPDX-License-Identifier: Apache-2.0
"""Texts in which nothing is a secret: code, output of tests and tools, documents, settings, ids."""

from collections.abc import Mapping

from node0.finetune.corpus.scoreboard.case import Case, Maker, negative
from node0.finetune.corpus.scoreboard.draws import HEX, Draw

WORK = [
    "Parse",
    "Read",
    "Write",
    "Merge",
    "Split",
    "Load",
    "Store",
    "Render",
    "Check",
    "Token",
    "Secret",
    "Password",
    "Key",
    "Style",
    "HTTP",
    "JSON",
    "CSS",
    "URL",
    "IPv6",
    "OAuth2",
    "Base64",
    "UTF8",
    "V2",
    "X509",
    "Session",
    "Cache",
    "Queue",
    "Index",
    "Page",
    "Frame",
]
CODE = (
    "def {s}(token: str, secret: bytes | None = None) -> {C}:",
    "if token == {s}(password): return self.{s}_token",
    "password = os.environ['{N}_PASSWORD']",
    'api_key = config.get("{s}_api_key")',
    "const token = await {c}(request.headers.authorization);",
    'secret := os.Getenv("{N}_SECRET")',
    "password: ${{N}_PASSWORD}",
    "{N}_TOKEN=<your-token-here>",
    "auth_token = get_secret('{s}/token')",
    "self.password_field = {C}(label='Password', required=True)",
    'raise {C}Error(f"no token for {{name}}")',
    "from {s}.{s} import {C}, {C}Token",
    'public static final String {N}_KEY = "{s}.{s}";',
    "type {C}Secret struct {{ Name string; Key []byte }}",
    "assert token is not None, 'the token of {s} is missing'",
    "max_tokens: {i}, key_length={j}, token_ttl: {j}s, password_timeout = {i}ms",
    "if line.startswith('-----BEGIN RSA PRIVATE KEY-----'): continue",
    "https://user:password@localhost:{j}/{s}",
    "secret_arn = arn:aws:secretsmanager:eu-west-1:123456789012:secret:{s}/{s}",
)
OUTPUT = (
    "--- PASS: Test{C}{C} (0.0{d}s)",
    "    --- PASS: Test{C}/{s}_{s}_{d} (0.00s)",
    "tests/unit/test_{s}.py::test_{s}_reads_{s} PASSED",
    "PASS: {s}-{s}-{d}",
    "ok  \tharbor.dev/{s}/{s}\t0.{j}s",
    "Downloading {s}-{d}.{d}.{d}.tar.gz ({i} kB)",
    "drwxr-xr-x {d} root root {j} Jan  5 06:17 {s}-{s}",
    "2026-01-05T06:1{d}:00.{i}Z INFO {s}: token refreshed for {s}, {i} tokens left",
    "{i} passed, {d} skipped in {d}.{d}s",
    "gt-{a}{d}{b}{d} open  polecat {s} works on {s}",
    "[GAS TOWN] demo/polecats/{s} <- witness: assigned:gt-{a}{d}{b}",
    "npm warn deprecated {s}@{d}.{d}.{d}: use {s}-{s} instead",
    "error[E0{i}]: cannot find value `{s}_token` in this scope",
)
DOCUMENT = (
    "The password is stored hashed; the token is sent as a header, and the key never leaves the {s}.",
    "Set your password in the settings page, then pass the token with --token.",
    "A secret is a {s} that only the {s} knows. Passwords of less than {d}0 signs are refused.",
    "Use `export API_KEY=...` and restart the {s}.",
    "See /usr/share/{s}/{s}.conf and src/{s}/{s}/{s}.py, lines {i}-{i}.",
    "version {d}.{d}.{d}, released 2026-01-0{d}, needs {s} >= {d}.{d}",
    "Contact: the {s} team, room {i}, from {d}:00 to 1{d}:30",
    "password: the one that you chose; login: your name",
    "secret: see the vault, key: ask the {s}",
    "Das Passwort ist zu kurz. Le mot de passe est obligatoire. La contraseña es demasiado corta.",
    "127.0.0.1:{i} and ::1 and 0.0.0.0, mask 255.255.255.0",
    "git@github.com:{s}/{s}.git and https://{s}.example.com/{s}?page={d}",
)


def _filled(draw: Draw, template: str) -> str:
    """The template with words, names and numbers in place of its marks."""
    made = template
    while "{" in made:
        before = made
        made = made.replace("{s}", draw.noun(), 1).replace("{C}", _camel(draw), 1)
        made = made.replace("{c}", draw.noun() + _camel(draw), 1).replace("{N}", draw.noun().upper(), 1)
        made = made.replace("{i}", str(draw.number(100, 9999)), 1).replace(
            "{j}", str(draw.number(10, 600)), 1
        )
        made = made.replace("{d}", str(draw.number(1, 9)), 1)
        made = made.replace("{a}", draw.signs("abcdefgh", 2), 1).replace("{b}", draw.signs("mnpqrstx", 2), 1)
        if made == before:
            break
    return made


def _camel(draw: Draw) -> str:
    return "".join(draw.rng.choice(WORK) for _ in range(draw.number(1, 3)))


def _maker(kind: str, templates: tuple[str, ...]) -> Maker:
    def make(draw: Draw) -> Case:
        lines = [_filled(draw, draw.rng.choice(templates)) for _ in range(draw.number(2, 6))]
        return negative(kind, "\n".join(lines))

    return make


def ids(draw: Draw) -> Case:
    """Ids that are no secrets, among words; look-alikes of the same form may stand in for them."""
    commit, digest = draw.signs(HEX, 40), draw.signs(HEX, 64)
    uuid = "-".join(draw.signs(HEX, count) for count in (8, 4, 4, 4, 12))
    line = draw.one(
        f"commit {commit}\nAuthor: nobody\n",
        f"sha256:{digest}  {draw.noun()}.tar.gz",
        f"index {commit[:7]}..{digest[:7]} 100644",
        f"session {uuid} began",
        f'"integrity": "sha512-{draw.signs("ABCDEFGHabcdefgh0123456789+/", 86)}=="',
        f"HEAD is now at {commit[:9]} {draw.noun()} the {draw.noun()}",
    )
    return negative("ids", f"{_filled(draw, 'the {s} of the {s}')}\n{line}\nand the {draw.noun()}")


NEGATIVES: Mapping[str, Maker] = {
    "code": _maker("code", CODE),
    "output": _maker("output", OUTPUT),
    "documents": _maker("documents", DOCUMENT),
    "ids": ids,
}
