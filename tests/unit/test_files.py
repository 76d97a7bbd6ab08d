# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.files import write_atomically


def test_a_file_keeps_its_mode_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "settings" / "secret.json"
    write_atomically(path, "1")
    path.chmod(0o600)
    write_atomically(path, "2")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "2"


def test_a_file_that_cannot_be_made_is_named_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**where: str) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied", f"{where['prefix']}abc{where['suffix']}")

    monkeypatch.setattr("tempfile.mkstemp", refuse)

    with pytest.raises(PermissionError) as refused:
        write_atomically(tmp_path / "a.json", "1")
    assert refused.value.filename == str(tmp_path / "a.json")
