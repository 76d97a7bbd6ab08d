# SPDX-License-Identifier: Apache-2.0
"""Find session files by what their first lines say."""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

Head = TypeVar("Head")

logger = logging.getLogger(__name__)


def headed_files(
    paths: Iterable[Path], head_of: Callable[[Path], Head | None]
) -> Iterator[tuple[Path, Head]]:
    """The files that say what they are; one that cannot be read is passed over with a warning.

    Pipes and devices, which could be waited for without end, and links are none.
    """
    for path in paths:
        if not path.is_file() or path.is_symlink():
            continue
        try:
            head = head_of(path)
        except OSError as error:
            logger.warning("a session file is left out: %s", error)
            continue
        if head is not None:
            yield path, head
