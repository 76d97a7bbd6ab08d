# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_run import make_base

from node0.commands.serve.model_offers import (
    Offer,
    SourceChoice,
    named_models,
    offers,
    registered_name,
    served_model,
)
from node0.finetune.inference.source import ModelSource
from node0.models.base_model import resolve_base


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    base = resolve_base(make_base(tmp_path))
    return ModelSource("deacon:3", base, tokenizer=base.tokenizer_path)


def test_a_directory_is_offered_under_its_own_name_and_others_as_they_are_given(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()

    assert named_models([str(tmp_path / "base"), "a=deacon:1", "deacon@active"]) == {
        "base": str(tmp_path / "base"),
        "a": "deacon:1",
        "deacon@active": "deacon@active",
    }


def test_only_versions_of_the_registry_have_a_registered_name(source: ModelSource, tmp_path: Path) -> None:
    assert registered_name(source) == "deacon"
    assert registered_name(ModelSource(str(tmp_path), source.base)) is None
    assert registered_name(ModelSource("org/name", source.base)) is None


def test_an_alias_is_no_fixed_id_and_one_version_is_offered_once(source: ModelSource) -> None:
    named = {"deacon": "deacon", "d": "deacon@active"}

    both = offers(named, dict.fromkeys(named, source), ())
    alone = offers({"d": "deacon@active"}, {"d": source}, ())

    assert [(offer.ids, offer.engine_name) for offer in both] == [(["deacon", "deacon:3"], "deacon")]
    assert [(offer.ids, offer.engine_name) for offer in alone] == [(["deacon:3"], "deacon:3")]


def test_another_engine_may_call_a_model_otherwise(source: ModelSource) -> None:
    assert offers({"d": "deacon"}, {"d": source}, ["deacon-lora"])[0].engine_name == "deacon-lora"


def test_an_offer_becomes_a_model_that_speaks(source: ModelSource) -> None:
    choice = SourceChoice((), None, None, "cpu", "float32", None)
    offer = Offer(source, ["d", "deacon:3"], "d")

    model = served_model(offer, choice)

    assert (model.ids, model.engine_name, model.context) == (
        ("d", "deacon:3"),
        "d",
        source.base.args.max_seq_len,
    )
    assert model.decode(model.renderer.tokenizer("gt mail")["input_ids"]) == "gt mail"
    assert served_model(offer, choice, context=64).context == 64
