# SPDX-License-Identifier: Apache-2.0
"""Ask an index, and print what was found."""

from dataclasses import dataclass
from pathlib import Path

from node0 import console
from node0.finetune.rag.retriever import Found, RAGRetriever
from node0.town import Town

SHOWN = 160
"Characters of an excerpt in the table."


@dataclass(frozen=True, slots=True)
class Query:
    """A question to an index."""

    text: str
    town: Path | None
    rag_dir: Path | None
    "None is the town's."

    results: int
    max_tokens: int


def query_index(query: Query, *, context: bool, as_json: bool) -> None:
    """Print excerpts as records, or the context that a model would be given.

    Raises:
        NotFound: there is no index.
    """
    place = query.rag_dir or Town.locate(query.town).rag
    retriever = RAGRetriever(place, max_tokens=query.max_tokens)
    if context:
        text = retriever.retrieve(query.text, query.results)
        console.write(text + "\n" if text else "")
        return
    found = retriever.search(query.text, query.results)
    console.emit([_record(one) if as_json else _row(one) for one in found], as_json=as_json)
    if not found:
        console.note("nothing was found")
    console.note(f"ranked by {retriever.how}")


def _record(found: Found) -> dict[str, object]:
    return {
        "from": found.origin,
        "part": f"{found.part + 1}/{found.parts}",
        "exact": found.exact,
        "by words": found.by_words,
        "by meaning": found.by_meaning,
        "score": round(found.score, 5),
        "text": found.text,
    }


def _row(found: Found) -> dict[str, object]:
    """What a person looks for: where it stands, and how it begins."""
    text = " ".join(found.text.partition("\n")[2].split())[:SHOWN]
    return {"from": found.origin, "by": "id" if found.exact else f"{found.score:.3f}", "text": text}
