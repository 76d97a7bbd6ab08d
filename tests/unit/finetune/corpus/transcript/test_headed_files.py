# SPDX-License-Identifier: Apache-2.0
import logging
import os
from pathlib import Path

import pytest

from node0.finetune.corpus.transcript.headed_files import headed_files


def first_word(path: Path) -> str | None:
    words = path.read_text().split()
    if words[:1] == ["secret"]:
        raise PermissionError(f"cannot read {path.name}")
    return words[0] if words else None


def test_files_that_say_what_they_are_are_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, words in (("a", "one two"), ("b", ""), ("c", "secret"), ("d", "four")):
        (tmp_path / name).write_text(words)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    paths = [tmp_path / name for name in ("a", "b", "c", "d", "link", "pipe", "missing")]

    with caplog.at_level(logging.WARNING):
        found = {path.name: head for path, head in headed_files(paths, first_word)}

    assert found == {"a": "one", "d": "four"}
    assert caplog.messages == ["a session file is left out: cannot read c"]
