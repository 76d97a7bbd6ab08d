# SPDX-License-Identifier: Apache-2.0
"""What the real gt starts for mayor, crew, boot and dogs, and after a handoff, where ours is deployed.

No server answers here: what counts is which program runs, with which settings.
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from gastown.real_town import SECONDS, RealTown, environment, read, real_town, why_not
from gastown.role_town import register, register_next

from node0.check_result import CheckResult
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.gastown.town_checks import town_checks
from node0.finetune.gastown.upkeep.stale_sessions import session_checks
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

MISSING = why_not("claude", "opencode")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]
ROLES = ("mayor", "crew", "boot")
STARTS = {"mayor": ("mayor", "start"), "crew": ("crew", "start", "demo", "ada"), "boot": ("boot", "spawn")}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealTown]:
    """A town with a version of ours for each role, and two for the witness, of which the first is at work."""
    with real_town(tmp_path_factory.mktemp("home")) as town:
        place = Town(town.root)
        # Its clone is a repository of its own, and trusted where it is there when we install.
        town.run("gt", "crew", "add", "ada", "--rig", "demo")
        # opencode would fetch what plugins may import.
        (town.home / ".npmrc").write_text("offline=true\nfetch-retries=0\n")
        register(place, town.home / "base", [*ROLES, "dog", "witness"])
        register_next(place, town.home / "base", "witness", seed=9)
        deploy(place, *(f"{role}:1" for role in (*ROLES, "witness")))
        town.node0("town", "install", "--town", town.root, "--yes", "--no-timer")
        try:
            yield town
        finally:
            town.tmux("kill-server")


@pytest.fixture(scope="module")
def started(town: RealTown) -> dict[str, list[str]]:
    """Agents that ran for each role once it was started."""
    return {role: start(town, role) for role in ROLES}


@dataclass(frozen=True)
class Kennel:
    """Where dogs are sent to work; gt goes on beside the test, which looks at what it has begun."""

    town: RealTown
    begun: list[subprocess.Popen[bytes]]

    def deploy(self, harness: str) -> None:
        """Put the dogs' version to work behind a harness."""
        deploy(Town(self.town.root), "dog:1", harness=harness)

    def sling(self, dog: str, *more: str) -> str:
        """The command of a dog's session, once gt has begun it for a bead; the session is there before."""
        made = self.town.run("env", "-C", self.town.root / "demo", "bd", "create", f"For {dog}", "--json")
        (bead,) = re.findall(r'"id": "([^"]+)"', made)
        self.town.run("gt", "dog", "add", dog)
        words = ("sling", bead, f"deacon/dogs/{dog}", "--no-convoy", *more)
        given, gt = environment(self.town.home), str(shutil.which("gt"))
        self.begun.append(
            subprocess.Popen([gt, *words], cwd=self.town.root, env=given, stdout=subprocess.DEVNULL)
        )
        session = f"hq-dog-{dog}"
        until(lambda: bool(self.commands().get(session)), self.town.panes)
        return self.commands()[session]

    def commands(self) -> dict[str, str]:
        """By the names of dogs' sessions, what gt started in them."""
        lines = self.town.tmux("list-panes", "-a", "-F", "#{session_name} #{pane_start_command}").splitlines()
        parts = (line.partition(" ") for line in lines if line.startswith("hq-dog-"))
        return {name: command for name, _, command in parts}


@pytest.fixture
def kennel(town: RealTown) -> Iterator[Kennel]:
    """A kennel whose dogs are sent home and whose version is taken back."""
    kennel = Kennel(town, [])
    yield kennel
    for gt in kennel.begun:
        gt.terminate()
        gt.wait(timeout=SECONDS)
    for name in kennel.commands():
        town.tmux("kill-session", "-t", f"={name}")
    town.node0("model", "rollback", "--role", "dog", "--town", town.root)


def deploy(place: Town, *names: str, harness: str | None = None) -> None:
    """Past the gate and without a probe: nobody answers."""
    registry = ModelRegistry(place)
    deployer = Deployer(place, registry, probe=lambda *_: None)
    for name in names:
        endpoint = Endpoint(url="http://127.0.0.1:9")
        plan = deployer.plan(name, endpoint=endpoint, harness=harness)
        deployer.deploy(plan, force=True, reason="a test")
    registry.close()


