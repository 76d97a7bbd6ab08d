# SPDX-License-Identifier: Apache-2.0
import io
import json
import subprocess
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
    said = "error: prompt is too long: 40 tokens, the model's context is 32; shorten it"
    assert [line.split()[0] for line in err.splitlines()] == ["loading", "loaded", "error:"]
    assert err.splitlines()[2] == said
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
        (("--rag-dir", "."), None, 2, "--raw continues the text itself; leave --rag-dir out"),
        (("--url", ""), None, 2, "--url names no server"),
        (("--url", "http://localhost:abc"), None, 1, "'http://localhost:abc' is no URL"),
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
    *loading, last = err.splitlines()
    assert line in last and loading == ([] if code == 2 else [f"loading {model}" if model else loading[0]])
    assert sorted(town_root.rglob("*")) == before


def test_an_impossible_setting_is_refused_once_and_before_loading(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("one\ntwo\n", "--top-p", "1.5", model="./none") == 1

    said = "error: top_p 1.5 is not in (0, 1]; 1 switches it off"
    assert capsys.readouterr().err.splitlines() == ["loading ./none", said]


def test_an_empty_stdin_is_no_prompt(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("") == 0
    assert capsys.readouterr().out == ""


def test_objects_are_answered_by_objects_also_when_one_does_not_fit(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.dumps({"id": number, "prompt": text}) for number, text in enumerate(["x" * 40, "hi"])]

    assert ask("\n".join(lines), "--json", "--max-tokens", "2") == 1

    refused, answered = map(json.loads, capsys.readouterr().out.splitlines())
    assert refused["id"] == 0 and "the model's context is 32" in refused["error"]
    assert (answered["id"], answered["ending"], answered["answer_tokens"]) == (1, "length", 2)


def test_what_is_loaded_is_said_before_torch_is() -> None:
    code = (
        "import sys; from node0 import console, run_inference\n"
        "console.note = lambda line: print(line, 'torch' in sys.modules)\n"
        "run_inference.main(['--model', './none'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, input="", check=True)

    loading, error = done.stdout.splitlines()
    assert loading == "loading ./none False"
    assert error.startswith("error: no model directory ./none") and error.endswith("True")
