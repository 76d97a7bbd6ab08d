# SPDX-License-Identifier: Apache-2.0
"""Every code in which a stretch of a text may hold another text, to be found and to be written anew."""

import re
from collections.abc import Sequence

from node0.finetune.corpus.scrub.readings import byte_dumps, byte_lists, encoded_words
from node0.finetune.corpus.scrub.readings.blob import Blob, Change, Reading
from node0.finetune.corpus.scrub.views import CONTEXT, GAP, View, ViewBuilder

WORDS = Reading(encoded_words.text_blobs, encoded_words.rewritten)
LISTS = Reading(byte_lists.listed_bytes, byte_lists.rewritten)
DUMPS = Reading(byte_dumps.dumps, byte_dumps.rewritten)

LONGEST_VALUE = 256
"Signs of a value that what stands around it may name."

SPACE = re.compile(r"\s")


def text_blobs(text: str, words: Sequence[str] | None = None) -> list[Blob]:
    """Every stretch of a text that holds another one, in order, without overlaps.

    Args:
        text: Is looked through once for each code that may be in it.
        words: The long words of the text, in order, where they are known already.
    """
    known = text.split() if words is None else words
    blobs = list(WORDS.blobs(text, known))
    if not text.isalnum():
        blobs += LISTS.blobs(text, known)
    if "000" in text:
        blobs += DUMPS.blobs(text, known)
    return _apart(blobs)


def in_context(text: str, blobs: Sequence[Blob]) -> View | None:
    """The lines in which single values stand in code, with these decoded; None where there are none."""
    builder = ViewBuilder(text)
    done = line_end = 0
    for blob in blobs:
        if len(blob.text) > LONGEST_VALUE or not blob.text.isprintable():
            continue
        if blob.start >= line_end:
            builder.copy(done, line_end)
            if builder.length:
                builder.decoded(GAP, blob.start, blob.start)
            done = max(line_end, text.rfind("\n", max(0, blob.start - CONTEXT), blob.start) + 1)
            done = max(done, blob.start - CONTEXT)
        builder.copy(done, blob.start)
        builder.decoded(blob.text, blob.start, blob.end)
        done = blob.end
        line_end = text.find("\n", done, done + CONTEXT)
        line_end = line_end if line_end >= 0 else min(len(text), done + CONTEXT)
    builder.copy(done, line_end)
    return builder.view() if builder.length else None


def rewritten(written: str, change: Change) -> str | None:
    """A stretch with the text in it changed; None where nothing in it changes, or it holds none."""
    for reading in _readings_of(written):
        changed = reading.rewritten(written, change)
        if changed is not None:
            return changed
    return None


def _readings_of(written: str) -> Sequence[Reading]:
    """Those that may have written it: a list needs signs between its bytes, a dump spaces."""
    if written.isalnum():
        return (WORDS,)
    return (WORDS, LISTS, DUMPS) if SPACE.search(written) else (WORDS, LISTS)


def _apart(blobs: list[Blob]) -> list[Blob]:
    """In order; of two that overlap, the longer."""
    kept: list[Blob] = []
    for blob in sorted(blobs, key=lambda one: (one.start, -one.end)):
        if not kept or blob.start >= kept[-1].end:
            kept.append(blob)
        elif blob.end - blob.start > kept[-1].end - kept[-1].start:
            kept[-1] = blob
    return kept
