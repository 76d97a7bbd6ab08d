# SPDX-License-Identifier: Apache-2.0
"""The rules for secrets that a command is given: options, operands, standard input, as the manuals say.

Which option of which program takes a password is a table; a long option says it by its name.
"""

import re

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.handed_over import (
    VALUE,
    command_before,
    handed,
    is_odd,
    line_before,
    odd,
)
from node0.finetune.corpus.scrub.rules.judges import SOURCE
from node0.finetune.corpus.scrub.rules.label_texts import is_placeholder_login
from node0.finetune.corpus.scrub.rules.named_tests import RESULT_ALONE, names_a_test
from node0.finetune.corpus.scrub.rules.secret_rule import LETTERS, WORD, SecretRule, make_rule
from node0.finetune.corpus.scrub.rules.secret_values import NAMES_ITSELF

ATTACHED = {"p": r"sshpass|mysql\w*|mariadb[\w-]*|7z\w*|rar|unrar", "P": r"bcp|sqlcmd|isql", "o": r"7z"}
"Programs whose option stands before its value without a space; with one it is something else."

SPACED = {
    "p": r"sshpass|twine|mongo\w*|cqlsh|influx|useradd|usermod|ipmitool|pscp|plink|putty|grant|rclone|nuget"
    r"|rdesktop|ncftp\w*|psexec\w*|certutil|steghide|airflow|superset|fab|hdbsql|elasticsearch-users"
    r"|(?:docker|podman|nerdctl|buildah|skopeo|oras|crane|helm"
    r"|az|oc|cf|acr|tsh|argocd|ibmcloud|eksctl)\b[^|;&\n]{0,120}\blogin",
    "P": r"zip\w*|unzip|bcp|sqlcmd|isql|osql|mosquitto_\w+|ssh-keygen|ipmitool|snmp\w+|onesync|rar",
    "a": r"redis-cli|valkey-cli",
    "w": r"ldap\w+|sshpass|security|kadmin\w*",
    "c": r"snmp\w+",
    "s": r"slappasswd|ldappasswd",
    "b": r"gh",
    "t": r"doctl",
    "k": r"openssl|nuget|dotnet",
    "K": r"openssl",
    "N": r"ssh-keygen",
    "A": r"snmp\w+",
    "X": r"snmp\w+",
    "y": r"wget",
}
USER_OPTION = re.compile(
    r"(?<!sudo)(?<!\bsu)(?<!runuser) "
    r"(?:(?:-[uU]|--user(?:name)?|--login|--uid)(?:[ =]['\"]?[A-Za-z]|(?<=-[uU])[a-z])"
    r"|(?:-D|--bind-?dn)[ =]?['\"]?(?:cn|uid|dc|ou)=)"
)
"What names an account: with it beside, `-p` and its like take a password in any program."

PUBLISHED = re.compile(r"[\d.:]+(?:/\w+)?$")
"A port, or two, with a protocol."

SEPARATE = re.compile(r"[|;&]|\$\(")
NAMED = (
    r"(?:[\w.-]{0,40}(?:pass(?:word|wd|phrase|code)?|pw|pwd"
    r"|secret|secret-string|token|oauth2-bearer|pin|api-?key|access-?key|credentials?))"
)
STORES = re.compile(r"secret|passw|keyvault|vault|SecureString|credential", re.IGNORECASE)
EXPANDED = re.compile(r"\$\{?\w{1,64}\}?")
"What a variable is called says nothing of the command."

READS_SECRET = re.compile(
    r"passw|passphrase|login|auth|secret|token|luks|cryptsetup|-stdin|sudo\b[^|]{0,20}-S|chpasswd|kinit|su -"
    r"|keepass|\bvault\b|\bgpg\b|\b(?:bw|op) unlock|borg\b|restic\b|openssl"
    r"|read -s|pass insert",
    re.IGNORECASE,
)
COMMUNITY = "c"
"Options of SNMP that take a word which is the same nearly everywhere, or a secret."

METAVAR = re.compile(r"<?[A-Z][A-Z_-]*>?")
"What a help text has where a value would stand."

NOT_A_SECRET = re.compile(
    r"(?:[-/.](?:file|stdin|env|command|path|prompt|fd|name|id|type|url|ttl|only)|^(?:no|with))$"
)


