# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.eval.promptfoo.promptfoo_suite import read_promptfoo
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying, category_scores

SUITE = """
# yaml-language-server: $schema=https://promptfoo.dev/config-schema.json
description: how a patrol decides
prompts:
  - "You are {{ role }}. {{question}}"
  - file://chat.json
providers: [openai:gpt-4.1-mini]
defaultTest:
  vars: {role: the deacon}
  assert:
    - {type: not-contains, value: sorry}
tests:
  - description: greets
    vars: {question: Say hello}
    assert: [{type: icontains, value: hello}]
  - vars:
      question: [One, Two]
      role: a witness
    assert: [{type: equals, value: "{{question}}"}]
"""
CHAT = '[{"role": "system", "content": "{{role}}"}, {"role": "user", "content": "{{question}}"}]'


def _write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "chat.json").write_text(CHAT)
    path = tmp_path / "patrol suite.yaml"
    path.write_text(text)
    return path


def test_each_test_meets_each_prompt_with_each_value(tmp_path: Path) -> None:
    tasks = read_promptfoo(_write(tmp_path, SUITE))

    assert [task.id for task in tasks] == [
        "test-001",
        "test-001-2",
        "test-002",
        "test-002-2",
        "test-002-3",
        "test-002-4",
    ]
    assert tasks[0].prompt == "You are the deacon. Say hello"
    assert tasks[2].prompt == "You are a witness. One"
    assert {task.category for task in tasks} == {"patrol-suite"}
    assert len({task.digest for task in tasks}) == 6


def test_a_chat_prompt_gives_turns_and_a_system_text(tmp_path: Path) -> None:
    request = read_promptfoo(_write(tmp_path, SUITE))[1].request()

    assert request["system"] == "the deacon"
    assert request["messages"] == [{"role": "user", "content": "Say hello"}]


def test_a_quote_in_a_variable_breaks_no_chat(tmp_path: Path) -> None:
    question = 'Say "hello"\\n'
    path = _write(tmp_path, SUITE.replace("question: Say hello", f"question: '{question}'"))

    plain, chat = read_promptfoo(path)[:2]

    assert plain.prompt == f"You are the deacon. {question}"
    assert chat.request()["system"] == "the deacon"
    assert chat.request()["messages"] == [{"role": "user", "content": question}]


def test_a_suite_runs_and_is_judged(tmp_path: Path) -> None:
    tasks = read_promptfoo(_write(tmp_path, SUITE))
    runner = EvalRunner(tasks, Trying(epochs=1))

    polite = runner.run_all("m", lambda prompt: prompt.split("\n\n")[-1].rpartition(". ")[2])
    rude = category_scores(runner.run(_Fixed("Sorry, sorry")))

    # The greeting is said back as it was asked for, and so is each question.
    assert polite == {"patrol-suite": 1.0}
    assert rude == {"patrol-suite": 0.0}


class _Fixed:
    name = digest = "fixed"

    def __init__(self, text: str) -> None:
        self._text = text

    def answer(self, task: object, request: object, sampling: object) -> list[object]:
        return [{"type": "text", "text": self._text}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("{{question}}", "{{question | upper}}"), "template '{{question | upper}}' is not supported"),
        (("{{question}}", "{{nothing}}"), "no variable 'nothing'"),
        (("tests:", "scenarios: []\ntests:"), "'scenarios' is not supported"),
        (("description: greets", "options: {transform: x}"), "'options' is not supported"),
        (("file://chat.json", "file://prompt.py"), "take a .txt, .md or .json file"),
        (("file://chat.json", "file://nowhere.txt"), "cannot read prompt"),
        (("type: icontains", "type: similar"), "'similar' is not supported"),
        (("question: [One, Two]", "question: []"), "test 2: variable 'question' is an empty list"),
        (
            ('{type: equals, value: "{{question}}"}', '{type: regex, value: "{{role}}("}'),
            "test 2: 'a witness(' is no pattern",
        ),
    ],
)
def test_what_is_not_supported_is_refused(change: tuple[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_promptfoo(_write(tmp_path, SUITE.replace(*change)))

    assert told in str(caught.value)


def test_tests_of_another_file_and_tests_that_assert_nothing_are_refused(tmp_path: Path) -> None:
    for tests, told in (("file://tests.csv", "write a list"), ("[{vars: {}}]", "asserts nothing")):
        path = _write(tmp_path, f"prompts: [hi]\ntests: {tests}\n")
        with pytest.raises(ConfigError, match=told):
            read_promptfoo(path)
