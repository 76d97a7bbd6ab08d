# SPDX-License-Identifier: Apache-2.0
"""Install the programs of a town that registries offer into .town-tools, for the tests that need them.

    python tools/town_tools.py [NAME ...]

opencode, pi and Claude Code come through npm, Dolt through Go. What is there in the wanted version is
skipped; what cannot be had is named, and the tests that need it are skipped with that reason. gt and bd
are a user's own: they are looked for on PATH.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".town-tools"
NPM, BIN = FOLDER / "npm", FOLDER / "bin"
DOLT = "github.com/dolthub/dolt/go/cmd/dolt@v0.40.5-0.20260507221239-14b38e279fc6"
USERS_OWN = ("gt", "bd", "tmux")
TIMEOUT = 1200
"Seconds that one installation may take; Dolt takes three minutes on two idle cores, eight on busy ones."


@dataclass(frozen=True)
class Tool:
    """One program."""

    name: str
    version: str
    needs: tuple[str, ...]
    "Programs that install it."

    binary: Path
    install: Callable[["Tool"], None]

    @property
    def note(self) -> Path:
        """Says which version was installed."""
        return FOLDER / f"{self.name}.version"


def main(argv: Sequence[str]) -> int:
    """Install what is named, or all; 1 when a program that could be installed was not."""
    unknown = set(argv) - {tool.name for tool in TOOLS}
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(tool.name for tool in TOOLS)}")
        return 2
    failed = [tool for tool in TOOLS if (not argv or tool.name in argv) and not provide(tool)]
    for name in USERS_OWN:
        print(f"{name:<12} {shutil.which(name) or 'missing: not on PATH; tests that need it are skipped'}")
    return 1 if failed else 0


def provide(tool: Tool) -> bool:
    """Install one program and say how it went; False when its installation failed."""
    if tool.binary.exists() and tool.note.exists() and tool.note.read_text() == tool.version:
        print(f"{tool.name:<12} {tool.version} is there, {megabytes(tool.binary):.0f} MB")
        return True
    absent = [need for need in tool.needs if shutil.which(need) is None]
    if absent:
        print(f"{tool.name:<12} missing: {' and '.join(absent)} not on PATH; tests that need it are skipped")
        return True
    started = time.monotonic()
    try:
        tool.install(tool)
        check(tool)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"{tool.name:<12} missing: {reason(error)}")
        return False
    tool.note.write_text(tool.version)
    seconds = time.monotonic() - started
    print(f"{tool.name:<12} {tool.version} installed in {seconds:.0f} s, {megabytes(tool.binary):.0f} MB")
    return True


def check(tool: Tool) -> None:
    """Start the program once.

    Raises:
        subprocess.SubprocessError: it does not run.
        OSError: it is not there.
    """
    argument = "version" if tool.name == "dolt" else "--version"
    home = FOLDER / "home"
    home.mkdir(exist_ok=True)
    _run([str(tool.binary), argument], environment={"HOME": str(home)})
    shutil.rmtree(home)


def from_npm(tool: Tool) -> None:
    """Put a package and its binary for this machine into .town-tools/npm."""
    NPM.mkdir(parents=True, exist_ok=True)
    flags = ("--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(NPM))
    _run(["npm", "install", *flags, f"{PACKAGES[tool.name]}@{tool.version}"])


def from_go(tool: Tool) -> None:
    """Build Dolt; its caches, 2.7 GB, are deleted whatever happens."""
    caches = {"GOCACHE": FOLDER / "go-build", "GOMODCACHE": FOLDER / "go-mod"}
    places = {name: str(path) for name, path in caches.items()}
    # Modules are written read-only otherwise, which an ordinary removal stumbles over.
    flags = ("-modcacherw", "-tags", "gms_pure_go")
    try:
        _run(["go", "install", *flags, DOLT], environment={**places, "GOBIN": str(tool.binary.parent)})
    finally:
        for path in caches.values():
            shutil.rmtree(path, ignore_errors=True)


def _run(command: list[str], *, environment: dict[str, str] | None = None) -> None:
    FOLDER.mkdir(exist_ok=True)
    added = [f"{name}={value}" for name, value in (environment or {}).items()]
    subprocess.run(["env", *added, *command], check=True, capture_output=True, text=True, timeout=TIMEOUT)


def megabytes(binary: Path) -> float:
    """Size of a program; a link counts as what it leads to."""
    return binary.resolve().stat().st_size / 1e6


def reason(error: Exception) -> str:
    """Why an installation failed, on one line: the last line that it printed."""
    said = (getattr(error, "stderr", None) or "").strip().splitlines()
    return said[-1] if said else str(error)


PACKAGES = {
    "claude": "@anthropic-ai/claude-code",
    "opencode": "opencode-ai",
    "pi": "@mariozechner/pi-coding-agent",
}
NPM_BIN = NPM / "node_modules" / ".bin"
TOOLS = (
    Tool("claude", "2.1.330", ("npm",), NPM_BIN / "claude", from_npm),
    Tool("opencode", "1.18.33", ("npm",), NPM_BIN / "opencode", from_npm),
    Tool("pi", "0.73.1", ("npm",), NPM_BIN / "pi", from_npm),
    Tool("dolt", "2.0.0", ("go", "cc"), BIN / "dolt", from_go),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
