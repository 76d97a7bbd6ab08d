# SPDX-License-Identifier: Apache-2.0
"""The rules for secrets that what stands around them gives away, as a table.

A name before an equals sign, a header, a command: kind, where to look, what it looks like, who judges. A
rule is tried only where one of its anchors (literal strings) stands, and its pattern is bounded, so that
time is linear in the text.
"""

from node0.finetune.corpus.scrub.rules.judges import (
    GAP,
    argument,
    assigned,
    assigned_key,
    assigned_pass,
    authorization,
    aws_secret,
    basic,
    netrc,
    opaque,
    private_jwk,
    random_token,
    token,
    url_password,
)
from node0.finetune.corpus.scrub.rules.key_blocks import KEY_BLOCK_RULES
from node0.finetune.corpus.scrub.rules.secret_rule import LETTERS, SecretRule, make_rule

QUOTE = r"(?:\\{0,7}[\"'`])?"
SEPARATOR = (
    rf"(?:\s{{0,3}}|[ \t]{{4,40}})(?:=>|:=|==?|:|>)(?: ?[|>][+-]?(?=\s|\\))?{GAP}{{0,12}}(?:- {{1,3}})?"
    rf"|(?:{GAP}|,){{1,13}}{QUOTE}value{QUOTE}\s?[:=]{GAP}{{0,2}}"
)
"Between a name and its value: also a block of YAML, an item of a list, and an attribute of its own."

VALUE = (
    r"(?:[bBrRuUfF]{1,2}(?=\\{0,7}[\"']))?(?P<quote>\\{0,7}[\"'`])?"
    r"(?P<secret>(?(quote)(?:[^\s\"'`,;<>\\]|(?:[,;<>]|\\{1,7}[\"'])(?=[A-Za-z0-9!@#$%^&*])){6,512}"
    r"|(?(said)[^\s\"'`,;<>\\]{6,512}?(?=[.,;:!?)\]}]{0,3}(?:[\s\"'`,;<>\\]|\Z))"
    r"|(?:[^\s\"'`,;<>\\&]|&(?![\w.-]{1,40}=)){6,512}(?<![)\]}]))))"
)
"In quotes; in a sentence less what ends that; else one word without a bracket or another field behind it."

ASSIGNED = (
    rf"{QUOTE}\]?(?:\s{{0,2}}:\s{{0,2}}[A-Za-z][\w\[\]|. ]{{1,24}}?(?=\s?=))?"
    rf"(?:(?P<sep>{SEPARATOR})|(?P<said>\s{{1,2}}(?:is|was):?\s{{1,2}})|(?P<flag>[ \t]{{1,2}})){VALUE}"
)
"What follows the name."

UNQUOTED = r"[^\s'\";|&<>()]"
"A sign of a shell's word without quotes."

CONTEXT_RULES: tuple[SecretRule, ...] = (
    *KEY_BLOCK_RULES,
    make_rule(
        "aws-secret-key",
        "aws secret",
        r"(?:aws|secret)[^\n]{0,60}?(?<![\w/+-])(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
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
        r"(?:-b|--cookie)[ =]{1,2}['\"]?[\w.%-]{1,80}=(?P<secret>[^\s'\"]{8,4096})",
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
        "url-credentials",
        "://",
        r"://(?P<secret>[^\s/:\"'<>\\]{0,64}:(?:[^\s/@\"'<>\\]|@(?=[^\s/\"'<>\\]{0,256}@)){1,256})@",
        url_password,
    ),
    make_rule(
        "url-credentials",
        "@tcp( @unix( @tcp6(",
        r"[^\w\s\"'`<>]{0,8}(?P<secret>[\w.-]{1,64}:[^\s\"'`<>]{1,128}?)@(?:tcp6?|unix)\(",
        url_password,
        before=LETTERS + "!$%&*+,-./:;=?@^_~#",
        reach=192,
    ),
    make_rule(
        "url-credentials",
        ":thin: :oci:",
        r":(?:thin|oci):(?P<secret>[\w.$-]{1,64}/(?:[^\s@\"'<>\\]|@(?=[^\s\"'<>\\]{0,256}@)){1,128})@",
        url_password,
    ),
    make_rule("url-credentials", "://", r"://(?P<secret>[\w-]{20,256})@", random_token),
    make_rule("cli-password", "-p", r"-p(?P<quote>['\"])(?P<secret>[^'\"\n]{4,128})(?P=quote)", opaque),
    make_rule(
        "cli-password",
        "mysql",
        rf"mysql\w{{0,12}}[^\n|;]{{0,80}}?\s-p(?P<secret>{UNQUOTED}{{4,128}})",
        opaque,
    ),
    make_rule(
        "cli-password",
        "sshpass redis-cli ␣login␣",
        r"(?:sshpass| login(?= )|redis-cli)[^\n|;]{0,120}?\s(?:-[pa]|--pass)[ =]{1,2}"
        rf"['\"]?(?P<secret>{UNQUOTED}{{4,128}})",
        argument,
    ),
    make_rule(
        "cli-password",
        "echo␣",
        r"echo (?:-n )?['\"]?(?P<secret>[^\s'\"$|]{6,256})['\"]? ?\|[^\n]{0,120}?(?:-stdin|sudo -S)",
        opaque,
        needs=("-stdin", "sudo -S"),
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
    make_rule("assigned-secret", "_pw -pw", rf"(?P<name>[_-]pw){ASSIGNED}", assigned, fold=True),
    make_rule(
        "assigned-secret",
        "passw passphrase pwd secret token credential",
        rf"(?P<name>[\w-]{{3,64}}+){ASSIGNED}",
        assigned,
        fold=True,
    ),
)
