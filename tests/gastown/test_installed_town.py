# SPDX-License-Identifier: Apache-2.0
"""The real gt takes a town into which we installed, and gets it back as it was."""

import json
import re
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from gastown.real_town import SECONDS, RealTown, environment, real_town, why_not

from node0.errors import NotFound
from node0.files import locked, private_directory
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.gastown.collection_files import written_by
from node0.finetune.manifest import artefacts_of
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

MISSING = why_not()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]
ROLES = ("deacon", "witness", "polecat")
AGENTS = [f"ft-base-{role}" for role in ROLES]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealTown]:
    with real_town(tmp_path_factory.mktemp("home")) as town:
        yield town


@pytest.fixture
def town(made: RealTown) -> Iterator[RealTown]:
    """The town, with nothing of ours after the test."""
    yield made
    made.node0("town", "uninstall", "--town", made.root)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def install(town: RealTown, base: Path, *more: str) -> str:
    roles = [word for role in ROLES for word in ("--role", role)]
    return town.node0("town", "install", "--town", town.root, "--base-model", base, *roles, *more)


def status(town: RealTown, code: int = 0) -> dict[str, dict[str, str]]:
    rows = json.loads(town.node0("town", "status", "--town", town.root, "--json", code=code))
    return {row["check"]: row for row in rows}


def custom_agents(town: RealTown) -> list[str]:
    return re.findall(r"^\s*(\S+) \[custom\]", town.run("gt", "config", "agent", "list"), re.MULTILINE)


def settings(town: RealTown) -> bytes | None:
    file = Town(town.root).settings_file
    return file.read_bytes() if file.exists() else None


def test_gt_takes_the_town_before_and_after_and_its_settings_come_back(town: RealTown, base: Path) -> None:
    doctor, before = town.doctor(), settings(town)

    install(town, base, "--claude-hook")
    assert sorted(custom_agents(town)) == sorted(AGENTS)
    assert all("--system-prompt-file" in town.run("gt", "config", "agent", "get", name) for name in AGENTS)
    assert town.doctor() == doctor
    assert "Type: script" in town.run("gt", "plugin", "show", "node0-collect")

    town.node0("town", "uninstall", "--town", town.root)
    assert custom_agents(town) == []
    assert settings(town) == before
    assert town.doctor() == doctor
    assert not (town.home / ".claude" / "settings.json").exists()


def test_gt_and_bd_take_the_formulas(town: RealTown, base: Path) -> None:
    formulas = Town(town.root).formulas
    before = sorted(formulas.iterdir())

    install(town, base)

    given = {"train-role-model": ("role", "base_model"), "corpus-collect": (), "eval-suite": ("model",)}
    for name, needed in given.items():
        shown = town.run("gt", "formula", "show", name)
        assert name in shown and "Steps" in shown, shown
        values = [word for variable in needed for word in ("--var", f"{variable}=deacon")]
        cooked = town.run("bd", "cook", formulas / f"{name}.formula.toml", "--dry-run", *values)
        assert "Would" in cooked or "Steps" in cooked, cooked
        assert name in town.run("gt", "formula", "list")

    town.node0("town", "uninstall", "--town", town.root)
    assert sorted(formulas.iterdir()) == before


def test_gt_takes_the_plugin_of_the_nights(town: RealTown, base: Path) -> None:
    doctor = town.doctor()

    install(town, base, "--nightly")
    shown = town.run("gt", "plugin", "show", "node0-nightly")
    assert "Type: script" in shown and "cooldown" in shown
    assert "node0-nightly" in town.run("gt", "plugin", "list")
    assert town.doctor() == doctor
    rows = json.loads(town.node0("town", "nightly", "--dry-run", "--json", "--town", town.root))
    assert [(row["role"], row["step"]) for row in rows] == [(role, "wait") for role in ROLES]

    install(town, base, "--no-nightly")
    assert "node0-nightly" not in town.run("gt", "plugin", "list")


