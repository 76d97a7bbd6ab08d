# SPDX-License-Identifier: Apache-2.0
"""Write a Modelfile for Ollama, with the chat template in Go where Go can say the same."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jinja2.exceptions import TemplateError

Render = Callable[[list[dict[str, str]], bool], str]
"Turns to text by the chat template; True adds what opens an answer."

_CONTENT = "Qx7Content"
"A text that no template has, and that none changes."


@dataclass(frozen=True, slots=True)
class TurnTexts:
    """What a chat template puts around the turns, where it does so in the same way each time."""

    opening: str
    "Before the first turn, when it is no system turn."
    system: tuple[str, str]
    "Before and behind a system turn, with the beginning of the whole."
    user: tuple[str, str]
    assistant: tuple[str, str]
    answer: str
    "What opens an answer."

    def text(self, turns: Sequence[dict[str, str]]) -> str:
        """What Ollama makes of turns with the template that `go_template` gives."""
        around = {"system": self.system, "user": self.user, "assistant": self.assistant}
        begun = "" if turns[0]["role"] == "system" else self.opening
        written = (turn["content"].join(around[turn["role"]]) for turn in turns)
        return begun + "".join(written) + self.answer

    def go_template(self) -> str:
        """The same for Ollama."""
        branches = zip(("if", "else if", "else if"), ("system", "user", "assistant"), strict=True)
        written = "".join(
            f'{{{{ {word} eq .Role "{role}" }}}}{{{{ .Content }}}}'.replace(
                "{{ .Content }}", "{{ .Content }}".join(map(_go_text, getattr(self, role)))
            )
            for word, role in branches
        )
        begun = f"{{{{ if not .System }}}}{_go_text(self.opening)}{{{{ end }}}}" if self.opening else ""
        return f"{begun}{{{{ range .Messages }}}}{written}{{{{ end }}}}{{{{ end }}}}{_go_text(self.answer)}"


def turn_texts(render: Render) -> TurnTexts | None:
    """What stands around turns, found by rendering; None where a template does more than that."""
    try:
        found = _found(render)
        samples = _samples()
        agrees = found is not None and all(found.text(turns) == render(turns, True) for turns in samples)
    except (TemplateError, ValueError):
        return None
    return found if agrees else None


def modelfile(
    *,
    source: str,
    adapter: str | None = None,
    texts: TurnTexts | None,
    context: int,
    stops: Sequence[str] = (),
    temperature: float = 0.0,
    system: str | None = None,
) -> str:
    """The text of a Modelfile.

    Args:
        source: The GGUF file or model of `FROM`.
        adapter: The GGUF file of an adapter.
        texts: The chat template; None leaves it to Ollama, with a remark.
        context: Tokens of prompt and answer together.
        stops: Texts that end an answer.
        temperature: How much chance has a part in it.
        system: The card of the role.
    """
    lines = [f"FROM {source}"]
    lines += [f"ADAPTER {adapter}"] if adapter else []
    if texts is None:
        lines += [
            "# TEMPLATE is left out: the chat template does what Ollama's templates cannot say. Send",
            '# rendered text to /api/generate with "raw": true, or take a server that is given ids.',
        ]
    else:
        lines += [
            "# Tools are left out: Ollama spells their definitions in another order than training did.",
            f"TEMPLATE {_quoted(texts.go_template())}",
        ]
    lines += [f"SYSTEM {_quoted(system.strip())}"] if system else []
    lines += [f"PARAMETER num_ctx {context}", f"PARAMETER temperature {temperature:g}"]
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops]
    return "\n".join(lines) + "\n"


def _found(render: Render) -> TurnTexts | None:
    user, said = _turn("user"), _turn("assistant")
    first, answered = render([user], False), render([user, said], False)
    both = render([user, said, user], False)
    headed = render([_turn("system"), user], False)
    around_user = _around(both, answered)
    around_said = _around(answered, first)
    if around_user is None or around_said is None:
        return None
    whole = _CONTENT.join(around_user)
    if not (first.endswith(whole) and headed.endswith(whole)):
        return None
    around_system = _around(headed.removesuffix(whole), "")
    answer = render([user], True).removeprefix(first)
    if around_system is None:
        return None
    return TurnTexts(first.removesuffix(whole), around_system, around_user, around_said, answer)


def _around(text: str, begun: str) -> tuple[str, str] | None:
    """What stands before and behind the one content of `text` after `begun`."""
    parts = text.removeprefix(begun).split(_CONTENT)
    return (parts[0], parts[1]) if text.startswith(begun) and len(parts) == 2 else None


def _turn(role: str, content: str = _CONTENT) -> dict[str, str]:
    return {"role": role, "content": content}


def _samples() -> list[list[dict[str, str]]]:
    talk = [_turn("user", "Go."), _turn("assistant", "Gone."), _turn("user", "On?\n\nYes")]
    return [talk[:1], talk, [_turn("system", "Be brief."), *talk], [_turn("system", "Be."), *talk[:1]]]


def _go_text(text: str) -> str:
    """Text that Go's templates leave as it is."""
    return text.replace("{{", '{{ "{{" }}')


def _quoted(text: str) -> str:
    # A Modelfile has no way to write three quotation marks inside three.
    return f'"""{text.replace(chr(34) * 3, chr(34) * 2)}"""'
