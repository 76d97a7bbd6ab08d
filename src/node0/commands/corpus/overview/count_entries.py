# SPDX-License-Identifier: Apache-2.0
"""Count entries, tokens and lengths of a corpus by role, source, task type and outcome."""

import json
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.finetune.corpus.quality.statistics import groups, histogram
from node0.finetune.corpus.store import hash_of

BAR = 40
"Width of the longest bar."


def count_entries(town: Path | None, *, role: str | None, as_json: bool) -> None:
    """Print the counts, and a histogram of lengths."""
    _, store = open_store(town, role)
    headers = store.headers(role)
    retracted = store.retracted().entries.keys()
    rows, bars = groups(headers, retracted), histogram(headers)
    totals = {
        "entries": len(headers),
        "tokens": sum(header.tokens for header in headers),
        "bytes": sum(header.bytes for header in headers),
        "corpus_hash": hash_of(headers),
    }
    if as_json:
        console.write(json.dumps({**totals, "groups": rows, "histogram": bars}, ensure_ascii=False) + "\n")
        return
    console.emit(rows, as_json=False)
    if bars:
        most = max(bar["entries"] for bar in bars)
        drawn = [{**bar, "": "█" * -(-bar["entries"] * BAR // most)} for bar in bars]
        console.emit(drawn, as_json=False, title="Estimated tokens of an entry")
    console.note("{entries} entries, about {tokens} tokens, corpus hash {corpus_hash}".format(**totals))
