# SPDX-License-Identifier: Apache-2.0
"""The agent of a version that pi runs: an entry of known keys, and an extension that pi is given.

pi 0.73.1 takes an extension by `-e`, and an extension may register a provider: so nothing is written into
`~/.pi/agent`, whose `models.json` is its user's. With `--no-extensions` gt's own extension is left out, which
puts the whole prime twice into a request; ours calls `gt` in its place, and tells it the session's real id.
"""

import json
from typing import Any

from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.chat.tool_names import SAME_TOOLS
from node0.finetune.deploy.agent import Agent, place_of
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

_EXTENSION = """\
// pi for agent {name}; written by node0.
import {{ existsSync }} from "node:fs";
import {{ delimiter }} from "node:path";

const shim = {shim};
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

  if (existsSync(shim.program)) process.env.PATH = shim.directory + delimiter + process.env.PATH;
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
    text, card = _extension(name, profile, endpoint, town), profile.card
    place = place_of(name, town, "pi", text, card or "")
    extension = place / "gastown.js"
    args = ["-e", str(extension), *_ALONE, "--provider", PROVIDER, "--model", endpoint.model]
    files = {extension: text}
    if profile.tools:
        args += ["--tools", ",".join(_tools(profile))]
    if card is not None:
        files[place / "card.md"] = card
        args += ["--system-prompt", str(place / "card.md")]
    return Agent(name, {"provider": "pi", "command": "pi", "args": args}, files)


def _extension(name: str, profile: DeploymentProfile, endpoint: Endpoint, town: Town) -> str:
    shim = {"program": str(town.prime_shim), "directory": str(town.prime_shim.parent)}
    return _EXTENSION.format(
        name=name,
        shim=json.dumps(shim),
        collect=json.dumps(str(town.collect_script)),
        provider=json.dumps(_provider(profile, endpoint), indent=2),
        provider_name=json.dumps(PROVIDER),
    )


def _provider(profile: DeploymentProfile, endpoint: Endpoint) -> dict[str, Any]:
    """Keys that were seen to work; the last three of `compat` are said of no server that we know."""
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


def _tools(profile: DeploymentProfile) -> list[str]:
    """pi's names of the profile's tools; a tool that it does not have keeps its own."""
    names = []
    for tool in profile.tools:
        same = next((one.names & TOOLS for one in SAME_TOOLS if tool.name in one.names), frozenset())
        names += sorted(same) or [tool.name]
    return names
