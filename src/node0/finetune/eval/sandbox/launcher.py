# SPDX-License-Identifier: Apache-2.0
"""First program inside the sandbox: takes rights away from itself, then becomes the command.

It runs as a file of its own under `python -I -S`, so it imports nothing of the project. Arguments: a JSON
object `{"uid": number or null, "directory": path, "limits": {"RLIMIT_AS": bytes, ...}}`, then the command.
"""

import json
import os
import resource
import sys

NOT_STARTED = 125
"Exit code where the command could not be started with these limits."


def main(arguments: list[str]) -> int:
    """Set limits and user, then replace this process; returns only where that failed."""
    asked = json.loads(arguments[0])
    try:
        for name, most in asked["limits"].items():
            resource.setrlimit(getattr(resource, name), (most, most))
        if asked["uid"] is not None:
            _become(asked["uid"])
        os.chdir(asked["directory"])
        os.umask(0o077)
        os.execvp(arguments[1], arguments[1:])
    except OSError as error:
        sys.stderr.write(f"{arguments[1]}: {error.strerror}\n")
    return NOT_STARTED


def _become(uid: int) -> None:
    """Another user and group for good, in no further group."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
