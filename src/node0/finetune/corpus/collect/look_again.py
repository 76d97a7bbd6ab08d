# SPDX-License-Identifier: Apache-2.0
"""Look through a corpus for secrets that were not known yet when its entries were stored."""

import logging

from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import Added, CorpusStore

logger = logging.getLogger(__name__)


def look_again(store: CorpusStore, scrubber: CorpusScrubber) -> int:
    """Take out of every entry what the scrubber has learned since the last time; how many entries changed.

    What was found once in a town is known in all of it, and so is a secret that is new on this machine.
    Where nothing is new, no entry is read. What an entry tells anew is looked for in all of them again.
    """
    if scrubber.known is None:
        return 0
    changed: set[str] = set()
    while news := scrubber.known.take_news():
        for entry in store.entries():
            if scrubber.holds(entry, news) and store.add(scrubber.scrub_entry(entry).entry) is Added.UPDATED:
                changed.add(entry.id)
    scrubber.known.keep()
    if changed:
        logger.info("took secrets that have become known out of %d entries stored before", len(changed))
    return len(changed)
