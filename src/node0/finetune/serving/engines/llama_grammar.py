# SPDX-License-Identifier: Apache-2.0
"""Grammars of answers in GBNF, llama.cpp's notation, around rules that llama-server itself makes of schemas.

Source of the notation: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
"""

import json
import re
from collections.abc import Sequence

from node0.finetune.serving.constraint import ARGUMENTS, END_TAG, LIST_TAG, TAG, AnswerForm

_KEPT_OR_NAME = re.compile(r'("(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|\{[^}]*\})|([\w-]+)', re.DOTALL)
"Literals, classes of characters and counts of repetitions; else a rule's name."

_CHARACTER = r'[^"\\\x7F\x00-\x1F]'
"What llama-server lets stand in a string of JSON: bytes too that spell no character of Unicode."

_UNICODE = "[ !#-\\x5B\\x5D-\\x7E\u0080-\ud7ff\ue000-\U0010ffff]"
"The same without these: each would come as several U+FFFD, in a string that may have so many characters."

_WHITE = r'white ::= "\n"? " "{0,12}'


def llama_grammar(form: AnswerForm, *, answer: str | None, arguments: Sequence[str]) -> str:
    """The answers of a form.

    `answer` has the rules of its schema, `arguments` those of each tool's, each with a `root` of their own.
    """
    constraint = form.constraint
    rules = [_WHITE, *([_renamed(answer, "answer-")] if answer is not None else [])]
    for number, ((name, _), given) in enumerate(zip(constraint.tools, arguments, strict=True)):
        rules += [_call(number, name, key=ARGUMENTS[form.calls]), _renamed(given, f"given-{number}-")]
    every = " | ".join(f"call-{number}" for number in range(len(constraint.tools)))
    rules += [f"call ::= {every}", *_calls(form)] if every else []
    if constraint.forced:
        root = "calls"
    else:
        root = " | ".join([*(["answer-root"] if answer is not None else []), *(["calls"] if every else [])])
    if answer is None and not constraint.forced:
        root, rules = "words-0", [*rules, *_words(one_call=constraint.one_call)]
    return "\n".join([f"root ::= {root}", *rules, ""])


def _calls(form: AnswerForm) -> list[str]:
    one_call = form.constraint.one_call
    if form.calls == "tagged":
        tagged = f'tagged ::= "{TAG}" tagged-rest'
        return [
            f"calls ::= tagged{'' if one_call else '+'}",
            tagged,
            f'tagged-rest ::= white call white "{END_TAG}"',
        ]
    if form.calls == "list":
        further = "" if one_call else ' ("," white call)*'
        return [f'calls ::= "{LIST_TAG}" white "[" call{further} "]"']
    return ["calls ::= call"]


def _call(number: int, name: str, *, key: str) -> str:
    opening, spelled, then = (json.dumps(text) for text in ('{"name":', json.dumps(name), f'"{key}":'))
    return (
        f'call-{number} ::= {opening} white {spelled} "," white {then} white given-{number}-root white "}}"'
    )


def _words(*, one_call: bool) -> list[str]:
    """Text with calls in it: rule `words-N` has read N characters that may be the begin of a tag.

    A tag is never text, since `<` stands at its begin and nowhere else in it. After the one call that is
    allowed there is no rule that reads a tag to its end.
    """
    after = "last-0" if one_call else "words-0"
    rules = _text("words", then=f"tagged-rest {after}")
    return [*rules, *_text("last", then=None)] if one_call else rules


def _text(name: str, *, then: str | None) -> list[str]:
    rules = [f'{name}-0 ::= | [^<] {name}-0 | "<" {name}-1']
    for read, char in enumerate(TAG[1:], start=1):
        further = f"{name}-{read + 1}" if read + 1 < len(TAG) else then
        other = f'| [^<{char}] {name}-0 | "<" {name}-1'
        rules.append(f"{name}-{read} ::= {other}" + (f' | "{char}" {further}' if further else ""))
    return rules


def _renamed(rules: str, prefix: str) -> str:
    """The rules with other names, of Unicode alone."""
    unicode = rules.strip().replace(_CHARACTER, _UNICODE)
    return _KEPT_OR_NAME.sub(lambda part: part[1] or prefix + part[2], unicode)