def short_option(match: re.Match[str]) -> Tier | None:
    """An option of one letter, if it takes a password in this program."""
    option, gap = match.group("option"), match.group("gap")
    if match.group("secret").startswith("-"):
        return None
    command = SEPARATE.split(command_before(match))[-1]
    programs = (SPACED if gap else ATTACHED).get(option)
    if programs and re.search(rf"(?:^[+\-<>$#%]{{0,2}}|[\s/\"'`(])(?:{programs})(?=\s)", command + " "):
        return odd(match) if option in COMMUNITY else handed(match)
    beside_user = gap and option in "pPw" and USER_OPTION.search(command)
    return odd(match) if beside_user and not PUBLISHED.match(match.group("secret")) else None


def long_option(match: re.Match[str]) -> Tier | None:
    """An option whose name says what it takes."""
    value, name = match.group("secret"), match.group("name")
    if NOT_A_SECRET.search(name) or value.startswith("-") or SOURCE.match(value):
        return None
    if METAVAR.fullmatch(value) and NAMES_ITSELF.search(value.replace("PASS", "PASSW")):
        return None
    if re.search(r"pass|pw", name, re.IGNORECASE):
        return handed(match) if match.group("quote") or is_odd(value) or "--" in match.group() else None
    return odd(match)


def operand(match: re.Match[str]) -> Tier | None:
    """What a command or a protocol takes as a password; a test that passed is named in the same way."""
    tier = odd(match)
    return None if tier and names_a_test(match, RESULT_ALONE) else tier


def of_store(match: re.Match[str]) -> Tier | None:
    """The value that a command puts into a store of secrets."""
    return odd(match) if STORES.search(EXPANDED.sub("", line_before(match))) else None


def of_login(match: re.Match[str]) -> Tier | None:
    """User and password of a program that asks a server."""
    user = re.split(r"[\s='\"]", match.group()[: match.start("secret") - match.start()])[-1]
    if is_placeholder_login(user[:-1], match["secret"]):
        return Tier.KEEP
    return (
        handed(match)
        if re.search(r"\b(?:curl|wget|https?|xh|aria2c|lftp|smb\w+|rpcclient|net)\b", line_before(match))
        else odd(match)
    )


def to_stdin(match: re.Match[str]) -> Tier | None:
    """What is put into the standard input of a program that reads a password from it."""
    line = line_before(match) + match.string[match.end() : match.end() + 80].partition("\n")[0]
    return handed(match) if READS_SECRET.search(line) and "chpasswd" not in line else None


POSITIONAL_ANCHORS = (
    "vault␣login bw␣ rclone␣obscure mkpasswd openssl␣passwd drush␣ mc␣alias mc␣config "
    "cargo␣login wandb␣login ngrok␣authtoken unseal␣ mosquitto_passwd "
    "encrypt_string user_pw owner_pw input_pw --encrypt plaintext x11vnc IDENTIFY␣ PASS␣ OPER␣"
)
POSITIONAL = (
    r"vault login(?: -\S{1,40}){0,3}|bw (?:login \S{1,80}|unlock)|rclone obscure"
    r"|(?:mkpasswd|openssl passwd)(?: -{1,2}[\w-]{1,16}(?:[ =](?:sha-?\d{3}|md5|des|bcrypt|yescrypt))?){0,3}"
    r"|cargo login|wandb login(?: --relogin)?|ngrok authtoken|unseal"
    r"|mosquitto_passwd(?: -\w{1,4}){1,3} \S{1,128} [\w.@-]{1,64}"
    r"|drush (?:user:password|user-password|upwd) \S{1,64}"
    r"|mc (?:alias set|config host add) \S{1,64} \S{1,128} \S{1,64}"
    r"|encrypt_string(?: -{1,2}[\w-]{1,24}(?: [\w@./-]{1,40})?){0,3}"
    r"|(?:user|owner|input)_pw|qpdf --encrypt|--encrypt|plaintext|x11vnc -passwd"
    r"|IDENTIFY(?: \w{1,32}(?= \S{4}))?|PASS|OPER \w{1,32}"
)
"Commands, of shells and of protocols, whose operand is a password (RFC 959, RFC 2812)."

