# SPDX-License-Identifier: Apache-2.0
"""The files that collect a town's sessions without a person: a script, a plugin of gt, a timer of systemd.

The script is what a harness's SessionEnd hook and the plugin call. A hook holds up the end of a session, and
gt kills what a session started: so it ends at once, with 0 whatever happens, and what it starts is in a
session of its own.
"""

import re
import shlex
from pathlib import Path

from node0.town import Town

PLUGIN = "node0-collect"
EXECUTABLE, DATA = 0o700, 0o644

_SCRIPT = """\
#!/bin/sh
# Start collecting the sessions of this town, and end at once; written by `node0 town install`.
if [ "${{1-}}" = apart ]; then
  umask 077
  exec >{log} 2>&1
  if command -v flock >/dev/null 2>&1; then
    exec flock -n {lock} {program} corpus collect --town {town}
  fi
  exec {program} corpus collect --town {town}
fi
# A hook's input is taken and not needed: the collector finds what is new by itself.
[ -t 0 ] || timeout 0.3 cat >/dev/null 2>&1
apart=nohup
command -v setsid >/dev/null 2>&1 && apart=setsid
$apart {script} apart </dev/null >/dev/null 2>&1 &
exit 0
"""

_PLUGIN = f"""\
+++
name = "{PLUGIN}"
description = "Collect the sessions that ended into the corpus"
version = 1

[gate]
type = "cooldown"
duration = "1h"

[tracking]
labels = ["plugin:{PLUGIN}", "category:corpus"]
digest = false

[execution]
type = "script"
timeout = "1m"
notify_on_failure = false
severity = "low"
+++

# Collect sessions

Run `run.sh` of this plugin's directory. It starts the collector and ends at once; there is nothing to report.
"""

_RUN = """\
#!/bin/sh
# Written by `node0 town install`.
[ ! -x {script} ] || {script} </dev/null
exit 0
"""

_SERVICE = """\
# Written by `node0 town install`.
[Unit]
Description=Collect the sessions of the Gas Town at {town}

[Service]
Type=oneshot
ExecStart={command}
Nice=10
UMask=0077
NoNewPrivileges=yes
"""

_TIMER = """\
# Written by `node0 town install`.
[Unit]
Description=Collect the sessions of the Gas Town at {town} every hour

[Timer]
OnCalendar=hourly
RandomizedDelaySec=5min
Persistent=yes

[Install]
WantedBy=timers.target
"""


def collect_script(town: Town, program: Path) -> str:
    """The script; `program` is `node0`, absolute."""
    places = {
        "script": town.collect_script,
        "lock": town.models / ".collect.lock",
        "program": program,
        "town": town.root,
        "log": town.models / "collect.log",
    }
    quoted = {name: shlex.quote(str(place)) for name, place in places.items()}
    return _SCRIPT.format(**quoted)


def plugin_files(town: Town) -> dict[Path, tuple[str, int]]:
    """The plugin's files with their modes."""
    directory = town.plugins / PLUGIN
    run = _RUN.format(script=shlex.quote(str(town.collect_script)))
    return {directory / "plugin.md": (_PLUGIN, DATA), directory / "run.sh": (run, 0o755)}


def unit_name(town: Town) -> str:
    """The name of the town's units, without their kind."""
    return f"{PLUGIN}-{re.sub(r'[^A-Za-z0-9_.-]', '_', town.slug)}"


def unit_files(town: Town, program: Path, *, directory: Path) -> dict[Path, tuple[str, int]]:
    """The service and its timer, below a directory of user units, with their modes."""
    words = [str(program), "corpus", "collect", "--town", str(town.root)]
    values = {"town": _specifiers(str(town.root)), "command": " ".join(map(_unit_word, words))}
    files = {"service": _SERVICE, "timer": _TIMER}
    return {
        directory / f"{unit_name(town)}.{kind}": (text.format(**values), DATA) for kind, text in files.items()
    }


def _unit_word(word: str) -> str:
    """A word of a command line, by systemd.service(5)."""
    escaped = _specifiers(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
