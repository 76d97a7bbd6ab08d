# SPDX-License-Identifier: Apache-2.0
import pytest
from tiny_chat import tiny_tokenizer
from tiny_run import configure, make_corpus

from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.frozen import write_list
from node0.finetune.training.plan.load_data import corpus_root, load_data


def test_the_directory_of_the_role_stands_for_the_corpus_around_it(tmp_path):
    make_corpus(tmp_path / "corpus", sessions=1)

    whole = corpus_root(configure(tmp_path))
    of_role = corpus_root(configure(tmp_path, corpus_path=str(tmp_path / "corpus" / "deacon")))

    assert whole == of_role == tmp_path / "corpus"


def test_a_corpus_named_like_the_role_is_still_the_corpus(tmp_path):
    make_corpus(tmp_path / "deacon", sessions=1)

    assert corpus_root(configure(tmp_path, corpus_path=str(tmp_path / "deacon"))) == tmp_path / "deacon"


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(NotFound, match="no corpus directory"):
        corpus_root(configure(tmp_path))


def test_sessions_are_trained_on_or_held_out_and_never_both(tmp_path):
    make_corpus(tmp_path / "corpus", sessions=12)
    data = load_data(configure(tmp_path), tiny_tokenizer())
    next(data.steps)

    splits = {entry.id: entry.split for entry in data.entries}

    assert len(splits) == len(data.entries) == data.kept == 12
    assert set(splits.values()) == {"train", "val"}
    assert {splits[name] for name in data.steps.seen()} == {"train"}
    assert data.held_out


def test_the_corpus_hash_follows_the_content_of_the_entries(tmp_path):
    hashes = []
    for sessions in (4, 4, 5):
        make_corpus(tmp_path / "corpus", sessions=sessions)
        hashes.append(load_data(configure(tmp_path), tiny_tokenizer()).corpus_hash)

    assert hashes[0] == hashes[1] != hashes[2]


def test_an_entry_that_is_gone_says_how_to_go_on_without_it(tmp_path):
    corpus, listed = make_corpus(tmp_path / "corpus"), tmp_path / "march.jsonl"
    begun = load_data(configure(tmp_path), tiny_tokenizer()).entries
    write_list(listed, begun)
    CorpusStore(corpus).delete(begun[0].id)

    with pytest.raises(BadCorpus, match=r"entries of this run .*; start over without them: --resume never"):
        load_data(configure(tmp_path), tiny_tokenizer(), begun)
    for frozen in (None, begun):
        with pytest.raises(BadCorpus, match=r"entries of .*march.jsonl .*; freeze a list without them"):
            load_data(configure(tmp_path, dataset=str(listed)), tiny_tokenizer(), frozen)
