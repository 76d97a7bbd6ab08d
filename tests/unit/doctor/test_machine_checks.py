# SPDX-License-Identifier: Apache-2.0
import resource
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from node0.check_result import CheckResult
from node0.doctor.machine_checks import (
    daemon,
    daemon_path,
    file_handles,
    machine_checks,
    packages,
    python,
    room,
)


def distribution(folder: Path, name: str, version: str, *needs: str) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {need}" for need in needs)]
    (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")


def found(root: str, *, extras: tuple[str, ...] = (), needed: tuple[str, ...] = ()) -> list[CheckResult]:
    return list(packages(root, extras=extras, needed=needed))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed distributions."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_this_machine_is_fine_and_says_its_versions() -> None:
    findings = {finding.check: finding for finding in machine_checks(swarm=True)}

    assert [finding for finding in findings.values() if finding.state == "bad"] == []
    assert "hivemind 1." in findings["packages"].found
    assert findings["daemon"].found.endswith("p2pd")


def test_a_machine_alone_is_not_asked_for_what_a_swarm_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node0.doctor.machine_checks._version", _without("hivemind", "base58", "msgpack"))

    findings = {finding.check: finding for finding in machine_checks(swarm=False)}

    assert [finding for finding in findings.values() if finding.state == "bad"] == []
    assert findings["swarm"].state == "note" and "[finetune,swarm]" in findings["swarm"].do
    assert "torch" in findings["packages"].found and "hivemind" not in findings["packages"].found
    assert findings.keys() == {"python", "packages", "swarm", "temporary space", "disk"}
    assert "bad" in {finding.state for finding in machine_checks(swarm=True)}


def _without(*names: str) -> Callable[[str], str | None]:
    """Versions as on a machine that lacks these packages."""

    def found(name: str) -> str | None:
        return None if name in names else version(name)

    return found


def test_an_old_python_is_named() -> None:
    assert python((3, 10)).state == "bad"
    assert "3.11" in python((3, 10)).do


def test_a_version_that_another_package_forbids_is_named_with_the_right_one(
    installed: Path,
) -> None:
    distribution(installed, "probe", "1", "inner[fast]>=1")
    distribution(installed, "inner", "2", "digits<3; extra == 'fast'", "absent; extra == 'slow'")
    distribution(installed, "digits", "3.1", "probe", "lost>1")

    lost, finding = sorted(found("probe"), key=lambda one: one.found)

    assert finding.state == "bad"
    assert finding.found == "inner needs digits<3, and 3.1 is installed"
    assert finding.do == "pip install 'digits<3'"
    assert (lost.found, lost.do) == ("digits needs lost, which is missing", "pip install 'lost>1'")


def test_versions_that_fit_are_shown(installed: Path) -> None:
    distribution(installed, "probe", "1", "inner>=1", "other<1; python_version < '3'")
    distribution(installed, "inner", "2.5")
    distribution(installed, "other", "9")

    (finding,) = found("probe", needed=("inner",))

    assert (finding.state, finding.found) == ("ok", "inner 2.5")


def test_a_package_that_is_not_installed_is_named_with_the_extras_that_bring_it(installed: Path) -> None:
    (finding,) = found("probe", needed=("no-such-package",))

    assert finding.state == "bad"
    assert finding.do == "pip install 'gastown-finetune[finetune,swarm]'"


def test_a_daemon_that_does_not_run_is_named(tmp_path: Path) -> None:
    foreign, closed, crashing = (tmp_path / name for name in ("foreign", "closed", "crashing"))
    foreign.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(57))
    foreign.chmod(0o755)
    closed.write_text("#!/bin/sh\n")
    closed.chmod(0o644)
    crashing.write_text("#!/bin/sh\nexit 127\n")
    crashing.chmod(0o755)

    for path in (foreign, closed, tmp_path / "missing", crashing):
        assert daemon(path).state == "bad"
        assert str(path) in daemon(path).found
    assert daemon(None).state == "bad"
    assert daemon(daemon_path()).state == "ok"


def test_few_file_handles_are_named_with_the_command_that_raises_them() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        finding = file_handles(256)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (finding.state, finding.found) == ("bad", "64 of the 256 that a stage may need")
    assert finding.do == "ulimit -n 256"
    assert file_handles(64).state == "ok"


def test_too_little_room_and_a_place_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    assert room("temporary space", tmp_path).state == "ok"
    assert room("temporary space", tmp_path, needed=1 << 60).state == "bad"
    missing = room("temporary space", tmp_path / "missing")
    assert missing.state == "bad"
    assert "cannot be written: No such file or directory" in missing.found
