# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.gastown.install_record import InstallRecord, read_record, record_file
from node0.town import Town


def test_a_record_reads_back(town_root: Path) -> None:
    town = Town(town_root)
    record = InstallRecord(files={"/x": "0" * 64}, made_settings=True, joint="\n", directories=["/d"])
    assert read_record(town) is None

    town.models.mkdir()
    record_file(town).write_text(record.model_dump_json())

    assert read_record(town) == record


def test_a_record_that_is_broken_is_one_line(town_root: Path) -> None:
    town = Town(town_root)
    town.models.mkdir()
    record_file(town).write_text('{"files": 3}')

    with pytest.raises(ConfigError, match=r"installed.json cannot be read \(1 errors\)"):
        read_record(town)
