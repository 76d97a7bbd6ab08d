# SPDX-License-Identifier: Apache-2.0
import pytest
from tiny_chat import TEMPLATES, tiny_tokenizer

from node0.finetune.export.ollama import TurnTexts, modelfile, turn_texts


def _texts(template: str) -> TurnTexts | None:
    tokenizer = tiny_tokenizer(template)
    return turn_texts(
        lambda turns, opened: str(
            tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=opened)
        )
    )


@pytest.mark.parametrize("template", ["shipped", "chatml", "opening", "plain"])
def test_a_template_that_puts_the_same_around_each_turn_is_said_in_go(template: str) -> None:
    found = _texts(template)
    tokenizer = tiny_tokenizer(template)
    turns = [{"role": "system", "content": "Be."}, {"role": "user", "content": "Go."}]

    assert found is not None
    assert found.text(turns) == tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True
    )


@pytest.mark.parametrize("template", ["rewriting", "alternating"])
def test_a_template_that_does_more_is_left_out(template: str) -> None:
    assert template in TEMPLATES
    assert _texts(template) is None


def test_the_go_template_of_chatml() -> None:
    found = _texts("chatml")

    assert found is not None
    assert found.go_template() == (
        '{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "assistant" }}<|im_start|>assistant\n{{ .Content }}<|im_end|>\n'
        "{{ end }}{{ end }}<|im_start|>assistant\n"
    )


def test_what_stands_at_the_beginning_without_a_system_turn_is_said_once() -> None:
    around = ("<u>", "</u>")
    found = TurnTexts("<s>You help.", ("<s>", "\n"), around, around, "<a>")

    assert found.go_template().startswith("{{ if not .System }}<s>You help.{{ end }}{{ range .Messages }}")
    assert found.text([{"role": "user", "content": "x"}]) == "<s>You help.<u>x</u><a>"
    assert (
        found.text([{"role": "system", "content": "y"}, {"role": "user", "content": "x"}])
        == "<s>y\n<u>x</u><a>"
    )


def test_braces_of_a_template_stay_text_in_go() -> None:
    around = ("{{u}} ", "")

    assert '{{ "{{" }}u}} {{ .Content }}' in TurnTexts("", around, around, around, "").go_template()


def test_a_modelfile_has_a_line_for_each_part() -> None:
    written = modelfile(
        source="./base.gguf",
        adapter="./a.gguf",
        texts=None,
        context=2048,
        stops=["<|im_end|>", 'a "b"'],
        temperature=0.7,
        system='You are "it".\n',
    )

    lines = written.splitlines()
    assert lines[:2] == ["FROM ./base.gguf", "ADAPTER ./a.gguf"]
    assert lines[2].startswith("# TEMPLATE is left out")
    assert lines[4:] == [
        'SYSTEM """You are "it"."""',
        "PARAMETER num_ctx 2048",
        "PARAMETER temperature 0.7",
        'PARAMETER stop "<|im_end|>"',
        'PARAMETER stop "a \\"b\\""',
    ]


def test_a_template_is_quoted_whole() -> None:
    around = ("a\n", '"""')
    written = modelfile(source="m", texts=TurnTexts("", around, around, around, ""), context=1)

    assert written.count('"""') == 2
