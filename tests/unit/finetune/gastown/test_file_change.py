# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.gastown.file_change import FileChange, text_of


def test_a_new_file_is_made_with_its_rights_and_its_directory(tmp_path: Path) -> None:
    file = tmp_path / "a" / "run.sh"

    FileChange(file, None, "#!/bin/sh\n", 0o755).make()

    assert (file.read_text(), file.stat().st_mode & 0o777) == ("#!/bin/sh\n", 0o755)


def test_a_file_of_others_keeps_its_rights(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("{}")
    file.chmod(0o640)

    FileChange(file, "{}", "[]", 0o600).make()

    assert (file.read_text(), file.stat().st_mode & 0o777) == ("[]", 0o640)


def test_a_file_is_removed_and_again_without_harm(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("x")

    for _ in range(2):
        FileChange(file, "x", None).make()

    assert not file.exists()


def test_a_diff_says_what_comes_and_what_goes() -> None:
    file = Path("/town/x")

    assert FileChange(file, None, "a\n").diff() == "--- /dev/null\n+++ /town/x\n@@ -0,0 +1 @@\n+a\n"
    assert FileChange(file, "a\n", None).diff().splitlines()[:2] == ["--- /town/x", "+++ /dev/null"]
    assert FileChange(file, "a\n", "a\n").diff() == ""


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be written"):
        FileChange(tmp_path / "file" / "below", None, "x").make()


def test_text_keeps_its_ends_of_lines_and_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "crlf").write_bytes(b"a\r\nb")
    (tmp_path / "bytes").write_bytes(b"\xff")

    assert text_of(tmp_path / "crlf") == "a\r\nb"
    assert text_of(tmp_path / "none") is None
    with pytest.raises(ConfigError, match="cannot be read"):
        text_of(tmp_path / "bytes")
