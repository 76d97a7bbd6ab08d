# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.settings import assignments, leaves, read_tree, resolve

NEEDED = {"role": "deacon", "corpus_path": "corpus", "checkpoint_dir": "run"}


def test_flags_beat_run_json_beats_yaml_beats_defaults():
    resolved = resolve(
        FineTuneConfig,
        defaults={**NEEDED, "lr": 1.0, "seed": 1, "max_length": 10, "epochs": 9},
        yaml={"lr": 2.0, "seed": 2, "max_length": 20},
        run_json={"lr": 3.0, "seed": 3},
        flags={"lr": 4.0},
        names={"yaml": "deacon.yaml"},
    )

    assert (resolved.values.lr, resolved.values.seed) == (4.0, 3)
    assert (resolved.values.max_length, resolved.values.epochs) == (20, 9)
    assert [resolved.sources[name] for name in ("lr", "seed", "max_length", "epochs")] == [
        "flag",
        "run.json",
        "deacon.yaml",
        "default",
    ]


def test_nested_settings_merge_key_by_key_and_keep_their_source():
    resolved = resolve(
        FineTuneConfig, yaml={**NEEDED, "lora": {"rank": 8, "alpha": 16}}, flags={"lora": {"rank": 4}}
    )

    assert resolved.values.lora is not None
    assert (resolved.values.lora.rank, resolved.values.lora.alpha) == (4, 16.0)
    assert resolved.sources["lora.rank"] == "flag"
    assert resolved.sources["lora.alpha"] == "yaml"
    assert resolved.sources["lora.dropout"] == "default"


class Price(BaseModel):
    input: float


class Prices(BaseModel):
    by_role: dict[str, Price] = {}


def test_a_mapping_of_settings_has_keys_of_its_own_and_their_settings_are_known():
    given = {"by_role": {"deacon": {"input": 1.5}}}

    assert resolve(Prices, yaml=given).values == Prices(by_role={"deacon": Price(input=1.5)})
    with pytest.raises(ConfigError, match=r"'by_role\.deacon\.inptu'.*did you mean 'by_role.deacon.input'"):
        resolve(Prices, yaml={"by_role": {"deacon": {"inptu": 1.5}}})
    with pytest.raises(ConfigError, match=r"'by_role\.deacon' is 3"):
        resolve(Prices, yaml={"by_role": {"deacon": 3}})


def test_null_in_a_higher_layer_removes_a_nested_setting():
    resolved = resolve(FineTuneConfig, yaml={**NEEDED, "lora": {"rank": 8}}, flags={"lora": None})

    assert resolved.values.lora is None
    assert resolved.sources["lora"] == "flag"


@pytest.mark.parametrize(
    ("tree", "named", "hint"),
    [
        ({"lrr": 1}, "'lrr'", "'lr'"),
        ({"lora": {"rnak": 1}}, "'lora.rnak'", "'lora.rank'"),
        ({"select": {"outcome": []}}, "'select.outcome'", "'select.outcomes'"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(tree, named, hint):
    with pytest.raises(ConfigError) as caught:
        resolve(FineTuneConfig, yaml={**NEEDED, **tree})

    assert named in str(caught.value)
    assert f"did you mean {hint}" in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "parts"),
    [
        ({"lr": "fast"}, ["'lr'", "'fast'", "number", "flag"]),
        ({"lora": {"rank": 1.5}}, ["'lora.rank'", "1.5", "integer", "flag"]),
        ({"mode": "rlhf"}, ["'mode'", "'rlhf'", "'sft', 'dpo' or 'pretrain'"]),
    ],
)
def test_a_wrong_type_is_one_line_that_names_key_value_and_expected(tree, parts):
    with pytest.raises(ConfigError) as caught:
        resolve(FineTuneConfig, yaml=NEEDED, flags=tree)

    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in parts)


def test_a_missing_setting_is_named():
    with pytest.raises(ConfigError, match="'corpus_path' is missing"):
        resolve(FineTuneConfig, yaml={"role": "deacon", "checkpoint_dir": "run"})


def test_resolved_yaml_reads_back_and_names_the_source_of_every_leaf(tmp_path: Path):
    resolved = resolve(
        FineTuneConfig, yaml={**NEEDED, "lora": {"rank": 8}, "base_model": "a: b # c"}, flags={"lr": 1e-4}
    )
    path = tmp_path / "config.resolved.yaml"
    path.write_text(resolved.to_yaml())

    again = resolve(FineTuneConfig, yaml=read_tree(path))

    assert again.values == resolved.values
    lines = path.read_text().splitlines()
    assert "lr: 0.0001  # flag" in lines
    assert "  rank: 8  # yaml" in lines
    assert all("  # " in line for line in lines if not line.endswith(":"))


def test_rows_hold_every_leaf_once():
    resolved = resolve(FineTuneConfig, yaml=NEEDED)
    names = [row["setting"] for row in resolved.rows()]

    assert len(names) == len(set(names))
    assert names == [name for name, _ in leaves(resolved.values.model_dump(mode="json"))]


def test_assignments_read_values_as_yaml_and_nest_by_dots():
    tree = assignments(["lora.rank=8", "lora.target_modules=[wq, w1]", "base_model=null", "lr=1e-3"])

    assert tree == {"lora": {"rank": 8, "target_modules": ["wq", "w1"]}, "base_model": None, "lr": "1e-3"}
    assert resolve(FineTuneConfig, yaml=NEEDED, flags=tree).values.lr == 1e-3


@pytest.mark.parametrize("text", ["lr", "=3", "lr=[1", "select.since=2026-13-01"])
def test_an_assignment_that_cannot_be_read_is_refused(text):
    with pytest.raises(ConfigError, match="--set"):
        assignments([text])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "a: [1"),
        ("a.yaml", "a: 2026-02-30"),
        ("a.json", "{"),
        ("a.yaml", "- a\n- b"),
        ("a.yaml", b"\xff\xfe\xff"),
        ("gone.yaml", None),
    ],
)
def test_a_file_that_holds_no_mapping_is_one_line(tmp_path: Path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ConfigError) as caught:
        read_tree(path)

    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_no_settings(tmp_path: Path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")

    assert read_tree(tmp_path / "empty.yaml") == {}
    assert yaml.safe_load("# nothing\n") is None
