# SPDX-License-Identifier: Apache-2.0
import json
import struct
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from logp_table import TWO_PAIRS, SecondOfTwo, TableOfLogps, rows

from node0.finetune.training.reference import CHUNK, KeptScores, learn_reference, reference_model

OF_BASE = [-0.6, -1.4, -1.0, -1.2]


@pytest.fixture
def kept(tmp_path):
    return KeptScores(tmp_path / "reference.jsonl", "base")


def test_each_pair_is_scored_once_and_without_padding(kept):
    pipeline = TableOfLogps()
    reference = learn_reference(pipeline, [TWO_PAIRS, TWO_PAIRS], kept, adapter=False)

    assert reference.logps([TWO_PAIRS]).tolist() == pytest.approx(OF_BASE)
    assert torch.equal(reference.logps([TWO_PAIRS, TWO_PAIRS]), reference.logps([TWO_PAIRS]).repeat(2))
    assert pipeline.widths == [3, 1]


def test_a_second_start_scores_only_what_is_new(kept):
    first = learn_reference(TableOfLogps(), [TWO_PAIRS], kept, adapter=False)
    more = rows([7, 7, 7, 7], [8, 8, 8, 8])
    pipeline = TableOfLogps()
    second = learn_reference(pipeline, [TWO_PAIRS, more], kept, adapter=False)

    assert pipeline.widths == [4]
    assert torch.equal(first.logps([TWO_PAIRS]), second.logps([TWO_PAIRS]))
    learn_reference(pipeline, [TWO_PAIRS, more], kept, adapter=False)
    assert pipeline.widths == [4]


def test_scores_of_another_model_are_none(kept, tmp_path):
    learn_reference(TableOfLogps(), [TWO_PAIRS], kept, adapter=False)
    other = KeptScores(tmp_path / "reference.jsonl", "another")
    pipeline = TableOfLogps()
    reference = learn_reference(pipeline, [TWO_PAIRS], other, adapter=True)

    assert pipeline.widths == [3, 1]
    assert reference.logps([TWO_PAIRS]).tolist() == pytest.approx([-0.3, -0.7, -0.5, -0.6])
    assert kept.read() == {}


@pytest.mark.parametrize("cut", [1, 20, 90])
def test_a_file_whose_writer_was_killed_loses_its_last_pair_alone(kept, tmp_path, cut):
    path = tmp_path / "reference.jsonl"
    learn_reference(TableOfLogps(), [TWO_PAIRS], kept, adapter=False)
    path.write_bytes(path.read_bytes()[:-cut])
    more = rows([7, 7, 7, 7], [8, 8, 8, 8])
    pipeline = TableOfLogps()
    reference = learn_reference(pipeline, [TWO_PAIRS, more], kept, adapter=False)

    assert pipeline.widths in ([4], [1, 4])
    assert reference.logps([TWO_PAIRS]).tolist() == pytest.approx(OF_BASE)
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 3


@given(
    bits=st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=2),
    junk=st.text(max_size=40),
    pair=st.text("0123456789abcdef", min_size=1, max_size=8),
)
def test_finite_scores_come_back_to_the_bit_and_others_not_at_all(tmp_path_factory, bits, junk, pair):
    path = tmp_path_factory.mktemp("kept") / "reference.jsonl"
    path.write_text(junk + "\n")
    kept = KeptScores(path, "base")
    score = torch.tensor([struct.unpack("<f", struct.pack("<I", each))[0] for each in bits])
    kept.read()
    kept.add({pair: score})

    found = kept.read()
    assert list(found) == ([pair] if bool(score.isfinite().all()) else [])
    assert all(torch.equal(each, score) for each in found.values())


@pytest.mark.parametrize("place", range(0, 300, 7))
def test_a_bit_that_flips_in_a_kept_score_is_scored_again(kept, tmp_path, place):
    path = tmp_path / "reference.jsonl"
    learn_reference(TableOfLogps(), [TWO_PAIRS], kept, adapter=False)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << place % 5
    path.write_bytes(data)
    pipeline = TableOfLogps()
    reference = learn_reference(pipeline, [TWO_PAIRS], kept, adapter=False)

    assert pipeline.widths
    assert reference.logps([TWO_PAIRS]).tolist() == pytest.approx(OF_BASE)


def test_a_score_that_is_not_finite_is_found_again(kept):
    class Broken(TableOfLogps):
        def score(self, microbatch, *, adapter=True):
            return super().score(microbatch, adapter=adapter) * torch.nan

    assert learn_reference(Broken(), [TWO_PAIRS], kept, adapter=False).logps([TWO_PAIRS]).isnan().all()
    pipeline = TableOfLogps()
    learn_reference(pipeline, [TWO_PAIRS], kept, adapter=False)
    assert pipeline.widths == [3, 1]


def test_a_rank_scores_its_share_and_knows_every_pair(tmp_path):
    pipeline = TableOfLogps()
    kept = KeptScores(tmp_path / "reference.jsonl", "base")
    ranks = SecondOfTwo(tensors=[[[0.0] * 3, [0.0] * 3], [[-8.0, -9.0], [0.0, 0.0]]])
    reference = learn_reference(pipeline, [TWO_PAIRS, TWO_PAIRS], kept, adapter=True, ranks=ranks)

    assert pipeline.widths == [1]
    assert reference.logps([TWO_PAIRS]).tolist() == pytest.approx([-8.0, -9.0, -0.5, -0.6])
    assert not (tmp_path / "reference.jsonl").exists()


def test_what_the_leading_rank_has_read_no_rank_scores(tmp_path):
    pipeline = TableOfLogps()
    kept = KeptScores(tmp_path / "not-here" / "reference.jsonl", "base")
    ranks = SecondOfTwo(tensors=[[[-1.0, -2.0, 1.0], [-3.0, -4.0, 1.0]]])
    reference = learn_reference(pipeline, [TWO_PAIRS], kept, adapter=True, ranks=ranks)

    assert pipeline.widths == []
    assert reference.logps([TWO_PAIRS]).tolist() == [-1.0, -2.0, -3.0, -4.0]


def test_a_run_that_is_stopped_keeps_what_it_has_scored(kept):
    class Stopped(TableOfLogps):
        def score(self, microbatch, *, adapter=True):
            if len(self.widths) == CHUNK + 1:
                raise KeyboardInterrupt
            return super().score(microbatch, adapter=adapter)

    pairs = [rows([number, 1, 2, 3], [number, 4, 5, 6]) for number in range(CHUNK + 5)]
    with pytest.raises(KeyboardInterrupt):
        learn_reference(Stopped(), pairs, kept, adapter=False)
    pipeline = TableOfLogps()
    learn_reference(pipeline, pairs, kept, adapter=False)
    assert len(pipeline.widths) == 5


def test_base_precision_and_first_adapter_tell_models_apart(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text("{}")
        (tmp_path / name / "adapter_model.safetensors").write_text(name)

    def model(base="b", dtype=torch.float32, start=None, quantize=None):
        adapter = None if start is None else tmp_path / start
        config = SimpleNamespace(init_adapter=adapter, quantize=quantize)
        return reference_model(SimpleNamespace(base_digest=base, dtype=dtype, config=config))

    others = [
        model("c"),
        model(dtype=torch.bfloat16),
        model(start="one"),
        model(start="two"),
        model(quantize="nf4"),
    ]
    assert model() == model()
    assert len({model(), *others}) == 6
