# SPDX-License-Identifier: Apache-2.0
import json
import time
from pathlib import Path

import pytest
from deploy_town import deployer, registry, town

from node0.commands.model import prime_session
from node0.commands.model.model_options import main
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

Output = pytest.CaptureFixture[bytes]

MARKER = b"# Reduced prime: fine-tuned model active for role deacon"
FULL = (
    "[GAS TOWN] role:deacon\n# Manual\n"
    + "é\n" * 2000
    + "## Hooked Work\nhq-a1 mend the lamp\n## More\nx\n\n"
)


@pytest.fixture
def gt(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gt that prints a long prime and keeps how it was called; what it prints lies in `said`."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "said").write_text(FULL)
    (place / "gt").write_text(
        f'#!/bin/sh\necho "$*" >>{place}/calls\ncat {place}/said\nexit "${{GT_CODE-0}}"\n'
    )
    (place / "gt").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    monkeypatch.setenv("GT_AGENT", "ft-deacon-v1")
    monkeypatch.setenv("GT_TOWN_ROOT", str(town.root))
    return place


@pytest.fixture
def at_work(registry: ModelRegistry, deployer: Deployer) -> None:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))


def test_the_prime_of_a_version_at_work_is_short(gt: Path, at_work: None, capfdbinary: Output) -> None:
    assert main(["prime", "--hook"]) == 0

    out = capfdbinary.readouterr().out
    assert out.startswith(MARKER) and b"hq-a1 mend the lamp" in out and len(out) < 400
    assert (gt / "calls").read_text() == "prime --hook\n"


@pytest.mark.parametrize("agent", ["", "claude", "ft-deacon-v2", "ft-base-deacon"])
def test_without_a_version_at_work_every_byte_is_the_real_one(
    gt: Path, at_work: None, capfdbinary: Output, monkeypatch: pytest.MonkeyPatch, agent: str
) -> None:
    monkeypatch.setenv("GT_AGENT", agent)

    assert main(["prime", "--hook"]) == 0

    assert capfdbinary.readouterr().out == FULL.encode()


def test_a_version_that_was_taken_back_has_no_prime_of_ours(
    gt: Path, at_work: None, deployer: Deployer, capfdbinary: Output
) -> None:
    deployer.rollback("deacon")

    assert main(["prime", "--hook"]) == 0

    assert capfdbinary.readouterr().out == FULL.encode()


@pytest.mark.parametrize("broken", ["registry", "profile", "tokenizer", "index", "prime", "town"])
def test_whatever_breaks_every_byte_is_the_real_one(
    gt: Path,
    at_work: None,
    town: Town,
    registry: ModelRegistry,
    capfdbinary: Output,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    place = Path(registry.require("deacon:1").artifact_path)
    full = FULL.encode()
    registry.close()
    if broken == "registry":
        town.store_file.write_bytes(b"no database at all, and longer than a header of one" * 99)
    elif broken in ("profile", "tokenizer"):
        (place / {"profile": "profile.yaml", "tokenizer": "tokenizer.json"}[broken]).write_text("{[")
    elif broken == "index":
        town.rag.mkdir()
        (town.rag / "index.sqlite").write_bytes(b"none" * 999)
    elif broken == "prime":
        full = b"\xff\xfe" + full
        (gt / "said").write_bytes(full)
    else:
        monkeypatch.setenv("GT_TOWN_ROOT", str(town.root / "none"))

    assert main(["prime", "--hook"]) == 0

    shown = capfdbinary.readouterr()
    assert shown.out == full and b"full prime for ft-deacon-v1: " in shown.err
    assert (gt / "calls").read_text() == "prime --hook\n"


def test_what_takes_too_long_is_left(
    gt: Path, at_work: None, capfdbinary: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prime_session, "SECONDS", 1)
    monkeypatch.setattr("node0.commands.model.prime_text.text_for", lambda *_: time.sleep(30))  # a hung disk

    assert main(["prime", "--hook"]) == 0

    assert capfdbinary.readouterr().out == FULL.encode()


@pytest.mark.parametrize("words", [["--state", "--json"], ["--dry-run"], ["--hook", "--explain"]])
def test_other_ways_to_call_it_are_the_real_command(
    gt: Path, at_work: None, capfdbinary: Output, words: list[str]
) -> None:
    assert main(["prime", *words]) == 0

    assert capfdbinary.readouterr().out == FULL.encode()
    assert (gt / "calls").read_text() == f"prime {' '.join(words)}\n"


def test_the_exit_code_is_the_real_one(
    gt: Path, at_work: None, capfdbinary: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GT_CODE", "4")

    assert main(["prime"]) == 4

    assert capfdbinary.readouterr().out == FULL.encode()


def test_a_shim_of_ours_is_not_the_real_gt(
    gt: Path, at_work: None, town: Town, capfdbinary: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.prime_shim.parent.mkdir(parents=True)
    town.prime_shim.write_text("#!/bin/sh\necho shim\n")
    town.prime_shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{town.prime_shim.parent}:{gt}:/usr/bin:/bin")

    assert main(["prime"]) == 0
    assert capfdbinary.readouterr().out.startswith(MARKER)

    monkeypatch.setenv("PATH", str(town.prime_shim.parent))
    assert main(["prime"]) == 1
    assert b"no gt on PATH" in capfdbinary.readouterr().err


def test_a_session_elsewhere_in_the_town_reads_the_same_registry(
    gt: Path, at_work: None, town: Town, capfdbinary: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GT_TOWN_ROOT")
    monkeypatch.chdir(town.root / "demo")

    assert main(["prime"]) == 0

    assert capfdbinary.readouterr().out.startswith(MARKER)
    assert json.loads(town.settings_file.read_text())["role_agents"]["deacon"] == "ft-deacon-v1"
