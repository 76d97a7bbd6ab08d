# SPDX-License-Identifier: Apache-2.0
"""What of a text is looked for: its words in a common form, and its ids whole and in parts.

`gt-abc12`, `mol-polecat-work`, `docs/rigs.md` and `3307` are whole terms; each part of one is a term too, so
that "polecat work" finds the formula. Endings are cut off words lightly: plurals as the S-stemmer does
(D. Harman, "How effective is suffixing?", JASIS 42, 1991), and -ing and -ed.
"""

import re
from collections import Counter
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
_TERM = np.dtype([("hash", "<u8"), ("count", "<u4")])

_WHOLE = re.compile(r"\w(?:[\w.:/#@+-]*\w)?")
_PART = re.compile(r"[^\W_]+")
_LONGEST = 80
"Characters of a whole term; longer runs are looked for in parts only."


def words_of(text: str) -> list[str]:
    """The terms of a text in order, with repetitions."""
    found: list[str] = []
    for whole in _WHOLE.findall(text.casefold()):
        found += _terms(whole)
    return found


@lru_cache(maxsize=1 << 16)
def _terms(whole: str) -> tuple[str, ...]:
    parts = [stem(part) for part in _PART.findall(whole)]
    if len(parts) == 1 and len(parts[0]) >= len(whole) - 3:
        return tuple(parts)
    return (whole, *parts) if len(whole) <= _LONGEST else tuple(parts)


def stem(word: str) -> str:
    """A word without a light ending; one that holds a digit stays as it is."""
    if len(word) < 4 or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    # "merge", "merged" and "merging" meet in "merg", "stop" and "stopped" in "stop".
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


@lru_cache(maxsize=1 << 16)
def hash_of(term: str) -> int:
    """64 bits of a term: terms are compared by these alone."""
    return int.from_bytes(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def hashes_of(text: str) -> Hashes:
    """The different terms of a text, as hashes, sorted."""
    return np.array(sorted({hash_of(word) for word in words_of(text)}), dtype=np.uint64)


def coded_terms(text: str) -> bytes:
    """Terms with their counts, for the store."""
    counts = Counter(hash_of(word) for word in words_of(text))
    return np.array(sorted(counts.items()), dtype=_TERM).tobytes()


def decoded_terms(coded: bytes) -> tuple[Hashes, npt.NDArray[np.uint32]]:
    """Hashes and counts, of one text or of several that were put end to end."""
    terms = np.frombuffer(coded, dtype=_TERM)
    return terms["hash"], terms["count"]


def count_of_terms(coded: bytes) -> int:
    """How many different terms there are."""
    return len(coded) // _TERM.itemsize
