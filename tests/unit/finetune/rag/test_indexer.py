# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_embedder import make_embedder

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber
from node0.finetune.rag import indexer as module
from node0.finetune.rag.indexer import BEADS, CONFIGS, RAGIndexer, Source
from node0.finetune.rag.latent import SMALLEST
from node0.finetune.rag.retriever import RAGRetriever
from node0.store.chunk_store import ChunkStore

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"


def many(count: int, word: str = "patrol") -> list[Source]:
    return [
        Source(f"gt-{number:03}", f"{word} number {number} looked at the harbor") for number in range(count)
    ]


def test_each_collection_holds_what_was_put_into_it(tmp_path: Path) -> None:
    indexer = RAGIndexer(str(tmp_path))

    indexer.index_bead("gt-abc12", "the lamp is broken")
    indexer.index_config("CLAUDE.md", "# Rules\nmend lamps")
    indexer.index_session("s-1", "user: mend the lamp")
    indexer.index_formula("f/mol-lamp.formula.toml", 'formula = "mol-lamp"\ndescription = "Mend it."')

    _, _, chunks = indexer.store.everything()
    assert {(one.collection, one.name, one.label) for one in chunks} == {
        ("beads", "gt-abc12", "gt-abc12"),
        ("configs", "CLAUDE.md", "CLAUDE.md"),
        ("sessions", "s-1", "s-1"),
        ("formulas", "f/mol-lamp.formula.toml", "mol-lamp"),
    }
    assert chunks[-2].text == "formula f/mol-lamp.formula.toml\nFormula: mol-lamp\nMend it."


def test_only_what_changed_is_made_and_embedded_again(tmp_path: Path) -> None:
    sources = many(2 * SMALLEST)
    RAGIndexer(tmp_path).index(BEADS, sources, whole=True)
    again = RAGIndexer(tmp_path)
    again.index(BEADS, sources, whole=True)
    assert +again.did == {"unchanged": 2 * SMALLEST}
    changed = RAGIndexer(tmp_path)

    changed.index(
        BEADS, [*sources[2:], Source("gt-000", "another text"), Source("gt-new", "a new one")], whole=True
    )

    assert +changed.did == {
        "unchanged": 2 * SMALLEST - 2,
        "changed": 1,
        "new": 1,
        "removed": 1,
        "embedded": 2,
    }
    assert changed.store.without_vector() == []
    assert "gt-001" not in changed.store.digests(BEADS)


def test_a_part_of_a_collection_removes_nothing(tmp_path: Path) -> None:
    indexer = RAGIndexer(tmp_path)
    indexer.index(BEADS, many(3))

    indexer.index(BEADS, many(1))
    indexer.remove(BEADS, ["gt-002", "gt-404"])

    assert sorted(indexer.store.digests(BEADS)) == ["gt-000", "gt-001"]
    assert indexer.did["removed"] == 1


