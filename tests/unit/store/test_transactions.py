# SPDX-License-Identifier: Apache-2.0
import os
import pwd

import pytest

from node0.store.transactions import actor


def test_the_actor_is_the_user_of_this_process() -> None:
    assert actor() == pwd.getpwuid(os.geteuid()).pw_name


def test_a_user_without_a_name_is_known_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_001)

    assert actor() == "uid 4000000001"
