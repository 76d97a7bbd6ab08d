# SPDX-License-Identifier: Apache-2.0
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_chat import tiny_tokenizer

from node0 import run_inference
from node0.models.base_model import export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments

Ask = Callable[..., int]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    shape = {"hidden_dim": 16, "n_heads": 2, "num_hidden_layers": 1, "vocab_size": 272, "ffn_dim": 16}
    args = LlamaArguments.model_validate(shape | {"max_seq_len": 32, "init_std": 0.5})
    export_base(build_stages(args, seed=1), tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def ask(base: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    def run(text: str, *flags: str, model: str | None = None) -> int:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return run_inference.main(["--model", model or str(base), "--temperature", "0", "--raw", *flags])

    return run


def test_every_line_is_answered_alone(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("one\ntwo\none\n", "--max-tokens", "6") == 0
    together = capsys.readouterr().out
    ask("one\n", "--max-tokens", "6")
    one = capsys.readouterr().out
    ask("two", "--max-tokens", "6")
    two = capsys.readouterr().out

    assert together == one + two + one
    assert one != two


def test_a_prompt_that_does_not_fit_is_one_line_and_the_tool_ends_with_1(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(f"{'x' * 40}\nhi\n", "--max-tokens", "2") == 1

    out, err = capsys.readouterr()
    assert err == "error: the prompt has 40 tokens and the model's context is 32; shorten it\n"
    assert out.endswith("\n") and len(out) > 1


def test_a_stop_string_ends_the_answer(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    ask("hi\n", "--max-tokens", "12")
    whole = capsys.readouterr().out
    ask("hi\n", "--max-tokens", "12", "--stop", whole[3:5])

    assert capsys.readouterr().out == whole[: whole.find(whole[3:5])] + "\n"


def test_all_of_stdin_may_be_one_prompt(ask: Ask, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("one\ntwo\n")

    assert ask("one\ntwo\n", "--file", "-", "--max-tokens", "4") == 0
    from_stdin = capsys.readouterr().out
    assert ask("", "--file", str(tmp_path / "prompt.txt"), "--max-tokens", "4") == 0

    assert capsys.readouterr().out == from_stdin


@pytest.mark.parametrize(
    ("flags", "model", "code", "line"),
    [
        ((), "nobody", 1, "no model 'nobody'"),
        ((), "./none", 1, "no model directory ./none"),
        (("--adapters", "nobody"), None, 1, "no model 'nobody'"),
        (("--file", "none.txt"), None, 1, "cannot read the prompt from none.txt"),
        (("--device", "tpu"), None, 1, "device 'tpu' is not available"),
        (("--dtype", "int3"), None, 1, "dtype 'int3' is unknown"),
        (("--role", "No Role"), None, 1, "role 'No Role' is no role name"),
        (("--max-tokens", "-1"), None, 2, "--max-tokens"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    ask: Ask,
    capsys: pytest.CaptureFixture[str],
    town_root: Path,
    flags: tuple[str, ...],
    model: str | None,
    code: int,
    line: str,
) -> None:
    before = sorted(town_root.rglob("*"))

    assert ask("hi\n", *flags, "--town", str(town_root), model=model) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert line in err and err.count("\n") == 1
    assert sorted(town_root.rglob("*")) == before


def test_an_impossible_setting_is_refused_once_and_before_loading(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("one\ntwo\n", "--top-p", "1.5", model="./none") == 1

    assert capsys.readouterr().err == "error: top_p 1.5 is not in (0, 1]; 1 switches it off\n"


def test_an_empty_stdin_is_no_prompt(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("") == 0
    assert capsys.readouterr() == ("", "")