def test_status_finds_what_is_there(town: RealTown, base: Path) -> None:
    install(town, base)

    found = status(town)

    states = {name: row["state"] for name, row in found.items()}
    assert {
        states[name] for name in ("town", "rigs", "roles", "agents", "dolt", "versions", "installed")
    } == {"ok"}
    assert found["rigs"]["found"] == "demo" and found["dolt"]["found"].startswith("demo, hq at 127.0.0.1:")


def test_what_gt_writes_afterwards_is_no_harm(town: RealTown, base: Path) -> None:
    install(town, base)

    town.run("gt", "config", "default-agent", "claude")
    town.run("gt", "config", "set", "cli_theme", "dark")

    assert status(town)["installed"]["state"] == "ok"
    assert "nothing to change" in town.node0("town", "install", "--town", town.root, "--yes")


def test_what_gt_writes_afterwards_is_no_harm_to_a_version_at_work(
    town: RealTown, deployer: Deployer
) -> None:
    deploy(deployer)

    town.run("gt", "config", "default-agent", "claude")
    town.run("gt", "config", "set", "cli_theme", "light")

    found = status(town)
    assert {found[name]["state"] for name in ("installed", "settings", "models")} == {"ok"}
    assert "nothing" in mended(town)
    assert Town(town.root).read_settings()["role_agents"] == {"deacon": "ft-deacon-v1"}


def mended(town: RealTown) -> str:
    """What --fix wrote again."""
    said = town.node0("town", "status", "--fix", "--town", town.root, code=None)
    return " ".join(re.findall(r"written again: (.*)", said)) or "nothing"


def test_an_entry_that_gt_replaced_is_told_and_mended(town: RealTown, base: Path) -> None:
    install(town, base)
    town.run("gt", "config", "agent", "set", "ft-base-deacon", "claude --continue")
    assert status(town, code=1)["installed"]["state"] == "bad"

    assert "written again" in town.node0("town", "status", "--fix", "--town", town.root)

    assert status(town)["installed"]["state"] == "ok"
    assert "--system-prompt-file" in town.run("gt", "config", "agent", "get", "ft-base-deacon")


@pytest.fixture
def deployer(town: RealTown, base: Path) -> Iterator[Deployer]:
    """Of a town with agents of ours and deacon:1; what it deployed is taken back."""
    install(town, base)
    place = Town(town.root)
    registry = ModelRegistry(place)
    files = artefacts_of(base)
    registry.register(
        ModelRegistryEntry(
            name="deacon", role="deacon", artifact_path=str(base), artefacts=files, lora_adapters=["."]
        )
    )
    deployer = Deployer(place, registry, probe=lambda *_: None)
    yield deployer
    with suppress(NotFound):
        deployer.rollback("deacon", version=0, force=True)
    registry.close()


def deploy(deployer: Deployer) -> None:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()), force=True, reason="a test")


def test_gt_takes_a_town_in_which_a_version_is_at_work(town: RealTown, deployer: Deployer) -> None:
    doctor, before = town.doctor(), settings(town)

    deploy(deployer)
    assert "--model deacon:1" in town.run("gt", "config", "agent", "get", "ft-deacon-v1")
    assert town.doctor() == doctor
    assert status(town)["models"]["found"] == "1 registered; deacon:1 for deacon"
    assert "ft-deacon-v1: deacon" in town.node0("town", "status", "--town", town.root)
    assert "take it back first" in town.node0("town", "uninstall", "--town", town.root, code=1)

    deployer.rollback("deacon")
    assert settings(town) == before


