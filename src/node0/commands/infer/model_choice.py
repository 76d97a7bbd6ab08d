# SPDX-License-Identifier: Apache-2.0
"""Which model a person wants to be answered by, here or at a URL."""

from dataclasses import dataclass
from pathlib import Path

from node0 import console


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model by one of its names, and what is added to it."""

    name: str | None
    "None takes the first one at `url`."

    town: Path | None = None
    adapters: tuple[str, ...] = ()
    role: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    url: str | None = None
    "Of the server that has it; None loads it here."

    token_file: Path | None = None
    "Holds the token that the server wants."

    rag_dir: Path | None = None
    "An index whose excerpts each prompt is given; None gives none."

    def check(self) -> None:
        """End the command where flags do not go together; else say what comes, before torch is imported."""
        if self.url is not None and not self.url.strip():
            console.misused("--url names no server; give its address, or leave --url out")
        if self.url is None and self.name is None:
            console.misused("name a model with --model, or a server with --url")
        if self.url is None and self.token_file is not None:
            console.misused("--token-file is for a server; give --url")
        if self.url is not None and self.rag_dir is not None:
            console.misused("--rag-dir is read here; the server at --url has its own")
        if self.url is not None and self.adapters:
            console.misused("--adapters are loaded here; the server at --url has its own")
        console.note(f"asking {self.url}" if self.url is not None else f"loading {self.name}")
