# SPDX-License-Identifier: Apache-2.0
"""The files that collect a town's sessions without a person: a script, a plugin of gt, a timer of systemd.

The script is what a harness's SessionEnd hook and the plugin call. A hook holds up the end of a session, and
gt kills what a session started: so it ends at once, with 0 whatever happens, and what it starts is in a
session of its own.
"""

import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from node0.town import Town

PLUGIN = "node0-collect"
EXECUTABLE, DATA = 0o700, 0o644

_SCRIPT = """\
#!/bin/sh
# Start {command} apart from here, and end at once; written by `node0 town install`.
if [ "${{1-}}" = apart ]; then
  umask 077
  # The lock comes first: whoever finds it held leaves the log of its holder alone.
  if command -v flock >/dev/null 2>&1 && [ "${{2-}}" != locked ]; then
    exec flock -n {lock} {script} apart locked
  fi
  exec >{log} 2>&1
  exec {program} {command} --town {town}
fi
# A hook's input is taken and not needed: what is new is found without it.
[ -t 0 ] || timeout 0.3 cat >/dev/null 2>&1
apart=nohup
command -v setsid >/dev/null 2>&1 && apart=setsid
$apart {script} apart </dev/null >/dev/null 2>&1 &
exit 0
"""

_PLUGIN = """\
+++
name = "{name}"
description = "{description}"
version = 1

[gate]
type = "cooldown"
duration = "{duration}"

[tracking]
labels = ["plugin:{name}", "category:{category}"]
digest = false

[execution]
type = "script"
timeout = "1m"
notify_on_failure = false
severity = "low"
+++

# {title}

Run `run.sh` of this plugin's directory. It starts work apart and ends at once: there is nothing to report.
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


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of gt whose `run.sh` calls a script of ours."""

    name: str
    title: str
    description: str
    category: str
    duration: str
    "Between two runs, as gt spells it."

    def files(self, town: Town, script: Path) -> dict[Path, tuple[str, int]]:
        """The plugin's files with their modes."""
        directory = town.plugins / self.name
        run = _RUN.format(script=shlex.quote(str(script)))
        return {
            directory / "plugin.md": (_PLUGIN.format(**asdict(self)), DATA),
            directory / "run.sh": (run, 0o755),
        }


COLLECT = Plugin(
    PLUGIN, "Collect sessions", "Collect the sessions that ended into the corpus", "corpus", "1h"
)


def collect_script(town: Town, program: Path) -> str:
    """The script that collects; `program` is `node0`, absolute."""
    return apart_script(town, program, script=town.collect_script, command="corpus collect")


def apart_script(town: Town, program: Path, *, script: Path, command: str) -> str:
    """A script that starts a command of ours in a session of its own, one at a time.

    Args:
        town: that the command is for.
        program: `node0`, absolute.
        script: where the script lies; its log and its lock lie beside it.
        command: words that need no quotes.
    """
    log, lock = written_by(script)
    places = {"script": script, "lock": lock, "program": program, "town": town.root, "log": log}
    quoted = {name: shlex.quote(str(place)) for name, place in places.items()}
    return _SCRIPT.format(**quoted, command=command)


def written_by(script: Path) -> tuple[Path, Path]:
    """The log and the lock of a script that starts a command apart."""
    return script.with_suffix(".log"), script.with_name(f".{script.stem}.lock")


def plugin_files(town: Town) -> dict[Path, tuple[str, int]]:
    """The files of the plugin that collects, with their modes."""
    return COLLECT.files(town, town.collect_script)


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
