# SPDX-License-Identifier: Apache-2.0
"""Secrets that only what stands around them gives away, and what looks like a secret and is none."""

import base64
import hashlib
import random
import uuid
from collections.abc import Callable

from secret_formats import DIGITS, HEX, URLSAFE, WORD, signs, within

Maker = Callable[[random.Random], tuple[str, str]]


def login(before: str, after: str = "") -> Maker:
    """User and password in base64."""

    def make(rng: random.Random) -> tuple[str, str]:
        secret = base64.b64encode(f"bob:{signs(rng, WORD, 20)}".encode()).decode()
        return f"{before}{secret}{after}", secret.rstrip("=")

    return make


def pieced(joint: str) -> Maker:
    """A token in two pieces."""

    def make(rng: random.Random) -> tuple[str, str]:
        one, two = signs(rng, WORD, 18), signs(rng, WORD, 18)
        return f'"ghp_{one}{joint}{two}"', f"{one}\n{two}"

    return make


CONTEXTS: dict[str, Maker] = {
    "dsn of Go": within("dsn: builder:", WORD, 20, "@tcp(db.harbor.io:3306)/app"),
    "jdbc of Oracle": within("jdbc:oracle:thin:builder/", WORD, 20, "@db.harbor.io:1521/XE"),
    "npmrc": login("//registry.example.org/:_auth="),
    "pypirc": within("[pypi]\nusername = bob\npassword = ", WORD, 20, "\n"),
    "netrc": within("machine api.harbor.io login bob password ", WORD, 24),
    "netrc in lines": within("machine api.harbor.io\n  login bob\n  password ", WORD, 24, "\n"),
    "kubeconfig": within("  user:\n    token: ", WORD, 40, "\n"),
    "docker config": login('{"auths": {"https://index.example.org/v1/": {"auth": "', '"}}}'),
    "git remote": within("origin\thttps://bob:", WORD, 20, "@git.harbor.io/x.git (fetch)"),
    "git remote, token": within("https://x-access-token:", WORD, 40, "@git.harbor.io/a/b.git"),
    "git remote, only a token": within("https://", WORD, 40, "@git.harbor.io/a/b.git"),
    "curl": within("curl --user bob:", WORD, 16, " https://api.harbor.io"),
    "curl header": within("curl -H 'X-API-Key: ", WORD, 32, "' https://x"),
    "curl form": within("curl -d 'user=bob&password=", WORD, 14, "&x=1' https://x"),
    "curl cookie": within("curl -b 'sessionid=", WORD, 40, "' https://x"),
    "query": within("GET /login?token=", WORD, 32, "&x=1 HTTP/1.1"),
    "signed blob": within("https://a.blob.harbor.io/c/b?sv=2020&sig=", WORD, 44, "&se=2026"),
    "postgres": within("postgres://app:", WORD, 16, "@db.harbor.io:5432/prod"),
    "redis": within("redis://:", WORD, 20, "@cache:6379/0"),
    "connection string": within("Server=tcp:db;User ID=sa;Password=", WORD, 16, ";Encrypt=true"),
    "libpq": within("host=db user=app password=", WORD, 12, " dbname=x"),
    "environment of a call": within("PGPASSWORD=", WORD, 12, " psql -h db"),
    "sshpass": within("sshpass -p ", WORD, 12, " ssh bob@host"),
    "redis-cli": within("redis-cli -a ", WORD, 20, " ping"),
    "docker login": within("docker login -u bob -p ", WORD, 24, " reg.harbor.io"),
    "piped": within("echo '", WORD, 24, "' | docker login --password-stdin"),
    "sudo": within("echo ", WORD, 12, " | sudo -S true"),
    "YAML block": within("password: |\n  ", WORD, 20, "\nother: 1"),
    "YAML fold": within("api_token: >-\n    ", WORD, 40, "\n"),
    "YAML list": within("secrets:\n  - ", WORD, 40, "\n"),
    "kubernetes env": within("- name: API_TOKEN\n  value: ", WORD, 32, "\n"),
    "terraform": within('variable "db_password" {\n  default = "', WORD, 16, '"\n}'),
    "setenv": within("setenv API_TOKEN ", WORD, 32),
    "dockerfile": within("ENV API_TOKEN ", WORD, 32),
    "option": within("--api-key ", WORD, 32),
    "powershell": within('$env:API_KEY = "', WORD, 32, '"'),
    "XML": within("<password>", WORD, 14, "</password>"),
    "XML attribute": within('<add key="ApiKey" value="', WORD, 32, '"/>'),
    "bytes": within("app.secret_key = b'", WORD, 24, "'"),
    "pass": within("DB_PASS=", WORD, 14),
    "somebody's key": within("export ACME_KEY=", WORD, 30, "aB7"),
    "pass alone": within("pass=", WORD, 16, "aB7"),
    "prose": within("the password is ", WORD, 16, "aB7, please use it"),
    "prose, quoted": within("my password is '", WORD, 14, "'"),
    "token in prose": within("the token is ", WORD, 40),
    "cookie in JSON": within('{"Cookie": "session=', WORD, 40, '"}'),
    "cookie set": within("Set-Cookie: session=", WORD, 40, "; Path=/"),
    "unknown scheme": within("Authorization: ApiKey ", WORD, 40),
    "proxy": login("Proxy-Authorization: Basic "),
    "JSON web key": within('{"kty":"RSA","n":"x","d":"', URLSAFE, 86, '"}'),
    "putty": within("Private-Lines: 1\n", WORD + "+/", 64, "\nPrivate-MAC: 00"),
    "wireguard": within("[Interface]\nPrivateKey = ", WORD + "+/", 43, "=\n"),
    "file name": within("-rw-r--r-- 1 user user 12 ghp_", WORD, 36, ".txt"),
    "numbered lines": within(
        "  1\t-----BEGIN RSA PRIVATE KEY-----\n  2\t", WORD, 64, "\n  3\t-----END RSA PRIVATE KEY-----"
    ),
    "key on one line": within("-----BEGIN EC PRIVATE KEY-----", WORD, 160, "-----END EC PRIVATE KEY-----"),
    "encrypted key": within(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", WORD, 64, "\n-----END ENCRYPTED PRIVATE KEY-----"
    ),
    "coloured": within("\x1b[32mghp_", WORD, 36, "\x1b[0m"),
    "colours inside": pieced("\x1b[0m\x1b[32m"),
    "colours inside, written out": pieced("\\u001b[0m"),
    "no width inside": pieced("\u200b"),
    "a sum": pieced('" + "'),
    "an entity": within("ghp&#95;", WORD, 36),
    "an escape": within("ghp\\x5f", WORD, 36),
    "encoded twice": within("token%253Dghp_", WORD, 36),
    "password of digits and letters": within('{"password": "', WORD + "!#%", 14, '"}'),
    "numbers only": within("api_key=", HEX + DIGITS, 32),
}

