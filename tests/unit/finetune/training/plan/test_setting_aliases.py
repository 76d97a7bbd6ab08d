# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.setting_aliases import ALIASES, LAYERS, in_our_names
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig

Printed = pytest.CaptureFixture[str]


def test_every_alias_leads_to_a_setting_and_hides_none() -> None:
    ours = {*FineTuneConfig.model_fields, *(f"lora.{name}" for name in LoRAConfig.model_fields)}

    assert set(ALIASES.values()) <= ours
    assert not set(ALIASES) & ours
    assert sorted(LAYERS.values()) == sorted(ALL_LINEAR)


def test_names_of_other_trainers_are_read_and_noted_once_each(capsys: Printed) -> None:
    tree = {"learning_rate": 1e-4, "lora": {"r": 8, "lora_alpha": 4}, "seed": 3, "select": {"rigs": ["a"]}}

    read = in_our_names(tree, source="x.yaml")

    assert read == {"lr": 1e-4, "lora": {"rank": 8, "alpha": 4}, "seed": 3, "select": {"rigs": ["a"]}}
    assert capsys.readouterr().err.splitlines() == [
        "note: learning_rate (from x.yaml) is lr here",
        "note: lora.r (from x.yaml) is lora.rank here",
        "note: lora.lora_alpha (from x.yaml) is lora.alpha here",
    ]


def test_flat_names_of_an_adapter_join_those_below_lora() -> None:
    assert in_our_names({"lora_r": 8, "lora": {"dropout": 0.0}}, source="flag") == {
        "lora": {"rank": 8, "dropout": 0.0}
    }


@pytest.mark.parametrize("names", [("lora", "lora_r"), ("lora_r", "lora")])
def test_parts_of_an_adapter_that_is_turned_off_are_refused(names: tuple[str, str]) -> None:
    off = {"lora": None, "lora_r": 8}

    with pytest.raises(ConfigError, match=r"flag sets 'lora' to None and also 'lora\.rank'; keep one"):
        in_our_names({name: off[name] for name in names}, source="flag")
    on = in_our_names({name: off[name] or {} for name in names}, source="flag")
    assert on == {"lora": {"rank": 8}}


@pytest.mark.parametrize(
    ("given", "layers"),
    [
        (["q_proj", "wk", "down_proj"], ["wq", "wk", "w2"]),
        ("all-linear", list(ALL_LINEAR)),
        (["all-linear"], list(ALL_LINEAR)),
        (["c_attn"], ["c_attn"]),
    ],
)
def test_layers_are_read_by_their_names_in_hugging_faces_llama(given: object, layers: list[str]) -> None:
    assert in_our_names({"target_modules": given}, source="flag") == {"lora": {"target_modules": layers}}


def test_our_own_names_pass_without_a_note(capsys: Printed) -> None:
    tree = {"lr": 1.0, "lora": None, "lora.": 2, "max_steps": None}

    assert in_our_names({"lr": 1.0, "lora": None, "max_steps": None}, source="flag") == {
        name: value for name, value in tree.items() if name != "lora."
    }
    assert capsys.readouterr().err == ""


def test_one_setting_by_two_names_is_refused() -> None:
    with pytest.raises(ConfigError, match="flag sets 'lr' twice, also as 'learning_rate'; keep one"):
        in_our_names({"lr": 1, "learning_rate": 2}, source="flag")


@pytest.mark.parametrize(
    ("typed", "meant", "ours"),
    [("learnin_rate", "learning_rate", "lr"), ("num_train_epoch", "num_train_epochs", "epochs")],
)
def test_a_misspelt_alias_gets_the_alias_and_what_it_is_here(typed: str, meant: str, ours: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{meant}', which is '{ours}' here"):
        in_our_names({typed: 1}, source="flag")


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ({"load_in_4bit": True}, "nf4"),
        ({"load_in_4bit": False}, None),
        ({"quantization_bit": 4}, "nf4"),
        ({"bnb_4bit_quant_type": "nf4"}, "nf4"),
    ],
)
def test_other_words_for_four_bits_are_read_with_their_values(
    given: dict[str, object], ours: str | None, capsys: Printed
) -> None:
    assert in_our_names(given, source="flag") == {"quantize": ours}
    assert "is quantize" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given", [{"quantization_bit": 8}, {"load_in_4bit": "nf4"}, {"load_in_4bit": [True]}]
)
def test_a_value_that_means_nothing_here_is_refused_with_those_that_do(given: dict[str, object]) -> None:
    (name,) = given

    with pytest.raises(ConfigError, match=f"sets '{name}' to .*; take .*, or set 'quantize' here"):
        in_our_names(given, source="flag")


@pytest.mark.parametrize("name", [[], {}, None, 7, ["q_proj"]])
def test_a_layer_whose_name_is_no_word_is_left_to_be_refused(name: object) -> None:
    read = in_our_names({"lora": {"target_modules": ["q_proj", name]}}, source="x.yaml")

    assert read == {"lora": {"target_modules": ["wq", name]}}


@pytest.mark.parametrize(
    ("typed", "ours"),
    [
        ({"tensorboard": True}, {"report_to": ["tensorboard"]}),
        ({"tensorboard": False}, {"report_to": []}),
        ({"use_wandb": True, "wandb_project": "p"}, {"report_to": ["wandb"], "tracking_project": "p"}),
        ({"use_mlflow": True, "mlflow_run_name": "r"}, {"report_to": ["mlflow"], "run_name": "r"}),
    ],
    ids=str,
)
def test_switches_of_a_single_tracker_are_read(typed: dict[str, object], ours: dict[str, object]) -> None:
    assert in_our_names(typed, source="flag") == ours
