# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "attack", "tests", "bench", "examples", "tools", "docs", ".ci")
ABOUT_PATHS = {"test_text_scrubber.py", "test_personal_names.py"}  # paths are what is scrubbed there
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".json", ".jinja", ""}
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|Users|data|mnt|opt)/[\w.]")


def _files() -> list[Path]:
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    built = {"__pycache__", "gt"}
    return [
        path
        for path in [*ROOT.glob("*"), *inside]
        if path.is_file()
        and path.name not in ABOUT_PATHS | {".git"}  # in a worktree it names the clone
        and path.suffix in SUFFIXES
        and not built & set(path.parts)
    ]


def test_no_file_names_a_place_of_the_machine_it_was_written_on() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in _files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]

    assert found == []


def test_the_rule_finds_a_path_and_leaves_urls_and_relative_paths() -> None:
    assert MACHINE_PATH.search("open('" + "/root" + "/x')")
    assert MACHINE_PATH.search("cd " + "/mnt" + "/disk")
    assert not MACHINE_PATH.search("https://example.com/work/x and ./data/x and a/root/b")
