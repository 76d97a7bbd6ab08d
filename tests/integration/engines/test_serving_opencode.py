# SPDX-License-Identifier: Apache-2.0
"""The real opencode works through ten steps with a trained deacon on our own engine.

As with Claude Code the model reads every request and its answers are held to a script. Its profile is the one
it was trained with, but for the tool, which has opencode's name and inputs.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.claude_code.sessions import ROOT
from integration.engines.held_session import HeldSession, Usage, append_line, calls, held_deacon
from integration.engines.sample_deacon import NAME, Deacon
from integration.served_process import KEY


def find_opencode() -> Path | None:
    """The binary that `make town-tools` installed, else the one on PATH, else None."""
    installed = ROOT / ".town-tools" / "npm" / "node_modules" / ".bin" / "opencode"
    on_path = shutil.which("opencode")
    return installed if installed.exists() else Path(on_path) if on_path else None


OPENCODE = find_opencode()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(OPENCODE is None, reason="opencode is not installed; `make town-tools` installs it"),
]

TOOL = {
    "name": "bash",
    "description": "Run a command.",
    "input_schema": {
        "type": "object",
        "properties": {"command": {"type": "string"}, "description": {"type": "string"}},
        "required": ["command", "description"],
    },
}


def configuration(url: str) -> str:
    """One provider, which is the gateway, and nothing that asks elsewhere."""
    model = {"name": NAME, "tool_call": True, "limit": {"context": 200_000, "output": 1024}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "ft",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {NAME: model},
    }
    off = {"autoupdate": False, "share": "disabled", "snapshot": False, "lsp": False, "formatter": False}
    return json.dumps(
        {"provider": {"ft": provider}, "enabled_providers": ["ft"], "permission": "allow", **off}
    )


def run(url: str, home: Path, prompt: str) -> list[dict[str, Any]]:
    """What one run tells of itself, part by part, with nothing of our environment."""
    project = home / "rig"
    project.mkdir(parents=True)
    (home / "opencode.json").write_text(configuration(url))
    places = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    switches = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "SHARE", "CLAUDE_CODE")
    environment = {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "OPENCODE_CONFIG": str(home / "opencode.json"),
        **places,
        **{f"OPENCODE_DISABLE_{name}": "1" for name in switches},
    }
    done = subprocess.run(
        [str(OPENCODE), "run", "--format", "json", "--model", f"ft/{NAME}", "--title", "Patrol", prompt],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return [json.loads(line)["part"] for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def session(deacon: Deacon, tmp_path_factory: pytest.TempPathFactory) -> HeldSession:
    place = tmp_path_factory.mktemp("opencode")
    trained = yaml.safe_load((deacon.run / "profile.yaml").read_text("utf-8"))
    profile = place / "profile.yaml"
    profile.write_text(yaml.safe_dump({**trained, "tools": [TOOL]}), "utf-8")
    script = calls("bash", command=append_line, description="Step {}".format)
    with held_deacon(deacon, place, script, "--profile", profile) as held:
        parts = run(held.url, place / "home", "Take ten steps.")
        (*_, last_words) = (part["text"] for part in parts if part["type"] == "text")
        return held.session(
            list(_usages(parts)), last_words=last_words, steps=place / "home" / "rig" / "steps"
        )


def test_ten_steps_are_taken_and_the_last_words_are_shown(session: HeldSession) -> None:
    session.assert_taken()


def test_the_model_is_asked_as_its_profile_says(session: HeldSession) -> None:
    session.assert_deployed("bash")


def test_each_request_reuses_the_one_before(session: HeldSession) -> None:
    session.assert_reused()


def test_what_was_reused_is_worth_what_is_computed_anew(session: HeldSession, deacon: Deacon) -> None:
    session.assert_likelihoods(deacon)


def _usages(parts: list[dict[str, Any]]) -> Iterator[Usage]:
    for tokens in (part["tokens"] for part in parts if part["type"] == "step-finish"):
        reused = tokens["cache"]["read"]
        yield Usage(tokens["input"] + reused, reused)
