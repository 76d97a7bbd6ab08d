# SPDX-License-Identifier: Apache-2.0
"""Find exact and near duplicates by MinHash and locality-sensitive hashing.

Compared is what an entry adds: the turns from the one before its first answer to its last answer, not the
context that it shares with other entries of its conversation. The signature has one permutation, cut into
bins, empty bins filled from their neighbours (Shrivastava and Li, 2014, https://arxiv.org/abs/1406.4784);
bands of it make candidates (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3), whose
similarity is the share of equal bins.
"""

import hashlib
import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import eq
from typing import Any, NamedTuple

from node0.finetune.corpus.schema import CorpusEntry

BINS = 256
"The standard error of a similarity of 0.8 is 0.025."

BAND = 8
"Bins of a band: pairs of similarity 0.8 share one of the 32 bands with probability 0.997, of 0.5 with 0.12."

SHINGLE = 5
"Words of a shingle."

THRESHOLD = 0.8
WORD = re.compile(r"\w+")


class Duplicate(NamedTuple):
    """An entry that repeats an older one."""

    id: str
    of: str
    similarity: float
    "Jaccard, of the sets of shingles, estimated; 1.0 where the text is the same."

    exact: bool


def duplicates(entries: Iterable[CorpusEntry], *, threshold: float = THRESHOLD) -> list[Duplicate]:
    """Every entry that repeats an older one, at the side of the most similar one; oldest first.

    What repeats an older duplicate is compared with the kept entries, not with that one. Memory: 2 KB an
    entry that is kept, and 32 places in a table.

    Args:
        threshold: Lowest similarity, above 0; 1.0 finds exact ones only.
    """
    known: dict[str, Duplicate] = {}
    buckets: dict[tuple[int, ...], list[str]] = defaultdict(list)
    kept: dict[str, Sequence[int]] = {}
    found = []
    for entry in sorted(entries, key=lambda entry: (entry.created_at, entry.id)):
        text = own_text(entry)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if digest in known:
            found.append(known[digest]._replace(id=entry.id))
            continue
        known[digest] = Duplicate(entry.id, entry.id, 1.0, exact=True)
        if threshold >= 1.0:
            continue
        bins = signature(shingles(text))
        bands = [(at, *bins[at : at + BAND]) for at in range(0, BINS, BAND)]
        names = {name for band in bands for name in buckets.get(band, ())}
        near = max(((similarity(bins, kept[name]), name) for name in sorted(names)), default=None)
        if near is not None and near[0] >= threshold:
            known[digest] = Duplicate(entry.id, near[1], round(near[0], 3), exact=False)
            found.append(known[digest])
            continue
        kept[entry.id] = bins
        for band in bands:
            buckets[band].append(entry.id)
    return found


def own_text(entry: CorpusEntry) -> str:
    """The words of what an entry adds to its conversation; call ids are left out."""
    turns = entry.messages
    if entry.requests:
        first, last = entry.requests[0].n_messages, entry.requests[-1].n_messages
        turns = turns[max(0, first - 1) : last + 1]
    sides = (*turns, *(entry.chosen or ()), *(entry.rejected or ()))
    return "\n".join(text for turn in sides for text in _texts(turn.get("content")))


def shingles(text: str, size: int = SHINGLE) -> set[int]:
    """64-bit hashes of every run of `size` words; a shorter text is one shingle."""
    words = WORD.findall(text.lower())
    runs = range(max(1, len(words) - size + 1))
    return {_hash(" ".join(words[at : at + size])) for at in runs}


def signature(grams: Iterable[int]) -> Sequence[int]:
    """The lowest hash of each bin, 64 bits, (BINS,); an empty one has its right neighbour's, and how far."""
    bins: list[int | None] = [None] * BINS
    for gram in grams:
        place, value = gram % BINS, gram // BINS
        low = bins[place]
        if low is None or value < low:
            bins[place] = value
    filled = array("Q", [0] * BINS)
    distance, last = 0, 0
    # Twice around, from the right, so that the last bins find the first.
    for at in reversed(range(2 * BINS)):
        here = bins[at % BINS]
        distance, last = (distance + 1, last) if here is None else (0, here)
        filled[at % BINS] = last | (distance % BINS) << 56
    return filled


def similarity(one: Sequence[int], other: Sequence[int]) -> float:
    """Jaccard of the sets behind two signatures: the share of equal bins."""
    equal: int = sum(map(eq, one, other))
    return equal / BINS


def _hash(text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


def _texts(content: Any) -> Iterator[str]:
    """The strings of a turn, without its types and ids."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            if key not in ("type", "id", "tool_use_id"):
                yield from _texts(value)
    elif isinstance(content, Sequence):
        for item in content:
            yield from _texts(item)
