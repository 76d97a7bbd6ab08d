# SPDX-License-Identifier: Apache-2.0
"""Find user names in what `id` and `ls -l` print; accounts that systems come with are nobody's."""

import re
from collections.abc import Iterator

from node0.finetune.corpus.scrub.finding import Finding, Tier

LONGEST = 31
NAME = rf"[a-z_][a-z0-9_.-]{{0,{LONGEST}}}"
IDENTITY = re.compile(rf"uid=\d{{1,10}}\({NAME}\)[^\n]{{0,2000}}")
ACCOUNT = re.compile(rf"\d{{4,10}}\((?P<name>{NAME})\)")
"With a number of four digits or more: those below are the system's."

LISTED = re.compile(
    rf"[dlrwxsStT-]{{10}}[.+@]?[ \t]{{1,6}}\d{{1,6}}[ \t]{{1,6}}(?P<name>{NAME})"
    rf"[ \t]{{1,12}}(?P<group>{NAME})[ \t]{{1,16}}\d"
)
MODES = ("-rw-", "rwx")
"How the first column of a listing begins, of files and of what can be entered or run."

SYSTEM = re.compile(
    r"root|nobody|daemon|bin|sys|mail|www-data|nginx|apache|http|node|git|postgres|mysql|redis|dolt|docker|ubuntu|debian"
    r"|fedora|centos|alpine|pi|vagrant|vscode|codespace|gitpod|runner|ec2-user|azureuser|jenkins|gitlab-runner|admin"
    r"|app|user|users|staff|wheel|sudo|dev|build|builder|agent|default|coder|jovyan|nixbld|nogroup|owner|group|_.*"
    r"|systemd-.*|USER_\d+",
)


def login_names(text: str) -> Iterator[Finding]:
    """The user in a line of `id`, and the owners of listed files."""
    at = text.find("uid=")
    while at >= 0:
        line = IDENTITY.match(text, at)
        for match in ACCOUNT.finditer(text, at, line.end()) if line else ():
            yield from _named(match, "name")
        at = text.find("uid=", at + 4)
    for mode in MODES:
        at = text.find(mode)
        while at >= 0:
            start = at - (mode[0] == "r" and at > 0)
            owner = LISTED.match(text, start)
            if owner and (start == 0 or not text[start - 1].isalnum() or text[start - 1] in "nrt"):
                yield from _named(owner, "name")
                if owner["group"] == owner["name"]:
                    yield from _named(owner, "group")
            at = text.find(mode, at + 3)


def _named(match: re.Match[str], group: str) -> Iterator[Finding]:
    tier = Tier.KEEP if SYSTEM.fullmatch(match[group]) else Tier.REDACT
    yield Finding("user", tier, *match.span(group), match[group].lower())
