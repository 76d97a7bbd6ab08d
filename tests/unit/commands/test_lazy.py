# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import pytest

from node0.commands.lazy import when_called


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that counts how often it is run."""
    (tmp_path / "node0_test_work.py").write_text(
        "runs = globals().get('runs', 0) + 1\ndef double(x): return 2 * x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "node0_test_work", raising=False)
    return "node0_test_work"


def test_the_module_is_imported_when_something_in_it_is_asked_for(module: str) -> None:
    work = when_called(module)
    before = module in sys.modules

    assert not before
    assert work.double(4) == 8
    assert module in sys.modules


def test_the_module_is_imported_once(module: str) -> None:
    work = when_called(module)

    assert [work.double(1), work.double(2), when_called(module).runs, work.runs] == [2, 4, 1, 1]


def test_a_package_that_is_not_installed_is_missed_at_the_call() -> None:
    work = when_called("node0_no_such_package")

    with pytest.raises(ModuleNotFoundError) as error:
        work.anything()

    assert error.value.name == "node0_no_such_package"


def test_a_name_that_the_module_does_not_have_is_an_attribute_error(module: str) -> None:
    with pytest.raises(AttributeError, match="node0_test_work"):
        when_called(module).halve(4)


def test_what_takes_long_is_said_before_and_once(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    work = when_called(module, heavy=True)

    assert work.double(1) == 2
    assert capsys.readouterr().err == "loading the libraries of training and answering\n"
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert work.double(1) == 2
    assert capsys.readouterr().err == ""


def test_ctrl_c_that_a_library_swallows_ends_the_command_all_the_same(module: str, tmp_path: Path) -> None:
    swallowing = "import signal\ntry: signal.raise_signal(signal.SIGINT)\nexcept BaseException: pass\nx = 1\n"
    (tmp_path / f"{module}.py").write_text(swallowing)

    with pytest.raises(KeyboardInterrupt):
        assert when_called(module).x == 1
