# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.files import write_atomically


def test_a_file_keeps_its_mode_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "settings" / "secret.json"
    write_atomically(path, "1")
    path.chmod(0o600)
    write_atomically(path, "2")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "2"
