# SPDX-License-Identifier: Apache-2.0
"""The agent of a version that pi runs: an entry of known keys, a program, an extension and pi's settings.

pi 0.73.1 takes an extension by `-e`, which may register a provider. Its settings it takes from its agent
directory alone, and they matter: by default it keeps 16,384 tokens free, so a smaller window is summed up
after every turn. So the command is a program of ours called `pi`, which gives it a directory of its own and
leaves its sessions in the usual place. Nothing is written into `~/.pi`, which is its user's. With
`--no-extensions` gt's own extension is left out, which puts the prime twice into a request; ours calls `gt`
in its place, and tells it the session's real id.
"""

import json
import shlex
from pathlib import Path
from typing import Any

from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.chat.tool_names import names_among
from node0.finetune.deploy.agent import Agent, place_of, pretty
from node0.finetune.deploy.endpoint import Endpoint
from node0.town import Town

PROVIDER = "ft"
"Of the endpoint, in pi."

TOOLS = frozenset({"bash", "read", "write", "edit", "grep", "find", "ls"})
"pi's own, of those that a profile's tool may be the same as."

_ALONE = (
    *("--no-extensions", "--no-skills", "--no-prompt-templates", "--no-themes", "--no-context-files"),
    "--offline",
)
"What a home or a directory adds is left out, and nothing is fetched at the start."

_PROGRAM = """\
#!/bin/sh
# pi for agent {name}; written by node0.
[ ! -x {shim} ] || PATH={shim_directory}:$PATH
sessions=${{PI_CODING_AGENT_DIR:-$HOME/.pi/agent}}/sessions/--$(pwd | sed 's,^/,,; s,[/:],-,g')--
PI_CODING_AGENT_SESSION_DIR=$sessions
PI_CODING_AGENT_DIR={directory}
export PATH PI_CODING_AGENT_SESSION_DIR PI_CODING_AGENT_DIR
exec pi "$@"
"""

_EXTENSION = """\
// pi for agent {name}; written by node0.
import {{ existsSync }} from "node:fs";

const collect = {collect};
const provider = {provider};

export default (pi) => {{
  let prime = "";

  // What gt prints; nothing where it fails: a session goes on without.
  const said = async (source) => {{
    process.env.GT_HOOK_SOURCE = source;
    const done = await pi.exec("gt", ["prime", "--hook"]).catch(() => ({{ code: 1 }}));
    delete process.env.GT_HOOK_SOURCE;
    return done.code === 0 ? done.stdout.trim() : "";
  }};

  pi.registerProvider({provider_name}, provider);

  pi.on("session_start", async (event, context) => {{
    process.env.GT_SESSION_ID = context.sessionManager.getSessionId();
    prime = await said(event.reason === "resume" ? "resume" : "startup");
  }});
  pi.on("session_compact", async () => {{
    prime = await said("compact");
  }});
  pi.on("before_agent_start", async () => {{
    if (!prime) return;
    const content = prime;
    prime = "";
    return {{ message: {{ customType: "gastown-prime", content, display: false }} }};
  }});
  pi.on("session_shutdown", async () => {{
    if (existsSync(collect)) await pi.exec(collect, []).catch(() => {{}});
  }});
}};
"""


def pi_agent(name: str, profile: DeploymentProfile, endpoint: Endpoint, *, town: Town) -> Agent:
    """An agent that runs pi against an endpoint, with the profile's card, tools and window.

    Args:
        name: of the agent; its files go below the town's directory for it, in one that their content names.
        profile: of the role that it works in.
        endpoint: names the model that it serves.
        town: whose `gt` for short primes is before PATH, and whose sessions are collected when they end, once
            these are installed there.
    """
    text, settings = _extension(name, profile, endpoint, town), pretty(_settings(profile))
    place = place_of(name, town, "pi", text, settings, profile.card or "")
    program, extension, card = place / "pi", place / "gastown.js", place / "card.md"
    args = ["-e", str(extension), *_ALONE, "--provider", PROVIDER, "--model", endpoint.model]
    own = place / "agent"
    files = {extension: text, own / "settings.json": settings, program: _program(name, own, town)}
    if profile.tools:
        args += ["--tools", ",".join(names_among(TOOLS, profile.tools))]
    if profile.card is not None:
        files[card] = profile.card
        args += ["--system-prompt", str(card)]
    return Agent(name, {"provider": "pi", "command": str(program), "args": args}, files, frozenset({program}))


def _program(name: str, directory: Path, town: Town) -> str:
    shim = town.prime_shim
    return _PROGRAM.format(
        name=name,
        shim=shlex.quote(str(shim)),
        shim_directory=shlex.quote(str(shim.parent)),
        directory=shlex.quote(str(directory)),
    )


def _extension(name: str, profile: DeploymentProfile, endpoint: Endpoint, town: Town) -> str:
    return _EXTENSION.format(
        name=name,
        collect=json.dumps(str(town.collect_script)),
        provider=json.dumps(_provider(profile, endpoint), indent=2),
        provider_name=json.dumps(PROVIDER),
    )


def _settings(profile: DeploymentProfile) -> dict[str, Any]:
    """A window is summed up when an answer might not fit any more, and half of the rest is kept then."""
    free = profile.max_output_tokens
    kept = max(0, profile.context_window - free) // 2
    compaction = {"enabled": True, "reserveTokens": free, "keepRecentTokens": kept}
    return {"compaction": compaction, "enableInstallTelemetry": False, "quietStartup": True}


def _provider(profile: DeploymentProfile, endpoint: Endpoint) -> dict[str, Any]:
    """Keys that were seen to work, with any server that speaks OpenAI's protocol."""
    free = dict.fromkeys(("input", "output", "cacheRead", "cacheWrite"), 0)
    model = {
        "id": endpoint.model,
        "name": endpoint.model,
        "reasoning": False,
        "input": ["text"],
        "cost": free,
        "contextWindow": profile.context_window,
        "maxTokens": profile.max_output_tokens,
        "compat": {
            "sendSessionAffinityHeaders": True,
            "maxTokensField": "max_tokens",
            "supportsStore": False,
            "supportsDeveloperRole": False,
            "supportsReasoningEffort": False,
        },
    }
    return {
        "baseUrl": f"{endpoint.url}/v1",
        "apiKey": "local",
        "api": "openai-completions",
        "models": [model],
    }
