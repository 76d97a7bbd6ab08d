# SPDX-License-Identifier: Apache-2.0
import yaml
from huggingface_hub import ModelCard
from tiny_run import configure

from node0.finetune.training.output.model_card import CardFacts, render_card

FACTS = CardFacts(
    parameters=1000,
    trained_parameters=10,
    base_digest="b" * 8,
    corpus_hash="c" * 8,
    train_entries=9,
    val_entries=3,
    scrub_versions=["1"],
    dropped={"outcome": 4},
    steps=20,
    tokens=500,
    best_step=15,
    first_val_loss=3.0,
    best_val_loss=1.25,
    last_val_loss=1.5,
)


def test_the_card_has_a_head_that_the_hub_reads(tmp_path):
    (tmp_path / "base").mkdir()
    card = ModelCard(render_card(configure(tmp_path), FACTS), ignore_metadata_errors=False)

    assert card.data.library_name == "peft"
    assert card.data.base_model == "base"
    assert card.data.eval_results[0].metric_value == 1.25


def test_the_card_says_what_was_measured_and_names_the_step(tmp_path):
    text = render_card(configure(tmp_path), FACTS)

    assert "| validation loss before | 3.0000 |" in text
    assert "(step 15) | 1.2500 |" in text
    assert "| entries and answers left out | 4 outcome |" in text
    assert "not signed" in text


def test_the_card_names_no_place_on_the_machine(tmp_path):
    (tmp_path / "base").mkdir()

    assert str(tmp_path) not in render_card(configure(tmp_path), FACTS)


def test_a_model_from_nothing_names_no_base(tmp_path):
    text = render_card(configure(tmp_path, base_model=None, lora=None, mode="pretrain"), FACTS)
    head = yaml.safe_load(text.split("---")[1])

    assert head["library_name"] == "transformers"
    assert "base_model" not in head
    assert "random weights" in text
