# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.commands.desk import desk_options


def test_the_flags_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        desk_options,
        "work",
        type("Work", (), {"open_desk": lambda *given, **named: asked.append((given, named))}),
    )

    assert desk_options.main(["--port", "0", "--tokenizer", "base"]) == 0
    assert asked == [((None,), {"port": 0, "tokenizer": "base"})]


def test_a_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert desk_options.main(["--port", "70000"]) == 2
    assert "--port" in capsys.readouterr().err
