# SPDX-License-Identifier: Apache-2.0
"""The user's own systemd, asked to run a timer or to forget it; where there is none, why not."""

import shutil
import subprocess

SECONDS = 20.0


def start_timer(unit: str) -> str | None:
    """Let a timer run from now on and after each login; None when it does, else what stood in the way."""
    return _call("daemon-reload") or _call("enable", "--now", unit)


def stop_timer(unit: str) -> str | None:
    """Stop a timer for good; None when that is done, else what stood in the way."""
    return _call("disable", "--now", unit)


def is_enabled(unit: str) -> bool:
    """Whether a timer runs after each login."""
    return _call("is-enabled", unit) is None


def _call(*words: str) -> str | None:
    program = shutil.which("systemctl")
    if program is None:
        return "there is no systemctl on PATH"
    command = [program, "--user", "--no-ask-password", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"systemctl --user does not answer ({type(error).__name__})"
    said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
    return (said or f"systemctl --user {words[0]} ended with {done.returncode}") if done.returncode else None