def start(town: RealTown, role: str) -> list[str]:
    """The agents that run for a role once gt has started it."""
    said = town.run("gt", *STARTS[role], code=None)
    until(lambda: bool(town.running(role)), lambda: f"{role}: {said}\n{town.panes()}")
    return town.running(role)


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


def stale(town: RealTown) -> list[CheckResult]:
    """What is said of the witness's session where it runs something else than a start would."""
    found = [one for one in session_checks(Town(town.root)) if one.found.startswith("de-witness")]
    assert all(one.state == "bad" for one in found)
    return found


def handoff(town: RealTown, session: str) -> subprocess.CompletedProcess[str]:
    """What `gt handoff` does where the agent of a session runs it."""
    pane = Path("/proc", process(town, session))
    lines = (line.partition("=") for line in read(pane / "environ").decode().split("\0"))
    given: Mapping[str, str] = {name: value for name, sign, value in lines if sign}
    return subprocess.run(
        ["gt", "handoff", "--yes", "--subject", "Go on"],
        cwd=(pane / "cwd").resolve(),
        env=given,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def process(town: RealTown, session: str) -> str:
    """The id of the process that a session's pane runs."""
    return town.tmux("display-message", "-p", "-t", f"={session}:", "#{pane_pid}").strip()


@pytest.mark.parametrize("role", ROLES)
def test_gt_starts_the_agent_that_was_deployed(started: dict[str, list[str]], role: str) -> None:
    assert started[role] == [f"ft-{role}-v1"]


def test_a_dog_runs_an_agent_of_claude_code_only_where_it_is_slung_with_it(kennel: Kennel) -> None:
    kennel.deploy("claude")

    by_settings, by_hand = kennel.sling("alpha"), kennel.sling("beta", "--agent", "ft-dog-v1")

    assert "--model haiku" in by_settings and "ft-dog" not in by_settings
    assert "agents/ft-dog-v1/" in by_hand and "--model dog:1" in by_hand
    until(lambda: kennel.town.running("dog") == ["ft-dog-v1"], kennel.town.panes)
    rows = json.loads(kennel.town.node0("town", "status", "--town", kennel.town.root, "--json", code=1))
    (said,) = (row for row in rows if row["state"] == "bad")
    assert said["found"].startswith("role_agents.dog is ft-dog-v1; gt runs a dog on claude-haiku")


def test_a_dog_runs_an_agent_of_opencode_by_the_settings(kennel: Kennel) -> None:
    kennel.deploy("opencode")

    command = kennel.sling("gamma")

    assert re.search(r"agents/ft-dog-v1/\w+/opencode --model ft/dog:1 --prompt ", command)
    (said,) = (one for one in town_checks(Town(kennel.town.root)) if one.check == "harness")
    assert said.found.startswith("opencode for dog: gt cannot resume")


def test_a_handoff_starts_what_ran_and_a_restart_what_is_deployed(
    town: RealTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMUX_TMPDIR", raising=False)
    town.run("gt", "witness", "start", "demo")
    town.node0("model", "rollback", "--role", "witness", "--town", town.root)
    assert [one.do for one in stale(town)] == ["gt witness restart demo"]
    refused = handoff(town, "de-witness")
    assert refused.returncode != 0 and "agent 'ft-witness-v1' not found" in refused.stderr

    deploy(Town(town.root), "witness:1")
    assert not stale(town)
    deploy(Town(town.root), "witness:2")
    before = process(town, "de-witness")
    assert handoff(town, "de-witness").returncode == 0
    until(lambda: process(town, "de-witness") != before, town.panes)
    until(lambda: town.running("witness") == ["ft-witness-v1"], town.panes)
    (said,) = stale(town)
    assert "runs ft-witness-v1 (a handoff keeps it); started anew it runs ft-witness-v2" in said.found

    town.run(*said.do.split())
    until(lambda: town.running("witness") == ["ft-witness-v2"], town.panes)
    assert not stale(town)