def test_a_deployed_agent_that_gt_removed_comes_back(town: RealTown, deployer: Deployer) -> None:
    before = Town(town.root).read_settings()
    deploy(deployer)

    town.run("gt", "config", "agent", "remove", "ft-deacon-v1")
    assert Town(town.root).read_settings()["role_agents"] == {"deacon": "ft-deacon-v1"}
    found = status(town, code=1)
    assert found["settings"]["state"] == "bad" and "role_agents.deacon" in found["roles"]["found"]

    town.node0("town", "status", "--fix", "--town", town.root)
    assert "--model deacon:1" in town.run("gt", "config", "agent", "get", "ft-deacon-v1")
    deployer.rollback("deacon")
    assert Town(town.root).read_settings() == before


@pytest.mark.skipif(why_not("claude") is not None, reason=why_not("claude") or "")
def test_what_gt_mends_cleans_up_and_restarts_leaves_what_is_ours(town: RealTown, deployer: Deployer) -> None:
    deploy(deployer)
    before = files_of_ours(town)
    try:
        town.run("gt", "doctor", "--fix", code=None)
        town.run("gt", "dolt", "cleanup", code=None)
        # They may say that Dolt or the daemon did not stop or start; what counts is what is there then.
        town.run("gt", "down", code=None)
        assert town.running("deacon") == []
        town.run("gt", "up", code=None)

        until(lambda: town.running("deacon") == ["ft-deacon-v1"], town)
    finally:
        town.run("gt", "daemon", "stop", code=None)
        town.tmux("kill-server")

    after = files_of_ours(town)
    assert {path: after.get(path) for path in before} == before
    assert deployer.disagreements() == []
    found = status(town)
    assert found["rigs"]["found"] == "demo" and found["dolt"]["found"].startswith("demo, hq at 127.0.0.1:")
    assert not list(town.root.glob(".*/.beads/metadata.json"))[1:], "the town's own, and none of ours"


def files_of_ours(town: RealTown) -> dict[str, bytes]:
    """Every file that is ours whole, but the logs of what ran meanwhile."""
    place = Town(town.root)
    homes = [place.models, place.corpus, place.plugins, place.formulas]
    found = [path for home in homes for path in home.rglob("*") if path.is_file()]
    ours = [path for path in found if place.formulas not in path.parents or "node0" in path.read_text()]
    return {str(path): path.read_bytes() for path in ours if path.suffix != ".log" and path.name[0] != "."}


def until(holds: Callable[[], bool], town: RealTown) -> None:
    """Wait for a condition; what the sessions show where it does not come."""
    deadline = time.monotonic() + 100
    while not holds():
        assert time.monotonic() < deadline, town.panes()
        time.sleep(0.2)


def test_the_end_of_a_session_starts_the_collector_and_takes_less_than_a_second(
    town: RealTown, base: Path
) -> None:
    install(town, base)
    state = Town(town.root).corpus / ".collector.json"
    _, lock = written_by(Town(town.root).collect_script)
    subprocess.run(["flock", lock, "true"], check=True)  # agents of other tests have ended, and are collected
    state.unlink(missing_ok=True)
    hook = json.dumps({"session_id": "x", "hook_event_name": "SessionEnd", "reason": "exit"})

    private_directory(state.parent)
    before = computed_by_children()
    with locked(state.with_suffix(".lock")):  # so that the collector cannot end before the hook
        done = subprocess.run(
            [Town(town.root).collect_script],
            input=hook,
            env=environment(town.home),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        was_at_work = not state.exists()
    seconds = computed_by_children() - before

    assert (done.returncode, done.stdout, done.stderr, was_at_work) == (0, "", "", True)
    assert seconds < 1, "gt and the harness wait for a hook"
    deadline = time.monotonic() + 100
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert state.exists(), (Town(town.root).models / "collect.log").read_text()


def computed_by_children() -> float:
    """Seconds that processes which were waited for have had a core."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def test_the_programs_of_this_machine_fit(town: RealTown) -> None:
    rows = json.loads(town.node0("town", "doctor", "--json", code=None))

    found = {row["check"]: row["state"] for row in rows}
    assert {found[name] for name in ("gt", "bd", "dolt", "tmux", "versions")} == {"ok"}
