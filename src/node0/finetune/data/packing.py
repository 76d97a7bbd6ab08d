# SPDX-License-Identifier: Apache-2.0
"""Pack documents into rows, and rows into microbatches."""

from collections.abc import Iterable, Iterator, Sequence


def pack(lengths: Sequence[int], capacity: int, *, order: Sequence[int]) -> list[list[int]]:
    """First-fit decreasing: documents by index, in rows of at most `capacity` tokens.

    Documents of one length come in the given order, so another order packs otherwise. Takes
    O(n log n) with a tree over the room left in each row (Johnson 1973, section 2).

    Raises:
        ValueError: A document is longer than a row.
    """
    longest = max((lengths[index] for index in order), default=0)
    if longest > capacity:
        raise ValueError(f"a document of {longest} tokens does not fit a row of {capacity}")
    rows: list[list[int]] = [[] for _ in order]
    room = _Rooms(len(order), capacity)
    for index in sorted(order, key=lambda index: -lengths[index]):
        rows[room.take(lengths[index])].append(index)
    return [row for row in rows if row]


class _Rooms:
    """Room left in each row, as a tree of maxima."""

    def __init__(self, n_rows: int, capacity: int) -> None:
        self.size = 1 << max(0, (n_rows - 1).bit_length())
        self.tree = [capacity] * (2 * self.size)

    def take(self, length: int) -> int:
        """Take room in the first row that has it; its number."""
        node = 1
        while node < self.size:
            node = 2 * node if self.tree[2 * node] >= length else 2 * node + 1
        self.tree[node] -= length
        row = node - self.size
        while node > 1:
            node //= 2
            self.tree[node] = max(self.tree[2 * node], self.tree[2 * node + 1])
        return row


def steps(
    widths: Sequence[int], *, microbatches: int, tokens: int, order: Sequence[int]
) -> Iterator[list[list[int]]]:
    """Global batches: each of at most `microbatches` lists of row indices, balanced by tokens.

    A microbatch's rows times its widest row stay within `tokens`; a row wider than that goes alone.
    Rows are taken in the given order until the next one does not fit.
    """
    at = 0
    while at < len(order):
        end = at + _surely_fitting((widths[row] for row in order[at:]), microbatches, tokens)
        batch = _balanced(order[at:end], widths, microbatches, tokens) or [[order[at]]]
        while end < len(order):
            larger = _balanced(order[at : end + 1], widths, microbatches, tokens)
            if larger is None:
                break
            batch, end = larger, end + 1
        yield batch
        at = end


def _surely_fitting(widths: Iterable[int], microbatches: int, tokens: int) -> int:
    """How many of the first rows fit however they are laid."""
    count, widest = -1, 0
    for count, width in enumerate(widths):
        widest = max(widest, width)
        if count + 1 > microbatches * max(1, tokens // widest):
            return count
    return count + 1


def _balanced(
    rows: Sequence[int], widths: Sequence[int], microbatches: int, tokens: int
) -> list[list[int]] | None:
    """Widest row first, each to the microbatch with the fewest tokens that has room for it."""
    batch: list[list[int]] = [[] for _ in range(microbatches)]
    totals = [0] * microbatches
    for row in sorted(rows, key=lambda row: -widths[row]):
        fits = [
            number
            for number, members in enumerate(batch)
            if not members or (len(members) + 1) * widths[members[0]] <= tokens
        ]
        if not fits:
            return None
        number = min(fits, key=totals.__getitem__)
        batch[number].append(row)
        totals[number] += widths[row]
    return [members for members in batch if members]
