# SPDX-License-Identifier: Apache-2.0
"""Render a chat template, whoever wrote it, in a helper process under bounds of time and memory."""

from typing import Any, NamedTuple, Protocol

from jinja2.exceptions import TemplateError

from node0.bounded.helper import OverBounds, shared_helper
from node0.bounded.helper_loop import Refused
from node0.errors import ConfigError

_WORK = "node0.finetune.chat.template_environment:rendered"


class TemplatedTokenizer(Protocol):
    """What a rendering asks of a tokenizer."""

    @property
    def special_tokens_map(self) -> Any:
        """Texts of the special tokens by what they are for, which a template may name."""
        ...

    def get_chat_template(self, chat_template: Any = None, tools: Any = None) -> str:
        """The template's source; of several, the one for requests with these tools."""
        ...


class Rendering(NamedTuple):
    """What a template is given."""

    turns: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None
    add_prompt: bool = False
    values: dict[str, Any] = {}  # noqa: RUF012  # read only
    "Further names that the template may use."


def render_bounded(
    tokenizer: TemplatedTokenizer, rendering: Rendering, *, template: str | None = None
) -> str:
    """The text, as `apply_chat_template` of transformers makes it.

    template: in place of the tokenizer's own.

    Raises:
        TemplateError: the template refuses these turns, or does what no template may.
        ConfigError: it takes too long, or too much memory.
    """
    source = tokenizer.get_chat_template(template, rendering.tools)
    values = {
        **tokenizer.special_tokens_map,
        **rendering.values,
        # A key without a value is one that is not there: most templates ask for the key alone.
        "messages": [
            {key: said for key, said in turn.items() if said is not None} for turn in rendering.turns
        ],
        "tools": rendering.tools,
        "documents": None,
        "add_generation_prompt": rendering.add_prompt,
    }
    try:
        return str(shared_helper().ask(_WORK, [source, values]))
    except Refused as error:
        raise TemplateError(str(error)) from None
    except OverBounds as error:
        raise ConfigError(
            f"the tokenizer's chat template {error} for a conversation of {len(rendering.turns)} turns: "
            "remove it from the tokenizer to use the shipped one"
        ) from None