_RNG = random.Random(3)
SHA, SHA256 = hashlib.sha1(b"x").hexdigest(), hashlib.sha256(b"x").hexdigest()
BASE64 = base64.b64encode(_RNG.randbytes(64)).decode()
UUID = uuid.UUID(int=_RNG.getrandbits(128))
SURVIVORS = [
    "pin scipy==1.11.4 until the wheel is there",
    "pin vue@3.4.21 and torch[cuda]>=2.2.0 in the lock file",
    "  --password PASSWORD   of the account",
    "      --auth-token TOKEN  of the service",
    "snmpget -v2c -c public sw1 sysName.0",
    'validate_password("login", "password")',
    "the word “password” stands in the header",
    "le mot de passe est demandé au démarrage",
    "密码是从环境变量读取的",
    f"HEAD is now at {SHA[:9]} fix token refresh", f"key: {SHA}", f"cache-key: node-{SHA256}",
    f'"k": "{SHA}"', f"docker pull alpine@sha256:{SHA256}", f'"integrity": "sha512-{BASE64}"',
    f"x/y v1.2.3 h1:{BASE64[:43]}=", f'checksum = "{SHA256}"', f"    --hash=sha256:{SHA256}",
    f"index {SHA[:7]}..{SHA[7:14]} 100644", f"session {UUID}",
    '"id":"toolu_01A09q90qw90lq917835lq9","name":"Bash"', '"request_id":"req_011CSHoEeqs5C35K2UUqR7Fy"',
    "password reset link sent", "the token is invalid", "password is required",
    "secret is base64-encoded", "password was changed yesterday",
    "Your token is expired; run gh auth login", "secretKeyRef:\n  name: my-secret\n  key: password-key",
    "secrets:\n  - my-first-secret-name\n  - other",
    "kubectl create secret generic my-secret --from-file=x", "tokenizer: meta-llama/Llama-2-7b-hf",
    "pass: 12, fail: 3", "tests pass: 100.00%", "First pass: 2026-01-05T06:00:00Z", "bypass=true",
    "--pass through", "passed: everything_is_fine",
    "authorization: handled elsewhere in the middleware", "Cookie: string",
    "Authorization: see the documentation for OAuth", "cookie: a small file that sites store",
    "cookies: {secure: true, httpOnly: true}", "git checkout -b feature/login-page",
    "npm login -p 3000", "docker run -p 8080:80 -u 1000:1000 x", 'echo "done" | tee log',
    'variable "region" {\n  default = "us-east-1"\n}',
    '"p": "hello world", "d": "2026-01-05", "k": "some_long_identifier_name_here_ok"',
    "key=value&sort=asc", "CACHE_KEY=user-profile-page-by-id", "https://x.y/z?key=primary_key_of_the_table_x&x=1",
    "https://maps.x/api?sig=off", "task-management-system-with-many-words-in-it",
    "disk-usage-analyzer-for-large-filesystems-x1",
    "secret_santa_list_for_the_whole_family_in_december_2025", "awk '{print $1$2}'",
    "\x1b[32mgreen\x1b[0m text", "a &amp; b &lt;c&gt;", "x = 'foo' + 'bar'",
    "machine learning login page password strength meter", "EAAAAAAAAAAAAA", "Bearer tokens are used",
    "src/auth/token_validator.py:123: error: Missing return", "if password == 'x':",
    "password = getpass.getpass()", "assert token == expected_token", "secret: !vault |",
    "credentials: include", "- name: LOG_LEVEL\n  value: debug-verbose-mode",
    "tokens\nInputTokens: 1234", "password > 8 characters", '"auth": "required"',
    "_auth = Authenticator()", "auth: BearerTokenAuthentication", f"refs/heads/main {SHA}",
    f"-----BEGIN CERTIFICATE-----\n{BASE64}\n-----END CERTIFICATE-----", 'Error: open("x")',
    "hex: 0xdeadbeefcafebabe",
]  # fmt: skip
