# SPDX-License-Identifier: Apache-2.0
"""The real opencode works through ten steps against the gateway, before an engine with a script."""

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from integration.claude_code.sessions import ROOT
from integration.served_process import KEY, serving
from serving_parts import TOKENIZER, scripted_http_engine
from tiny_run import make_base


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

STEPS = 10
PROFILE = """\
role: deacon
card: You patrol.
tools:
  - name: bash
    description: Run a command.
    input_schema:
      type: object
      properties: {command: {type: string}, description: {type: string}}
      required: [command, description]
"""


def configuration(url: str) -> str:
    """One provider, which is the gateway, and nothing that asks elsewhere."""
    model = {"name": "deacon", "tool_call": True, "limit": {"context": 200_000, "output": 1024}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "ft",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {"deacon": model},
    }
    off = {"autoupdate": False, "share": "disabled", "snapshot": False, "lsp": False, "formatter": False}
    return json.dumps(
        {"provider": {"ft": provider}, "enabled_providers": ["ft"], "permission": "allow", **off}
    )


def run(url: str, home: Path, prompt: str) -> str:
    """What one run says, with nothing of our environment."""
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
        [str(OPENCODE), "run", "--model", "ft/deacon", "--title", "Patrol", prompt],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_ten_steps_are_taken_and_each_request_begins_with_the_one_before(tmp_path: Path) -> None:
    base = make_base(tmp_path / "model", max_seq_len=200_000)
    profile = tmp_path / "deacon.yaml"
    profile.write_text(PROFILE)
    home = tmp_path / "home"
    calls = [
        {"command": f"echo step {number} >> steps", "description": f"Step {number}"}
        for number in range(STEPS)
    ]
    texts = [
        f"Step.<tool_call>{json.dumps({'name': 'bash', 'arguments': call})}</tool_call>" for call in calls
    ]

    with (
        scripted_http_engine(*texts, "All ten are done.") as engine,
        serving(
            *("--model", f"deacon={base}", "--role", "deacon", "--profile", profile),
            *("--engine", "vllm", "--engine-url", engine.url),
        ) as served,
    ):
        said = run(served.url, home, "Take ten steps.")
        assert served.stop() == 0

    prompts = [body["prompt"] for body in engine.bodies]
    assert (home / "rig" / "steps").read_text().splitlines() == [f"step {number}" for number in range(STEPS)]
    assert "All ten are done." in said
    assert len(prompts) == STEPS + 1
    assert "<|system|>You patrol.\nTools" in TOKENIZER.decode(prompts[0])
    assert '{"name":"bash","description":"Run a command."' in TOKENIZER.decode(prompts[0])
    assert all(_shared(before, after) >= 0.95 * len(before) for before, after in pairwise(prompts))


def _shared(before: list[int], after: list[int]) -> int:
    """How many first ids are the same."""
    return next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
