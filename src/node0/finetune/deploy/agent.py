# SPDX-License-Identifier: Apache-2.0
"""The agent of a deployed version: an entry made only of keys that gt knows, and the harness's settings file.

Everything that counts is in the arguments: gt drops an agent's `env` when its daemon restarts a role.
The files lie below their own digest, so that an agent that comes back finds the ones that it had.
"""

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0.files import write_atomically
from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.deploy.endpoint import Endpoint
from node0.town import Town

DIGEST = 12
"Characters of a digest in a path."

KEPT_FREE = 13_000
"Tokens that Claude Code 2.1.330 keeps free beside an answer: it sums a session up before it gets there."

SUMMARY_REQUEST = 2_000
"Tokens, with some to spare, of what it says when it asks for that."


@dataclass(frozen=True, slots=True)
class Agent:
    """What stands in the town for a version."""

    name: str
    entry: dict[str, Any]
    "The value of `agents.NAME` in `settings/config.json`."

    files: dict[Path, str]
    "Its own files, whole."

    programs: frozenset[Path] = frozenset()
    "Those of them that are run."

    def write_files(self) -> None:
        """Write them, readable by their owner alone: they may hold a token."""
        for path, text in self.files.items():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(path, text)
            path.chmod(0o700 if path in self.programs else 0o600)


def claude_agent(name: str, profile: DeploymentProfile, endpoint: Endpoint, *, town: Town) -> Agent:
    """An agent that runs Claude Code against an endpoint, with the profile's card, tools and window.

    Args:
        name: of the agent; its files go below the town's directory for it, in one that their content names.
        profile: of the role that it works in.
        endpoint: names the model that it serves.
        town: whose sessions are collected when they end, once collecting is installed there.
    """
    hooks = prime_command(town.prime_shim), session_end_command(town.collect_script)
    text = pretty(_settings(profile, endpoint, *hooks))
    place = place_of(name, town, text, profile.card or "")
    settings, card = place / "settings.json", place / "card.md"
    args = ["--dangerously-skip-permissions", "--setting-sources", "user", "--settings", str(settings)]
    args += ["--model", endpoint.model]
    if profile.tools:
        args += ["--tools", ",".join(tool.name for tool in profile.tools)]
    files = {settings: text}
    if profile.card is not None:
        args += ["--system-prompt-file", str(card)]
        files[card] = profile.card
    return Agent(name, {"provider": "claude", "command": "claude", "args": args}, files)


def place_of(name: str, town: Town, *texts: str) -> Path:
    """The directory of an agent's own files, in the town's for it; their content names it."""
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:DIGEST]
    return town.models / "agents" / name / digest


def pretty(content: dict[str, Any]) -> str:
    """A settings file's text."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def session_end_command(script: Path) -> str:
    """What a harness runs when a session ends: the script that collects, or nothing where there is none."""
    quoted = shlex.quote(str(script))
    return f"[ ! -x {quoted} ] || {quoted}"


def prime_command(shim: Path) -> str:
    """What a harness runs when a session begins: our `gt` where it is installed, else the real one."""
    quoted = shlex.quote(str(shim))
    return f"if [ -x {quoted} ]; then {quoted} prime --hook; else gt prime --hook; fi"


def _settings(profile: DeploymentProfile, endpoint: Endpoint, at_start: str, at_end: str) -> dict[str, Any]:
    """Keys that were seen to work; without the window a model that it does not know has a million tokens."""
    prime, collect = (
        [{"matcher": "", "hooks": [{"type": "command", "command": one}]}] for one in (at_start, at_end)
    )
    return {
        "env": _environment(profile, endpoint) | _own_tools(profile),
        # gt starts it with --dangerously-skip-permissions; of that it would ask once in each home.
        "skipDangerousModePermissionPrompt": True,
        "hooks": {"SessionStart": prime, "PreCompact": prime, "SessionEnd": collect},
    }


def _environment(profile: DeploymentProfile, endpoint: Endpoint) -> dict[str, str]:
    """Of the harness; its window is the one of which it uses as much as the profile's holds."""
    window = profile.context_window - SUMMARY_REQUEST + KEPT_FREE
    return {
        "ANTHROPIC_BASE_URL": endpoint.url,
        "ANTHROPIC_AUTH_TOKEN": "local",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": endpoint.model,
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(window),
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(profile.max_output_tokens),
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
        "CLAUDE_CODE_DISABLE_THINKING": "1",
        "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1",
        "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "ENABLE_TOOL_SEARCH": "false",
    }


def _own_tools(profile: DeploymentProfile) -> dict[str, str]:
    """What puts the profile's tools into a request's body, in the place of the harness's words on them.

    Those are up to 10 KB for several tools. For one they fit, and the harness's own log of its requests,
    which it does not keep of a body that it was given tools for, is worth more.
    """
    if len(profile.tools) < 2:
        return {}
    body = {"tools": profile.tool_list()}
    return {"CLAUDE_CODE_EXTRA_BODY": json.dumps(body, ensure_ascii=False, separators=(",", ":"))}