SHELL_RULES: tuple[SecretRule, ...] = (
    make_rule(
        "cli-password",
        "␣-",
        rf" -(?P<option>[A-Za-z])(?P<gap>[ \t=]{{1,2}})?{VALUE}",
        short_option,
        after=LETTERS,
    ),
    make_rule(
        "cli-password",
        "␣-",
        rf" --?(?P<name>{NAMED})(?:=|[ \t]{{1,2}}){VALUE}",
        long_option,
        after=WORD + ".-",
    ),
    make_rule(
        "cli-password",
        "␣-",
        rf" --?(?:value|data|string|body|from-literal|set|set-string"
        rf"|e|extra-vars)(?:=|[ \t]{{1,2}})(?![\"'][\w./-]{{1,60}}=)(?:[\w./-]{{1,60}}=)?{VALUE}",
        of_store,
        after="-vdsbfe",
    ),
    make_rule(
        "cli-password",
        "␣-",
        r" --?(?:from-literal|set|set-string|e|extra-vars)(?:=|[ \t]{1,2})(?P<quote>['\"])[\w./-]{1,60}="
        r"(?P<secret>(?:(?!(?P=quote))[^\n]){3,200})(?P=quote)",
        of_store,
        after="-fse",
    ),
    make_rule(
        "cli-password",
        "send␣",
        r"send(?: --)? (?P<quote>\\{0,7}[\"'])(?P<secret>[^\"'\n\\]{4,128})\\{1,8}[rn]",
        odd,
    ),
    make_rule(
        "cli-password",
        "␣-",
        r" (?:-?-auth|--(?:(?:src|dest)-)?creds|--credentials|--basic-auth|-u|--user|--proxy-user|-U|-a)"
        r"[ =]?(?P<quote>['\"])?[^\s:%,'\"/]{1,64}(?:[:%]|,(?P<q2>['\"])?)"
        r"(?P<secret>(?(quote)(?:(?!(?P=quote))[^\n]){3,128}"
        r"|(?:[^\s'\":;|&<>()@]|@(?![\w-]{1,63}[.:]|[a-z-]{1,63}(?:['\"\s]|\Z))){4,128}))(?(quote)(?P=quote))",
        of_login,
        after="-uUa",
    ),
    make_rule(
        "cli-password",
        "set␣-",
        rf"set -\w{{1,4}} (?P<name>\w{{0,40}}(?:PASS|PW|PWD|SECRET|TOKEN|KEY)\w{{0,24}}"
        rf"|\w{{0,40}}(?:passw|secret|token)\w{{0,24}})"
        rf"[ \t]{{1,2}}{VALUE}",
        odd,
    ),
    make_rule(
        "cli-password",
        "user␣=",
        r"user ?= ?(?P<quote>\\{0,7}[\"'])[\w.@-]{1,64}:"
        r"(?P<secret>(?:(?!(?P=quote))[^\n]){3,128})(?P=quote)",
        odd,
    ),
    make_rule("cli-password", "␣/rp␣ ␣-p:", rf" (?:/rp |-p:){VALUE}", handed, fold=True),
    make_rule(
        "cli-password",
        "config␣ configure␣",
        r"config(?:ure)? [^\n|;&]{0,120}?"
        rf"(?i:passw\w{{0,16}}|secret\w{{0,24}}|token\w{{0,16}}|_auth|http-basic\.\S{{1,40}} \S{{1,64}})"
        rf"[= ]{VALUE}",
        odd,
    ),
    make_rule("cli-password", POSITIONAL_ANCHORS, rf"(?:{POSITIONAL})[ \t]{{1,2}}{VALUE}", operand),
    make_rule("cli-password", "pass", rf"pass:{VALUE}", handed, fold=True, needs=("openssl", "-pass")),
    make_rule(
        "cli-password",
        "pass",
        r"pass(?:out|in)?[ =]{1,2}(?P<q>['\"])pass:(?P<secret>[^'\"\n]{3,200})(?P=q)",
        handed,
        fold=True,
        needs=("pass:",),
    ),
    make_rule(
        "cli-password",
        "chpasswd",
        r"chpasswd(?: -\w)?[ \t]{0,2}<<<[ \t]{0,2}(?P<quote>['\"])?[\w.-]{1,64}:"
        r"(?P<secret>(?(quote)(?:(?!(?P=quote))[^\n]){3,200}|[^\s'\"$|;&]{4,256}))(?(quote)(?P=quote))",
        handed,
    ),
    make_rule("cli-password", "<(echo␣ <(printf␣", rf"<\((?:echo|printf)(?: -\w)? {VALUE}", to_stdin),
    make_rule("cli-password", "<<<", rf"<<<[ \t]{{0,2}}{VALUE}", to_stdin),
    make_rule(
        "cli-password",
        "echo␣ printf␣",
        r"(?:echo|printf)(?: -\w{1,3})?(?: ['\"]%s(?:\\n)?['\"])? (?P<quote>['\"])?(?:[\w.-]{1,32}:)?"
        r"(?P<secret>(?(quote)(?:(?!(?P=quote))[^\n]){3,200}|[^\s'\"$|;&]{4,256}))(?(quote)(?P=quote)) ?\|"
        r"[^\n]{0,120}?(?:-stdin|sudo\b[^|\n]{0,20} -S|chpasswd|cryptsetup|--with-token|passwd|kinit"
        r"|passphrase-fd|secrets? (?:create|set|put|add)|secrets versions add|keepassxc-cli"
        r"|pass insert|-pass fd:0)",
        handed,
    ),
    make_rule(
        "cli-password",
        "rabbitmqctl wpa_passphrase htpasswd sendemail␣",
        rf"(?:sendemail [^\n|;&]{{0,200}}? -xp|rabbitmqctl[^\n|;]{{0,40}}?(?:add_user|change_password"
        rf"|authenticate_user)[ \t]{{1,2}}[\w.@-]{{1,64}}"
        rf"|wpa_passphrase[ \t]{{1,2}}(?:\S{{1,32}}|\"[^\"\n]{{1,32}}\"|'[^'\n]{{1,32}}')"
        rf"|htpasswd[ \t]{{1,2}}-\w{{0,6}}b\w{{0,6}}(?:[ \t]{{1,2}}-\w{{1,6}}){{0,3}}[ \t"
        rf"]{{1,2}}(?:\S{{1,128}}[ \t]{{1,2}})?[\w.@-]{{1,64}})[ \t]{{1,2}}{VALUE}",
        handed,
    ),
    make_rule(
        "cli-password",
        "net␣u",
        rf"net use?r?[ \t]{{1,2}}(?:[\w.-]{{1,64}}|(?:[A-Za-z*]:?[ \t]{{1,2}})?\\\\\S{{1,128}}"
        rf")(?:[ \t]{{1,2}}/user:\S{{1,80}})?[ \t]{{1,2}}(?![/*]){VALUE}",
        handed,
        fold=True,
    ),
    make_rule(
        "cli-password",
        "convertto-securestring",
        rf"ConvertTo-SecureString(?:[ \t]{{1,2}}-(?:String|AsPlainText|Force)){{0,3}}[ \t]{{1,2}}{VALUE}",
        handed,
        fold=True,
    ),
    make_rule("cli-password", "␣/p ␣'/p", rf" ['\"]?/p(?:ass(?:word)?|wd)?:{VALUE}", handed, fold=True),
    make_rule(
        "cli-password",
        "sqlplus conn impdp expdp sqlldr rman",
        r"(?:sqlplus|conn(?:ect)?|impdp|expdp|sqlldr|rman(?: target)?)"
        r"(?:[ \t]{1,2}-\w{1,8}){0,3}[ \t]{1,2}['\"]?[\w$#]{1,64}/"
        r"(?P<quote>\")?(?P<secret>(?(quote)[^\"\n]{3,128}|[^\s/@\"']{4,128}))"
        r"(?(quote)\")(?=['\"]?(?:@|\s|;|\Z))",
        odd,
        fold=True,
    ),
    make_rule(
        "cli-password",
        "AUTH␣ requirepass masterauth SETUSER",
        rf"(?:AUTH(?:[ \t]{{1,2}}[\w.@-]{{1,64}}(?=[ \t]{{1,2}}[^\s-]))?"
        rf"|requirepass|masterauth|SETUSER[^\n]{{1,80}}?>(?=\S))[ \t]{{0,2}}"
        rf"(?<=[ \t>]){VALUE}",
        odd,
    ),
    make_rule(
        "cli-password",
        "nmcli",
        rf"nmcli[^\n|;]{{0,120}}?password[ \t]{{1,2}}{VALUE}",
        handed,
    ),
)
