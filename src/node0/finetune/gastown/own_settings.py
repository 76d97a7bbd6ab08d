# SPDX-License-Identifier: Apache-2.0
"""The block `town` of `<town>/.models/settings.yaml`: what a person answered when the town was set up.

The other blocks, and every comment, are a person's: only the lines of this block are ever written.
"""

import re

import yaml
from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.gastown.file_change import text_of
from node0.settings import read_block
from node0.town import Town

BLOCK = "town"
_LINES = re.compile(
    rf"^{BLOCK}:(?:[ \t]*\{{[^{{}}]*\}})?[^\n]*(?:\n(?:[ \t]*\r?\n|#[^\n]*\n)*[ \t]+\S[^\n]*)*(?:\n|\Z)",
    re.MULTILINE,
)
"""The first line, braces that it opens, and the indented ones; what stands between these, empty or a comment,
is of the block too."""


class OwnSettings(BaseModel):
    """The block `town` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_model: str = ""
    "Directory or hub id of the base that the town's models are trained on."

    roles: list[str] = Field(default_factory=list)
    "Roles that are to get a model."

    claude_hook: bool = False
    "Whether sessions that gt starts are collected by a hook in the user's own settings of Claude Code."

    timer: bool = True
    "Whether a systemd timer of the user collects every hour."

    claude_trust: bool = False
    "Whether Claude Code is told that the town's directories are trusted, so that it starts unasked."

    prime: bool = False
    "Whether agents of ours begin with a short prime."

    nightly: bool = False
    "Whether a plugin of gt trains, evaluates and deploys what the sessions ask for."


def read_own_settings(town: Town) -> OwnSettings:
    """What was answered; the defaults where nothing was.

    Raises:
        ConfigError: the file is not YAML, or the block is not as it must be.
    """
    return read_block(OwnSettings, town.model_settings_file, block=BLOCK)


def has_own_settings(town: Town) -> bool:
    """Whether somebody answered already."""
    text = text_of(town.model_settings_file)
    return text is not None and has_block(text)


def with_block(text: str | None, settings: OwnSettings) -> str:
    """The text of a settings file with this block, in the place of the one that it has."""
    tree = {BLOCK: settings.model_dump(mode="json")}
    block = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    if text is None:
        return block
    if (found := _LINES.search(text)) is not None:
        return text[: found.start()] + block + text[found.end() :]
    return f"{text}{joint(text)}{block}"


def has_block(text: str) -> bool:
    """Whether the block is in a text."""
    return _LINES.search(text) is not None


def without_block(text: str, *, join: str) -> str | None:
    """The text without the block; None where nothing else is in it.

    Args:
        text: of the settings file.
        join: what `joint` said when the block was put in.
    """
    found = _LINES.search(text)
    if found is None:
        return text
    before = text[: found.start()]
    rest = text[found.end() :]
    # What joined the block to a last line without an end goes with it.
    kept = before.removesuffix(join) if join and not rest else before
    return kept + rest or None


def joint(text: str) -> str:
    """What stands between a text and a block behind it."""
    return "" if not text or text.endswith("\n") else "\n"
