# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import pytest

from node0.errors import ConfigError, ExportFailed
from node0.finetune.checkpoint.gguf import quantize as module
from node0.finetune.checkpoint.gguf.quantize import Quantizer, find_quantizer, quantize


def _program(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_llama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)


def test_a_program_on_the_path_is_found(tmp_path: Path, no_llama: None) -> None:
    program = _program(tmp_path / "llama-quantize", "")

    assert find_quantizer() == Quantizer(program, is_python=False)


def test_the_python_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    _program(tmp_path / "llama-quantize", "")
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: object())

    assert find_quantizer() == Quantizer(Path(sys.executable), is_python=True)


def test_without_either_the_refusal_names_both_and_a_way_out(no_llama: None) -> None:
    with pytest.raises(ConfigError, match=r"llama_cpp .*llama-quantize on PATH; q8_0 needs neither$"):
        find_quantizer()


def test_a_named_engine_is_told_by_its_name(tmp_path: Path) -> None:
    python, program = _program(tmp_path / "python3", ""), _program(tmp_path / "my-quantize", "")

    assert find_quantizer(python).is_python
    assert not find_quantizer(program).is_python
    with pytest.raises(ConfigError, match=r"no program .*/absent; give a Python that has llama_cpp"):
        find_quantizer(tmp_path / "absent")


def test_the_program_gets_source_target_and_format(tmp_path: Path) -> None:
    program = _program(tmp_path / "llama-quantize", 'printf "%s" "$3 $(cat "$1")" > "$2"')
    (tmp_path / "in").write_text("weights")

    quantize(tmp_path / "in", tmp_path / "out", kind="q4_k_m", quantizer=Quantizer(program, is_python=False))

    assert (tmp_path / "out").read_text() == "Q4_K_M weights"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo out of luck >&2; exit 3", r"could not write q6_k \(exit 3: out of luck\); take q8_0 instead"),
        ("exit 0", r"could not write q6_k \(exit 0: no word\)"),
        ("kill -9 $$", r"could not write q6_k \(exit -9: no word\)"),
    ],
)
def test_a_program_that_writes_nothing_is_an_error_with_its_last_word(
    tmp_path: Path, body: str, message: str
) -> None:
    program = Quantizer(_program(tmp_path / "llama-quantize", body), is_python=False)

    with pytest.raises(ExportFailed, match=message):
        quantize(tmp_path / "in", tmp_path / "out", kind="q6_k", quantizer=program)


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    program = Quantizer(_program(tmp_path / "llama-quantize", "exec sleep 20"), is_python=False)

    with pytest.raises(ExportFailed, match=r"took more than 0.2 s to write q4_k_m"):
        quantize(tmp_path / "in", tmp_path / "out", kind="q4_k_m", quantizer=program)


def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "llama-quantize").write_text("no program")
    program = Quantizer(tmp_path / "llama-quantize", is_python=False)

    with pytest.raises(ExportFailed, match="llama-quantize cannot be run"):
        quantize(tmp_path / "in", tmp_path / "out", kind="q4_k_m", quantizer=program)
