# SPDX-License-Identifier: Apache-2.0
"""The agent of a version that opencode runs: an entry of known keys, a program, and opencode's configuration.

opencode is told of a configuration by OPENCODE_CONFIG (seen with 1.18.33); gt drops an agent's `env` when its
daemon restarts a role. So the command is a program of ours that sets it. It is called `opencode`: gt 1.0.1
knows by that name how a prompt is given. And it becomes opencode, which gt looks for in the session.
"""

import shlex
from typing import Any

from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.chat.tool_names import names_among
from node0.finetune.deploy.agent import Agent, place_of, pretty
from node0.finetune.deploy.endpoint import Endpoint
from node0.town import Town

PROVIDER = "ft"
"Of the endpoint, in opencode's configuration."

TOOLS = frozenset({"bash", "read", "write", "edit", "grep", "glob"})
"opencode's own, of those that a profile's tool may be the same as."

_PROGRAM = """\
#!/bin/sh
# opencode for agent {name}; written by node0.
[ ! -x {shim} ] || PATH={directory}:$PATH
OPENCODE_CONFIG={config}
export PATH OPENCODE_CONFIG
exec opencode "$@"
"""


def opencode_agent(name: str, profile: DeploymentProfile, endpoint: Endpoint, *, town: Town) -> Agent:
    """An agent that runs opencode against an endpoint, with the profile's card, tools and window.

    Args:
        name: of the agent; its files go below the town's directory for it, in one that their content names.
        profile: of the role that it works in.
        endpoint: names the model that it serves.
        town: whose `gt` for short primes is before PATH, once it is installed there.
    """
    settings, card = pretty(_configuration(profile, endpoint)), profile.card
    place = place_of(name, town, "opencode", settings, card or "")
    config, program = place / "opencode.json", place / "opencode"
    shim = town.prime_shim
    text = _PROGRAM.format(
        name=name,
        shim=shlex.quote(str(shim)),
        directory=shlex.quote(str(shim.parent)),
        config=shlex.quote(str(config)),
    )
    files = {config: settings, program: text} | ({} if card is None else {place / "card.md": card})
    args = ["--model", f"{PROVIDER}/{endpoint.model}"]
    entry = {"provider": "opencode", "command": str(program), "args": args}
    return Agent(name, entry, files, frozenset({program}))


def _configuration(profile: DeploymentProfile, endpoint: Endpoint) -> dict[str, Any]:
    """Keys that were seen to work; a title would be one more request, of another kind than was trained."""
    limit = {"context": profile.context_window, "output": profile.max_output_tokens}
    model = {"name": endpoint.model, "tool_call": True, "limit": limit}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": PROVIDER,
        "options": {"baseURL": f"{endpoint.url}/v1", "apiKey": "local"},
        "models": {endpoint.model: model},
    }
    build: dict[str, Any] = {} if profile.card is None else {"prompt": "{file:./card.md}"}
    if profile.tools:
        build["tools"] = {"*": False, **dict.fromkeys(names_among(TOOLS, profile.tools), True)}
    return {
        "provider": {PROVIDER: provider},
        "enabled_providers": [PROVIDER],
        "model": f"{PROVIDER}/{endpoint.model}",
        "agent": {"build": build, "title": {"disable": True}},
        "permission": "allow",
        "autoupdate": False,
        "share": "disabled",
        "snapshot": False,
        "lsp": False,
        "formatter": False,
    }
