# SPDX-License-Identifier: Apache-2.0
"""What a page of the desk is asked, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from node0.town import Town


class Desk(NamedTuple):
    """What every page knows."""

    town: Town
    tokenizer: str = ""
    "Directory or hub id; empty where none is known."


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, without its protocol."""

    path: Mapping[str, str] = field(default_factory=dict)
    "What stands in the place of the route's names."

    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)


class Shown(NamedTuple):
    """A page: a template, and what it is filled with."""

    template: str
    content: Mapping[str, Any]


class Document(NamedTuple):
    """A whole page that another part of the program made, with the policy that it was made for."""

    html: str
    policy: str


class Moved(NamedTuple):
    """Another page is the answer."""

    to: str


Page = Callable[[Desk, Asked], Shown | Document | Moved]
