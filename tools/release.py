# SPDX-License-Identifier: Apache-2.0
"""Build wheel and sdist, and check that they work outside of the checkout. Nothing is uploaded.

    python tools/release.py                   at a tag vX.Y.Z whose section CHANGELOG.md has
    python tools/release.py --untagged        any commit, as CI does
    python tools/release.py --share VENV      no download: what the wheel needs is there already

The path of the README is walked in a fresh environment: a sample town's sessions are collected, an adapter
is trained with default settings, registered and asked.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
TAG = re.compile(r"v(\d+\.\d+\.\d+)")
NEEDED = ("node0/py.typed", "node0/configs/finetune/lora_sft_deacon.yaml", "LICENSE")
"In the wheel, by the end of their names."

WALK = """
import pathlib, sys
from node0 import cli
import node0
assert not pathlib.Path(node0.__file__).is_relative_to(sys.argv[1]), node0.__file__
sys.path.insert(0, f"{sys.argv[1]}/examples")
from town.generator.build import TownPlan, build_town
base, town = f"{sys.argv[1]}/examples/base", pathlib.Path("gt")
build_town(town, pathlib.Path("planted.json"), TownPlan(sessions={"deacon": 24, "witness": 4, "polecat": 4}))
train = ["finetune", "--role", "deacon", "--base-model", base, "--epochs", "1", "--device", "cpu"]
train += ["--set", "val_split=0.25"]
pathlib.Path("prompt.txt").write_text("Patrol: what now?")
for command in (
    ["corpus", "collect"],
    [*train, "--dry-run"],
    train,
    ["model", "register", "gt/.checkpoints/deacon", "--name", "deacon"],
    ["measure", "deacon", "--run", "gt/.checkpoints/deacon", "--limit", "2"],
    ["infer", "--model", "deacon", "--role", "deacon", "--max-tokens", "8", "--file", "prompt.txt"],
):
    code = cli.main([*command, "--town", "gt"])
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
"""


def main() -> int:
    """Build, check, and say where the files are; 1 with a line for what is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--untagged", action="store_true", help="Do not ask for a tag and a section.")
    parser.add_argument("--share", type=Path, help="Environment whose packages are used.")
    options = parser.parse_args()
    try:
        tagged = None if options.untagged else tagged_version()
        shutil.rmtree(DIST, ignore_errors=True)
        build(DIST)
        wheel, sdist = check_files(DIST, tagged)
        walk(wheel, options.share and next(options.share.resolve().glob("lib/python*/site-packages")))
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"checked, not uploaded: {wheel} and {sdist}")
    return 0


def tagged_version() -> str:
    """The version that the tag of this commit names.

    Raises:
        ValueError: no such tag, files that are not committed, or no section in CHANGELOG.md.
    """
    if _run("git", "status", "--porcelain", "--untracked-files=no"):
        raise ValueError("files are changed and not committed; commit them, and tag that")
    tags = [
        found[1] for tag in _run("git", "tag", "--points-at", "HEAD").split() if (found := TAG.fullmatch(tag))
    ]
    if not tags:
        raise ValueError("no tag vX.Y.Z on this commit; git tag it, or give --untagged to try the packages")
    if f"## [{tags[0]}]" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        raise ValueError(f"CHANGELOG.md has no section [{tags[0]}]; give the unreleased lines that heading")
    return str(tags[0])


def build(directory: Path, *flags: str) -> None:
    """Write a wheel and an sdist into a directory; `--no-isolation` takes the build backend that is here."""
    _run(sys.executable, "-m", "build", *flags, "--outdir", str(directory), str(ROOT))


def check_files(directory: Path, version: str | None) -> tuple[Path, Path]:
    """The wheel and the sdist in a directory, after a look into both.

    Raises:
        ValueError: one is missing, of another version, or lacks a file that it needs or holds one too many.
    """
    wheels, sdists = sorted(directory.glob("*.whl")), sorted(directory.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        raise ValueError(
            f"{directory} has {len(wheels)} wheels and {len(sdists)} sdists; there must be one of each"
        )
    (wheel,), (sdist,) = wheels, sdists
    if version is not None and f"-{version}-" not in wheel.name:
        raise ValueError(f"{wheel.name} is not of version {version}")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    missing = [name for name in NEEDED if not any(found.endswith(name) for found in names)]
    strange = [name for name in names if not name.startswith("node0/") and ".dist-info/" not in name]
    if missing or strange:
        raise ValueError(f"{wheel.name} lacks {missing} and holds {strange}")
    with tarfile.open(sdist) as packed_source:
        sources = packed_source.getnames()
    if not any(name.endswith("src/node0/cli.py") for name in sources):
        raise ValueError(f"{sdist.name} has no sources")
    return wheel, sdist


def walk(wheel: Path, packages: Path | None) -> None:
    """Install the wheel with what training needs in a fresh environment, and walk the README's path there.

    packages: another environment's site-packages, whose projects are seen there, but for this one; pip is
    one of them, downloads nothing, and refuses a wheel that asks for what is not among them.
    """
    with tempfile.TemporaryDirectory(prefix="node0-release-") as place:
        home = Path(place) / "venv"
        venv.create(home, with_pip=packages is None)
        python = str(home / "bin" / "python")
        source = ["-c", str(ROOT / "constraints.txt")]
        if packages is not None:
            shared = _without_ours(packages, Path(place) / "shared")
            next(home.glob("lib/python*/site-packages")).joinpath("shared.pth").write_text(f"{shared}\n")
            source = ["--no-index"]
        _run(python, "-m", "pip", "install", "-q", f"{wheel}[finetune]", *source)
        _run(str(home / "bin" / "node0"), "--version", cwd=place)
        _run(python, "-c", WALK, str(ROOT), cwd=place)


def _without_ours(packages: Path, place: Path) -> Path:
    """A directory of links to what lies in `packages`, without this project."""
    place.mkdir()
    for path in packages.iterdir():
        if "gastown_finetune" not in path.name and path.suffix != ".pth":
            (place / path.name).symlink_to(path)
    return place


def _run(*command: str, cwd: str | Path = ROOT) -> str:
    """What a command prints; it must succeed. PYTHONPATH and the like do not reach it."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(Path.home()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-2000:] + done.stderr[-4000:], file=sys.stderr)
        done.check_returncode()
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
