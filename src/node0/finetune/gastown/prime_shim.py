# SPDX-License-Identifier: Apache-2.0
"""A `gt` in a directory of its own: it asks `gt-model prime` for agents of ours, the real gt for all else.

A hook of our agents calls it, and puts its directory before PATH for the commands of that session, since gt
tells every agent to run `gt prime`. Whatever breaks in our program, the real command's words are printed.
"""

import shlex
from pathlib import Path

from node0.finetune.gastown.collection_files import EXECUTABLE
from node0.town import Town

PROGRAM = "gt-model"

_SHIM = """\
#!/bin/sh
# gt, with a prime of our own for agents of ours; written by `node0 town install`.
here={directory}
real=
IFS=:
for place in $PATH; do
  [ "$place" -ef "$here" ] || real=$real${{real:+:}}$place
done
unset IFS
case "${{GT_AGENT-}} $*" in
  ft-*' prime' | ft-*' prime --hook') ;;
  *)
    PATH=$real
    export PATH
    exec gt "$@"
    ;;
esac
# A harness that takes settings for later commands of the session is told of this directory.
if [ -n "${{CLAUDE_ENV_FILE-}}" ]; then
  printf 'export PATH=%s:"$PATH"\\n' {quoted_twice} >>"$CLAUDE_ENV_FILE"
fi 2>/dev/null
PATH=$real
export PATH
# The last line is the exit code: a command substitution takes the ends of lines away.
said=$({program} "$@" && echo x0 || echo "x$?")
code=${{said##*x}}
said=${{said%x*}}
if [ "$code" != 0 ] && [ -z "$said" ]; then
  exec gt "$@"
fi
printf '%s' "$said"
exit "$code"
"""


def shim_files(town: Town, program: Path) -> dict[Path, tuple[str, int]]:
    """The file with its mode; `program` is `node0`, absolute, beside which `gt-model` lies."""
    directory = shlex.quote(str(town.prime_shim.parent))
    text = _SHIM.format(
        directory=directory,
        quoted_twice=shlex.quote(directory),
        program=shlex.quote(str(program.with_name(PROGRAM))),
    )
    return {town.prime_shim: (text, EXECUTABLE)}
