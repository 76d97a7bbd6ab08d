# SPDX-License-Identifier: Apache-2.0
"""Remember what was found in texts that come again: every entry of a session holds the messages before it.

A text is known by its digest, so that none is kept; how much is kept is bounded in bytes. Nothing depends on
what is remembered, for the same text holds the same until something more is looked for.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

from node0.finetune.corpus.scrub.finding import Finding

MOST_BYTES = 32 << 20
BYTES_EACH = 256
"Of a text's digest and its place in the memory, and again of each finding with its parts."

Find = Callable[[str, bool], Sequence[Finding]]
"Looks through a text, with or without what only looks random."


class FindingsMemory:
    """Looks through each text once, as long as it is remembered.

    Args:
        find: Does the work.
        state: Changes when something more is looked for.
        most_bytes: What is kept at most; the longest unused is forgotten first.
    """

    def __init__(self, find: Find, state: Callable[[], int], *, most_bytes: int = MOST_BYTES) -> None:
        self._find = find
        self._state = state
        self._found: OrderedDict[tuple[bytes, bool], Sequence[Finding]] = OrderedDict()
        self._of_state = state()
        self.most_bytes = most_bytes
        self.bytes_kept = 0

    def findings(self, text: str, *, wide: bool) -> Sequence[Finding]:
        """What is found in a text."""
        if self._state() != self._of_state:
            self._forget()
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(), wide
        found = self._found.get(key)
        if found is None:
            found = self._find(text, wide)
            self._keep(key, found)
        else:
            self._found.move_to_end(key)
        return found

    def _forget(self) -> None:
        self._found.clear()
        self._of_state = self._state()
        self.bytes_kept = 0

    def _keep(self, key: tuple[bytes, bool], found: Sequence[Finding]) -> None:
        self._found[key] = found
        self.bytes_kept += _size(found)
        while self.bytes_kept > self.most_bytes:
            _, forgotten = self._found.popitem(last=False)
            self.bytes_kept -= _size(forgotten)


def _size(found: Sequence[Finding]) -> int:
    return BYTES_EACH * (1 + len(found))