def test_the_analysis_waits_for_enough_chunks_and_comes_again_when_the_index_outgrew_it(
    tmp_path: Path,
) -> None:
    indexer = RAGIndexer(tmp_path)
    indexer.index(BEADS, many(SMALLEST - 1))
    assert len(indexer.store.without_vector()) == SMALLEST - 1

    indexer.index(BEADS, many(SMALLEST))
    assert (indexer.did["embedded"], indexer.did["embedded again"]) == (SMALLEST, 0)
    indexer.index(CONFIGS, many(SMALLEST // 2 - 1))
    assert (indexer.did["embedded"], indexer.did["embedded again"]) == (SMALLEST + SMALLEST // 2 - 1, 0)
    indexer.index_session("last", "one more")

    assert indexer.did["embedded again"] == SMALLEST + SMALLEST // 2 - 1
    assert indexer.store.without_vector() == []


def test_secrets_and_what_the_scrubber_is_unsure_of_never_enter_the_file(tmp_path: Path) -> None:
    unsure = 'password: "dolphinswim"'
    assert [one.tier for one in TextScrubber().findings(unsure)] == [Tier.QUARANTINE]
    indexer = RAGIndexer(tmp_path)

    indexer.index_bead("gt-a", f"use {SECRET} to push")
    indexer.index_config("settings/config.json", f'{{"env": {{"ANTHROPIC_AUTH_TOKEN": "{SECRET[4:]}"}}}}')
    indexer.index_session("s-1", unsure)

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (SECRET, SECRET[4:], "dolphinswim"):
        assert secret.encode() not in stored
    assert "[REDACTED:" in " ".join(indexer.store.texts())


def test_other_rules_make_every_source_again(tmp_path: Path) -> None:
    RAGIndexer(tmp_path).index(BEADS, many(3))
    indexer = RAGIndexer(tmp_path, scrubber=TextScrubber(["harbor"]))

    indexer.index(BEADS, many(3))

    assert indexer.did["changed"] == 3
    assert "harbor" not in " ".join(indexer.store.texts())


def test_another_model_gives_every_chunk_another_vector_and_the_same_one_none(tmp_path: Path) -> None:
    one, other = (make_embedder(tmp_path / name, seed=seed) for name, seed in (("one", 0), ("other", 1)))
    first = RAGIndexer(tmp_path / "rag", embedder=str(one))
    first.index(BEADS, many(3))
    same = RAGIndexer(tmp_path / "rag", embedder=str(one))
    same.index(BEADS, many(4))
    assert (first.did["embedded"], same.did["embedded"], same.did["embedded again"]) == (3, 1, 0)
    second = RAGIndexer(tmp_path / "rag", embedder=str(other))

    second.index(BEADS, many(4))

    assert (second.did["unchanged"], second.did["embedded"], second.did["embedded again"]) == (4, 4, 4)


def test_a_model_that_is_gone_is_said_and_words_are_indexed_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_embedder(tmp_path / "model")
    RAGIndexer(tmp_path / "rag", embedder=str(model)).index(BEADS, many(2))
    model.rename(tmp_path / "elsewhere")
    indexer = RAGIndexer(tmp_path / "rag")

    indexer.index_bead("gt-late", "came later")

    assert "new chunks are found by words only: no embedding model in" in caplog.text
    assert [text for _, text in indexer.store.without_vector()] == ["bead gt-late\ncame later"]


def test_many_sources_are_stored_in_several_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    indexer = RAGIndexer(tmp_path, embedder="none")

    indexer.index(BEADS, many(10), whole=True)

    assert indexer.store.counts() == {"beads": (10, 10)}
    assert +indexer.did == {"new": 10}


class Killed(BaseException):
    """The process ends here: nothing below this line runs."""


@contextmanager
def ended_after_one_change() -> Iterator[None]:
    """A process that ends when it is about to change facts or drop vectors a second time."""
    done = []

    def once(change: Callable[..., object]) -> Callable[..., object]:
        def changed(*given: object) -> object:
            if done:
                raise Killed
            done.append(change)
            return change(*given)

        return changed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        for name in ("put_facts", "drop_vectors"):
            patch.setattr(ChunkStore, name, once(getattr(ChunkStore, name)))
        yield


def widths(directory: Path) -> set[int]:
    """Of all vectors, in bytes."""
    _, _, chunks = RAGIndexer(directory).store.everything()
    return {len(chunk.vector or b"") for chunk in chunks}


def test_an_analysis_that_was_cut_off_leaves_no_vectors_of_the_one_before(tmp_path: Path) -> None:
    RAGIndexer(tmp_path).index(BEADS, many(SMALLEST))
    indexer = RAGIndexer(tmp_path)
    indexer.take(CONFIGS, many(SMALLEST))
    with ended_after_one_change():
        indexer.embed()

    RAGIndexer(tmp_path).embed()

    assert len(widths(tmp_path)) == 1
    assert RAGRetriever(tmp_path).search("patrol number 3", by="meaning")


def test_a_change_of_model_that_was_cut_off_leaves_no_vectors_of_the_one_before(tmp_path: Path) -> None:
    model = make_embedder(tmp_path / "model")
    RAGIndexer(tmp_path / "rag").index(BEADS, many(SMALLEST))
    with ended_after_one_change():
        RAGIndexer(tmp_path / "rag", embedder=str(model))

    RAGIndexer(tmp_path / "rag").embed()

    assert len(widths(tmp_path / "rag")) == 1
    assert RAGRetriever(tmp_path / "rag").search("patrol number 3", by="meaning")
