# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.finetune.corpus.transcript.claude_code.session_paths import session_paths, with_subagents


def file(path: Path, size: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x" * size)
    return path


def test_a_session_is_found_with_its_subagents(tmp_path: Path) -> None:
    main = file(tmp_path / "projects" / "-srv" / "s1.jsonl")
    agents = [file(main.parent / "s1" / "subagents" / f"agent-{name}.jsonl") for name in ("b", "a")]
    file(main.parent / "s1" / "subagents" / "notes.txt")
    other = file(tmp_path / "projects" / "-opt" / "s2.jsonl")

    assert session_paths([tmp_path]) == {"s1": [main, *sorted(agents)], "s2": [other]}


def test_of_two_copies_the_longer_one_counts(tmp_path: Path) -> None:
    short, long = (
        file(tmp_path / account / "projects" / "-srv" / "s1.jsonl", size)
        for account, size in (("a", 1), ("b", 2))
    )

    assert session_paths([tmp_path / "a", tmp_path / "b"]) == {"s1": [long]}
    assert session_paths([tmp_path / "b", tmp_path / "a"]) == {"s1": [long]}
    assert short.exists()


def test_a_directory_of_a_sessions_name_and_a_missing_directory_are_none(tmp_path: Path) -> None:
    (tmp_path / "projects" / "-srv" / "s1.jsonl").mkdir(parents=True)

    assert session_paths([tmp_path, tmp_path / "missing"]) == {}


def test_a_session_without_subagents_is_its_file(tmp_path: Path) -> None:
    assert with_subagents(tmp_path / "s.jsonl") == [tmp_path / "s.jsonl"]
