# SPDX-License-Identifier: Apache-2.0
"""The Jinja of chat templates, in the helper process: sandboxed, with the names that published templates use.

The names are those of transformers: https://huggingface.co/docs/transformers/chat_templating_writing
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from node0.bounded.helper_loop import Refused


class GenerationBlock(Extension):
    """`{% generation %}` marks what is learnt; to the text it adds nothing."""

    tags = {"generation"}  # noqa: RUF012  # the name and kind are Jinja's

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The block's own content, in a scope as any other."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return [nodes.Scope(body, lineno=line)]


def rendered(given: Sequence[Any]) -> str:
    """A template's source and its values made into a text.

    Raises:
        Refused: the template says no, or fails on these values.
    """
    source, values = given
    try:
        return _compiled(source).render(**values)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # a template is a program: it may fail with anything
        raise Refused(" ".join(str(error).split())[:300] or type(error).__name__) from None


@cache
def _compiled(source: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {"raise_exception": _raise, "strftime_now": _now}
    return environment.from_string(source)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own escapes what HTML would read."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise(message: str) -> None:
    raise TemplateError(message)


def _now(format: str) -> str:
    return datetime.now().astimezone().strftime(format)
