# SPDX-License-Identifier: Apache-2.0
"""The prime of our agents through the real gt: short with a version at work, else gt's own to the byte."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from gastown.real_town import SECONDS, RealTown, environment, real_town, why_not
from tiny_chat import tiny_tokenizer

from node0.errors import NotFound
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.manifest import artefacts_of
from node0.finetune.rag.indexer import RAGIndexer
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

MISSING = why_not()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]
ROLES = ("deacon", "witness", "polecat")
MARKER = "# Reduced prime: fine-tuned model active for role {}\n"
OWN_WORK = {
    "deacon": "Current patrol ID: ",
    "witness": "Current patrol ID: ",
    "polecat": "Title: Mend the crane lamp",
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealTown]:
    """A town with our gt installed, a polecat with a bead on its hook, and a version for each role."""
    with real_town(tmp_path_factory.mktemp("home")) as town:
        hook_a_bead(town)
        town.node0("town", "install", "--town", town.root, "--yes", "--no-timer", "--prime")
        registry = ModelRegistry(Town(town.root))
        for role in ROLES:
            register(registry, role, town.home / f"model-{role}")
        registry.close()
        yield town


@pytest.fixture
def at_work(town: RealTown) -> Iterator[None]:
    """The versions are at work; what was deployed is taken back."""
    place = Town(town.root)
    registry = ModelRegistry(place)
    deployer = Deployer(place, registry, probe=lambda *_: None)
    for role in ROLES:
        deployer.deploy(deployer.plan(f"{role}:1", endpoint=Endpoint()), force=True, reason="a test")
    yield
    for role in ROLES:
        with suppress(NotFound):
            deployer.rollback(role, version=0, force=True)
    registry.close()


def hook_a_bead(town: RealTown) -> None:
    made = town.run(
        "env", "-C", town.root / "demo", "bd", "create", "Mend the crane lamp", "-t", "task", "--json"
    )
    bead = re.search(r'"id": "([^"]+)"', made)
    assert bead is not None
    hooked = ("--status", "hooked", "--assignee", "demo/polecats/rust")
    town.run("env", "-C", town.root / "demo", "bd", "update", bead[1], *hooked)
    town.run("git", "clone", "-q", town.home / "source", home_of(town, "polecat"))


def register(registry: ModelRegistry, role: str, place: Path) -> None:
    """A version whose tokenizer makes a token of each byte."""
    tiny_tokenizer().save_pretrained(str(place))
    (place / "adapter_config.json").write_text("{}")
    entry = ModelRegistryEntry(
        name=role, role=role, artifact_path=str(place), artefacts=artefacts_of(place), lora_adapters=["."]
    )
    registry.register(entry)


def home_of(town: RealTown, role: str) -> Path:
    places = {"deacon": "deacon", "witness": "demo/witness", "polecat": "demo/polecats/rust/demo"}
    return town.root / places[role]


def prime(town: RealTown, role: str, session: str, *, program: Path | str, source: str = "startup") -> str:
    """What a program says when it is called as a harness calls it, in a session as gt starts one."""
    named = {"deacon": "deacon", "witness": "demo/witness", "polecat": "demo/polecats/rust"}[role]
    given = environment(town.home)
    done = subprocess.run(
        [program, "prime", "--hook"],
        cwd=home_of(town, role),
        env=given
        | {"GT_ROLE": named, "GT_RIG": "demo", "GT_POLECAT": "rust", "BD_ACTOR": named}
        | {"GT_ROOT": str(town.root), "GT_TOWN_ROOT": str(town.root), "GT_AGENT": f"ft-{role}-v1"},
        input=json.dumps({"session_id": session, "source": source, "hook_event_name": "SessionStart"}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ours(town: RealTown) -> Path:
    return Town(town.root).prime_shim


def tokens(text: str) -> int:
    return len(tiny_tokenizer().encode(text, add_special_tokens=False))


def starts(town: RealTown) -> list[str]:
    """Sessions that gt wrote into its events."""
    lines = map(json.loads, Town(town.root).events_file.read_text().splitlines())
    return [line["payload"]["session_id"] for line in lines if line["type"] == "session_start"]


def settled(text: str) -> str:
    """A prime without what differs from call to call."""
    return re.sub(r"pid:\d+", "pid:", text)


@pytest.mark.parametrize("role", ROLES)
def test_a_version_at_work_gets_a_prime_that_it_reads_whole(town: RealTown, at_work: None, role: str) -> None:
    real = prime(town, role, f"real-{role}", program="gt")
    short = prime(town, role, f"short-{role}", program=ours(town))

    assert tokens(short) <= 3000 < tokens(real) and len(short) <= 10_000 < len(real)
    assert short.startswith(MARKER.format(role)) and OWN_WORK[role] in short
    assert starts(town)[-2:] == [f"real-{role}", f"short-{role}"]


def test_records_that_bear_on_the_work_are_inside(town: RealTown, at_work: None) -> None:
    place = Town(town.root)
    formula = 'formula = "crane"\ndescription = "To mend the crane lamp, unscrew it."\n'
    RAGIndexer(str(place.rag)).index_formula("crane.formula.toml", formula)

    short = prime(town, "polecat", "with-records", program=ours(town))

    assert "To mend the crane lamp, unscrew it." in short and OWN_WORK["polecat"] in short
    assert tokens(short) <= 3000


@pytest.mark.parametrize("role", ROLES)
def test_without_a_version_at_work_every_byte_is_of_gt(town: RealTown, role: str) -> None:
    prime(town, role, "same", program="gt")
    real = prime(town, role, "same", program="gt")

    assert settled(prime(town, role, "same", program=ours(town))) == settled(real)


@pytest.mark.parametrize("broken", ["registry", "program"])
def test_with_something_of_ours_broken_every_byte_is_of_gt(
    town: RealTown, at_work: None, broken: str
) -> None:
    shim = ours(town)
    real = prime(town, "polecat", "same", program="gt")
    place = Town(town.root).store_file if broken == "registry" else shim
    whole = place.read_bytes()
    try:
        if broken == "registry":
            place.write_bytes(b"no database" * 999)
        else:
            place.write_bytes(re.sub(rb"/[^\s(]*/gt-model", b"/nowhere/gt-model", whole))
        found = prime(town, "polecat", "same", program=shim)
    finally:
        place.write_bytes(whole)

    assert settled(found) == settled(real)
    assert prime(town, "polecat", "same", program=shim).startswith(MARKER.format("polecat"))


def test_after_a_compaction_the_few_words_of_gt_stay(town: RealTown, at_work: None) -> None:
    real = prime(town, "polecat", "compacted", program="gt", source="compact")

    found = prime(town, "polecat", "compacted", program=ours(town), source="compact")

    assert settled(found) == settled(real) and "Continue your current task" in found


def test_a_session_in_tmux_is_marked_as_ready(town: RealTown, at_work: None) -> None:
    place = Town(town.root)
    given = environment(town.home) | {
        "GT_ROLE": "deacon", "GT_ROOT": str(town.root), "GT_TOWN_ROOT": str(town.root),
        "GT_AGENT": "ft-deacon-v1", "TMUX_TMPDIR": str(town.home),
    }  # fmt: skip
    tmux = ["tmux", "-L", place.tmux_socket]
    command = (
        f"""{ours(town)} prime --hook <{town.home}/hook >{town.home}/said; touch {town.home}/done; sleep 60"""
    )
    (town.home / "hook").write_text('{"session_id": "in-tmux", "source": "startup"}')
    subprocess.run(
        [*tmux, "new-session", "-d", "-s", "hq-deacon", "-c", home_of(town, "deacon"), command],
        env=given, check=True, timeout=SECONDS,
    )  # fmt: skip
    try:
        subprocess.run(
            ["sh", "-c", f"for i in $(seq 600); do [ -e {town.home}/done ] && exit; sleep 0.1; done"],
            timeout=90,
        )
        shown = subprocess.run(
            [*tmux, "show-environment", "-t", "hq-deacon"],
            env=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    finally:
        subprocess.run([*tmux, "kill-server"], env=given, timeout=SECONDS)

    assert (town.home / "said").read_text().startswith(MARKER.format("deacon"))
    assert "GT_AGENT_READY=1" in shown.stdout.splitlines() and "in-tmux" in starts(town)
