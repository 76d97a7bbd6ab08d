# SPDX-License-Identifier: Apache-2.0
"""A change of one file: shown as a diff before it is made, and made whole or not at all."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from node0.errors import ConfigError
from node0.files import SHARED_FILE, write_atomically


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a file holds now, and what it is to hold; None where it is not there."""

    path: Path
    before: str | None
    after: str | None
    mode: int = SHARED_FILE
    "Of a file of ours; one that others write too keeps the rights that it has."

    told: str | None = None
    "Lines to show in the place of a diff, of a file whose other lines are nobody's business."

    @property
    def is_none(self) -> bool:
        """Whether nothing would change."""
        return self.before == self.after

    def diff(self) -> str:
        """A unified diff, which ends a line; empty where nothing would change."""
        if self.told is not None:
            return f"--- {self.path}\n+++ {self.path}\n{self.told}" if self.told else ""
        old, new = (text.splitlines() if text else [] for text in (self.before, self.after))
        was, now = (str(self.path) if text is not None else "/dev/null" for text in (self.before, self.after))
        return "".join(f"{line}\n" for line in difflib.unified_diff(old, new, was, now, lineterm=""))

    def make(self) -> None:
        """Write the file, or remove it.

        Raises:
            ConfigError: it cannot be written.
        """
        try:
            if self.after is None:
                self.path.unlink(missing_ok=True)
                return
            write_atomically(self.path, self.after, shared=True)
            if self.before is None:
                self.path.chmod(self.mode)
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written: {error.strerror}; mend its rights") from error


def text_of(path: Path) -> str | None:
    """What a file holds, None where there is none.

    Raises:
        ConfigError: it is no text, or cannot be read.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; mend it, or take it away") from error
